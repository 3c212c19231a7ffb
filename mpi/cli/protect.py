"""`mpi protect`."""

from dataclasses import asdict

import click

from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.domain.audit import Actor
from mpi.domain.roles import Role

_GUARDIAN = Actor(OPERATOR.name, Role.IG_AUDITOR.value)


@click.group()
def protect() -> None:
    """Hide an identity that its person left behind for a new NHS number (gender marker, adoption, protection)."""


@protect.command(epilog="Example: mpi protect hide P1AAAAAAAAAA2 P1BBBBBBBBBB3 --reason 'case 12'")
@click.argument("old")
@click.argument("new")
@click.option("--reason", required=True, help="Why, for the audit trail; names nobody.")
@database_options
def hide(old: str, new: str, reason: str, database: str | None, config_file: str | None) -> None:
    """Hide the person OLD, whose new identity is NEW (enterprise ids), and keep the two apart.

    Nothing that users or other systems see leads to OLD from then on, or shows that it has to do with NEW. Its feed
    goes on being taken.
    """
    with ready_application(database, config_file) as app:
        app.protected.hide(OPERATOR, old, new, reason)
    click.echo("hidden")


@protect.command(epilog="Example: mpi protect past RXX 123456 --reason 'case 12'")
@click.argument("authority")
@click.argument("value")
@click.option("--reason", required=True, help="Why, for the audit trail; names nobody.")
@database_options
def past(authority: str, value: str, reason: str, database: str | None, config_file: str | None) -> None:
    """Hide what the number VALUE of AUTHORITY said under another NHS number than today's.

    For a hospital that wrote the new identity over the old one: what it said before becomes a hidden record.
    """
    with ready_application(database, config_file) as app:
        app.protected.hide_past(OPERATOR, authority, value, reason)
    click.echo("hidden")


@protect.command(epilog="Example: mpi protect show P1AAAAAAAAAA2 --reason 'hidden by mistake'")
@click.argument("old")
@click.option("--reason", required=True, help="Why, for the audit trail; names nobody.")
@database_options
def show(old: str, reason: str, database: str | None, config_file: str | None) -> None:
    """Let the person OLD be found again. It stays apart from its new identity."""
    with ready_application(database, config_file) as app:
        app.protected.show_again(OPERATOR, old, reason)
    click.echo("shown again")


@protect.command(epilog="Example: mpi protect look P1BBBBBBBBBB3")
@click.argument("person")
@json_option
@database_options
def look(person: str, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Say which identities PERSON (an enterprise id) left behind, or is. The look is in the audit trail."""
    with ready_application(database, config_file) as app:
        found = app.protected.look(_GUARDIAN, person)
    if as_json:
        echo_json([asdict(one) for one in found])
        return
    for one in found:
        click.echo(f"{one.old} is hidden since {one.since[:10]}, by {one.by}; new identity: {', '.join(one.new)}")
    if not found:
        click.echo("nothing is hidden here")

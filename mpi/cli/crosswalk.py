"""`mpi crosswalk`."""

from dataclasses import asdict

import click

from mpi.cli.options import application, database_options, echo_json, json_option
from mpi.domain.audit import Actor
from mpi.domain.roles import Role

_ASKER = Actor("command line", Role.SERVICE.value)


@click.command(epilog="Example: mpi crosswalk RXX 123456 --at 2026-11-21T09:30:00Z")
@click.argument("authority")
@click.argument("value")
@click.option(
    "--at",
    metavar="TIME",
    help="The answer as it was then: an ISO 8601 time with its zone, or a date (its end, in the United Kingdom).",
)
@json_option
@database_options
def crosswalk(
    authority: str, value: str, at: str | None, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Show the identifiers of the person whom AUTHORITY knows by VALUE, now or at a moment of the past."""
    with application(database, config_file) as app:
        found = app.people.crosswalk(_ASKER, authority, value, at=at)
    if as_json:
        echo_json(asdict(found))
        return
    click.echo(f"person {found.enterprise_id}" + (f" at {found.at}" if found.at else ""))
    if found.superseded_by:
        click.echo(f"  the number asked about was superseded; {found.superseded_by} stands for it")
    if found.restricted:
        click.echo("  restricted: other hospitals and their numbers are withheld")
    for entry in found.identifiers:
        marks = [entry.status] if entry.status != "active" else []
        if entry.kind == "national":
            marks.append("verified" if entry.verified else "not verified")
        click.echo(f"  {entry.authority:<12} {entry.value}" + (f"  ({', '.join(marks)})" if marks else ""))

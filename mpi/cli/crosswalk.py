"""`mpi crosswalk`."""

from dataclasses import asdict

import click

from mpi.cli.options import application, database_options, echo_json, json_option
from mpi.domain.audit import Actor
from mpi.domain.roles import Role

_ASKER = Actor("command line", Role.SERVICE.value)


@click.command(epilog="Example: mpi crosswalk RXX 123456")
@click.argument("authority")
@click.argument("value")
@json_option
@database_options
def crosswalk(authority: str, value: str, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show the identifiers of the person whom AUTHORITY knows by VALUE."""
    with application(database, config_file) as app:
        found = app.people.crosswalk(_ASKER, authority, value)
    if as_json:
        echo_json(asdict(found))
        return
    click.echo(f"person {found.enterprise_id}")
    for entry in found.identifiers:
        marks = [entry.status] if entry.status != "active" else []
        if entry.kind == "national":
            marks.append("verified" if entry.verified else "not verified")
        click.echo(f"  {entry.authority:<12} {entry.value}" + (f"  ({', '.join(marks)})" if marks else ""))

"""`mpi audit`."""

import click

from mpi.cli.options import application, database_options
from mpi.store import audit as trail

BROKEN_EXIT_CODE = 9


@click.group()
def audit() -> None:
    """Verify the audit trail."""


@audit.command(epilog="Example: mpi audit verify --database sqlite:///var/mpi.db")
@database_options
@click.pass_context
def verify(ctx: click.Context, database: str | None, config_file: str | None) -> None:
    """Check that no event was changed, removed or put between. Exits 9 where the chain is broken."""
    with application(database, config_file) as app, app.store.reading() as unit:
        checked, broken = trail.verify(unit.connection)
    if broken:
        click.echo(f"the audit trail is broken at event {broken.seq}: {broken.problem}", err=True)
        ctx.exit(BROKEN_EXIT_CODE)
    click.echo(f"{checked} events checked, the chain is whole")

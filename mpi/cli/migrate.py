"""`mpi migrate`."""

import click

from mpi.cli.options import configuration, database_options
from mpi.store import schema


@click.command(epilog="Example: mpi migrate --database sqlite:///var/mpi.db")
@database_options
def migrate(database: str | None, config_file: str | None) -> None:
    """Create the database or bring it up to date. Safe to run again."""
    revision = schema.migrate(configuration(database, config_file).database_url)
    click.echo(f"the database is at revision {revision}")

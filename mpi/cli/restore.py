"""`mpi restore`."""

from pathlib import Path

import click

from mpi import logs
from mpi.cli.backup import counting, facts, say
from mpi.cli.options import OPERATOR, configuration, database_options, echo_json, json_option
from mpi.services import backup as backups


@click.command(epilog="Example: mpi restore /backups/mpi-monday.backup --database postgresql:///mpi")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Put it in the place of what the database holds.")
@click.option("--check", "only_check", is_flag=True, help="Read FILE whole and say what it holds; restore nothing.")
@json_option
@database_options
def restore(
    file: Path, replace: bool, only_check: bool, as_json: bool, database: str | None, config_file: str | None
) -> None:
    """Put the backup FILE into the database, which may be of the other kind than the one it was made of.

    All or nothing: FILE is read whole first, and what was restored is counted and its audit chain verified before it
    takes effect. Stop mpi listen, serve and work first. An SQLite file that is replaced is kept beside it.
    """
    logs.configure("warning")
    if only_check:
        summary, done = backups.inspect(file), "whole"
    else:
        url = configuration(database, config_file).database_url
        with counting("rows") as progress:
            summary = backups.restore(url, OPERATOR, file, replace=replace, progress=progress)
        done = "restored and verified"
    if as_json:
        echo_json({"file": str(file), **facts(summary)})
    else:
        say(summary, done)

"""`mpi backup`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
from mpi.services import backup as backups
from mpi.store.archive import Progress, Summary


@contextmanager
def counting(what: str) -> Iterator[Progress]:
    """A running count on a terminal; nothing in a pipe."""
    done = 0
    shown = sys.stderr.isatty()

    def progress(_table: str, rows: int) -> None:
        nonlocal done
        done += rows
        if shown:
            click.echo(f"\r{done} {what}", err=True, nl=False)

    yield progress
    if shown:
        click.echo("", err=True)


def facts(summary: Summary) -> dict[str, Any]:
    """A summary as it is printed."""
    return {
        "made_at": summary.made_at,
        "revision": summary.revision,
        "rows": summary.rows,
        "audit_events": summary.head[0],
    }


def say(summary: Summary, done: str) -> None:
    """Print a summary for people."""
    persons, records = (summary.rows.get(name, 0) for name in ("person", "source_record"))
    total = sum(summary.rows.values())
    click.echo(f"{done}: {records} records, {persons} persons, {summary.head[0]} audit events, {total} rows in all")


@click.command(epilog="Example: mpi backup /backups/mpi-monday.backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Write over FILE where it is there.")
@json_option
@database_options
def backup(file: Path, force: bool, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Write the whole index, as it is at one moment, to FILE. The feed may go on meanwhile.

    FILE holds patients' data: only its owner may read it. It can be restored into SQLite and into PostgreSQL.
    Sign-ins are left out. FILE is there only when it is whole.
    """
    with ready_application(database, config_file) as app, counting("rows") as progress:
        summary = backups.save(app.store, OPERATOR, file, overwrite=force, progress=progress)
    if as_json:
        echo_json({"file": str(file), **facts(summary)})
    else:
        say(summary, f"saved to {file}")

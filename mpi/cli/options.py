"""Options that commands share, and the installation they lead to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from mpi import logs
from mpi.bootstrap import App, build
from mpi.config import Config, load
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict
from mpi.store import schema

F = TypeVar("F", bound=Callable[..., Any])

OPERATOR = Actor("command line", "administrator")
"""Who acts in a command: whoever may run it on the server."""


def database_options(command: F) -> F:
    """Add `--database` and `--config` to a command."""
    command = click.option("--database", metavar="URL", help="Database [MPI_DATABASE_URL, or the configuration].")(
        command
    )
    return click.option("--config", "config_file", metavar="FILE", help="Configuration [MPI_CONFIG, or mpi.toml].")(
        command
    )


def json_option(command: F) -> F:
    """Add `--json` to a command that has results."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def configuration(database: str | None, config_file: str | None) -> Config:
    """The configuration that the options lead to."""
    return load(config_file, database_url=database)


@contextmanager
def application(database: str | None, config_file: str | None) -> Iterator[App]:
    """The services, closed at the end; warnings are logged to standard error."""
    logs.configure("warning")
    app = build(configuration(database, config_file))
    try:
        yield app
    finally:
        app.close()


@contextmanager
def ready_application(database: str | None, config_file: str | None) -> Iterator[App]:
    """Like `application`, on a database that is there and of this version; else raises `Conflict` saying what to do."""
    with application(database, config_file) as app:
        place = app.store.database
        if place.dialect == "sqlite" and not Path(place.url.database or "").is_file():
            raise Conflict(f"there is no database {place.url.database} yet; run: mpi migrate")
        if not schema.is_current(place):
            raise Conflict("the database is not at the version of this software; run: mpi migrate")
        yield app


def echo_json(value: object) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

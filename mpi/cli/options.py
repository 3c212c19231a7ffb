"""Options that commands share, and the installation they lead to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from mpi import logs
from mpi.bootstrap import App, build
from mpi.config import Config, load
from mpi.domain.audit import Actor

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


def echo_json(value: object) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

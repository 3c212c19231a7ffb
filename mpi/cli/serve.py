"""`mpi serve`."""

import ipaddress
import logging
import signal
from pathlib import Path
from typing import NoReturn

import click
import waitress

from mpi import logs
from mpi.bootstrap import App
from mpi.cli.options import application, database_options
from mpi.dicom.header import header_from_file, header_from_json
from mpi.domain.errors import Conflict
from mpi.store import schema
from mpi.web.api import LARGEST_STUDY
from mpi.web.app import create_app
from mpi.web.security import secret_key

_BODY_MARGIN = 1024 * 1024
_MOST_CONNECTIONS = 500
_IDLE_SECONDS = 30
"""Connections open at once, and how long one may stay silent: a hundred unfinished requests must not shut the door."""


@click.command(epilog="Example: mpi serve --port 8080 --plain-http")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64), help="Requests served at once.")
@click.option(
    "--plain-http",
    is_flag=True,
    help="Let the sign-in cookie travel without TLS: for a demonstration on this machine only.",
)
@click.option("--trusted-proxy", metavar="ADDRESS", help="Take the caller's address and scheme from this proxy.")
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@database_options
def serve(
    host: str,
    port: int,
    threads: int,
    plain_http: bool,
    trusted_proxy: str | None,
    log_level: str,
    database: str | None,
    config_file: str | None,
) -> None:
    """Serve the web pages and the HTTP interface until stopped (Ctrl-C or SIGTERM).

    Browsers must come by TLS, through a proxy in front of this process.
    """
    if plain_http and not _is_loopback(host):
        raise click.UsageError("--plain-http is for addresses of this machine only (127.0.0.1, ::1, localhost)")
    with application(database, config_file) as app:
        if not schema.is_current(app.store.database):
            raise Conflict("the database is not at the version of this software; run: mpi migrate")
        logs.configure(log_level)
        _serve(app, host, port, threads, secure=not plain_http, trusted_proxy=trusted_proxy)


def _serve(app: App, host: str, port: int, threads: int, *, secure: bool, trusted_proxy: str | None) -> None:
    web = create_app(
        app,
        secret_key=secret_key(_key_folder(app)),
        secure_cookies=secure,
        read_study_json=header_from_json,
        read_study_file=header_from_file,
    )
    proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"}}
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a busy moment is no warning
    try:
        server = waitress.create_server(
            web,
            host=host,
            port=port,
            threads=threads,
            ident=None,
            max_request_body_size=LARGEST_STUDY + _BODY_MARGIN,
            clear_untrusted_proxy_headers=True,
            connection_limit=_MOST_CONNECTIONS,
            channel_timeout=_IDLE_SECONDS,
            asyncore_use_poll=True,  # select stops at 1024 files
            **(proxy if trusted_proxy else {}),
        )
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error.strerror}") from error
    signal.signal(signal.SIGTERM, _stop)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"serving on http://{shown}:{server.effective_port}/")
    if secure:
        click.echo("people sign in through TLS only: put a proxy in front, or see --plain-http", err=True)
    server.run()


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key_folder(app: App) -> Path:
    """Where the secret key lies: beside an SQLite file, else in `var`."""
    url = app.store.database.url
    return Path(url.database or "var").parent if app.store.database.dialect == "sqlite" else Path("var")

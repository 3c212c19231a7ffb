"""`mpi listen`."""

import asyncio
import signal
import ssl
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from mpi import logs
from mpi.bootstrap import App
from mpi.cli.options import application, database_options
from mpi.cli.work import sending
from mpi.domain.errors import Conflict
from mpi.hl7.desk import Desk
from mpi.hl7.listener import Limits, Listener
from mpi.hl7.tls import server_context
from mpi.store import schema

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LIMITS = Limits()
SWITCH_SECONDS = 0.001
"""How long a thread keeps the interpreter while others want it: a query must not wait for a message to be matched."""


@click.command(epilog="Example: mpi listen --port 2575 --tls-cert server.pem --tls-key server.key")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=2575, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM): connections are encrypted.")
@click.option("--tls-key", type=_FILE, help="Private key of the certificate (PEM).")
@click.option("--tls-client-ca", type=_FILE, help="Only senders with a certificate of these authorities (PEM).")
@click.option("--max-message", default=_LIMITS.max_message, show_default=True, type=click.IntRange(1024), help="Bytes.")
@click.option("--max-connections", default=_LIMITS.max_connections, show_default=True, type=click.IntRange(1))
@click.option(
    "--idle-timeout",
    default=_LIMITS.idle_timeout,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Seconds without a message until a connection is closed.",
)
@click.option(
    "--frame-timeout",
    default=_LIMITS.frame_timeout,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Seconds that a message may take to arrive.",
)
@click.option("--no-outbox", is_flag=True, help="Leave telling subscribers of changes to `mpi work`.")
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@database_options
def listen(
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    max_message: int,
    max_connections: int,
    idle_timeout: float,
    frame_timeout: float,
    no_outbox: bool,
    log_level: str,
    database: str | None,
    config_file: str | None,
) -> None:
    """Take HL7 v2 messages and queries over MLLP until stopped (Ctrl-C, SIGTERM); what is in hand is finished first."""
    limits = Limits(max_message, max_connections, idle_timeout, frame_timeout)
    tls = tls_context(tls_cert, tls_key, tls_client_ca)
    with application(database, config_file) as app:
        if not schema.is_current(app.store.database):
            raise Conflict("the database is not at the version of this software; run: mpi migrate")
        logs.configure(log_level)
        sys.setswitchinterval(SWITCH_SECONDS)
        app.outbox.enrol()  # also when others send: from now on nothing is missed
        with nullcontext() if no_outbox else sending(app):
            asyncio.run(_serve(app, limits, host, port, tls))


def tls_context(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    """The context that the options ask for; None for plain connections."""
    if certificate is None and key is None:
        if client_ca is not None:
            raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-cert and --tls-key go together")
    return server_context(certificate, key, client_ca)


async def _serve(app: App, limits: Limits, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    """Listen until a signal says to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    desk = Desk(app.config, app.identifier_queries.answer, app.person_queries.answer, app.person_queries.forget)
    listener = Listener(app.config, app.inbox.process, limits, desk)
    try:
        bound = await listener.start(host, port, tls)
    except OSError as error:
        raise Conflict(f"cannot listen on {host}:{port}: {error.strerror}") from error
    click.echo(f"listening for HL7 v2 on {host}:{bound}{' (TLS)' if tls else ''}")
    await stopping.wait()
    click.echo("stopping: finishing the messages in hand")
    await listener.stop()

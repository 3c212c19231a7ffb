"""`mpi dicom`."""

import signal
import ssl
import threading
from pathlib import Path

import click

from mpi import logs
from mpi.bootstrap import App
from mpi.cli.listen import tls_context
from mpi.cli.options import database_options, ready_application
from mpi.dicom.folder import Folder
from mpi.dicom.forward import Forwarder
from mpi.dicom.judge import Judge
from mpi.dicom.node import Node
from mpi.dicom.receive import Receiver
from mpi.domain.errors import Conflict
from mpi.hl7.tls import client_context

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(epilog="Example: mpi dicom listen --port 11112")
def dicom() -> None:
    """Take outside studies from other systems, hold them at the gate, send on what may go on."""


@dicom.command(epilog="Example: mpi dicom listen --tls-cert node.pem --tls-key node.key --tls-client-ca partners.pem")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=11112, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM): connections are encrypted.")
@click.option("--tls-key", type=_FILE, help="Private key of the certificate (PEM).")
@click.option("--tls-client-ca", type=_FILE, help="Only senders with a certificate of these authorities (PEM).")
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
    log_level: str,
    database: str | None,
    config_file: str | None,
) -> None:
    """Run the node until stopped (Ctrl-C, SIGTERM): C-STORE and C-ECHO for the partners of the configuration.

    What comes in is kept in quarantine until the gate has decided; what is being received is finished at the end.
    """
    tls = tls_context(tls_cert, tls_key, tls_client_ca)
    with ready_application(database, config_file) as app:
        logs.configure(log_level)
        _listen(app, host, port, tls)


def _listen(app: App, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = app.config.dicom
    folder = Folder(settings.quarantine, settings.largest << 20)
    node = Node(settings, folder, Receiver(folder, app.quarantine))
    try:
        folder.sweep(lambda digests: app.quarantine.needed(folder.node, digests), 0)
        try:
            bound = node.start(host, port, tls)
        except OSError as error:
            raise Conflict(f"cannot listen on {host}:{port}: {error.strerror}") from error
        threads = _workers(app, folder, node, stop)
        click.echo(f"listening for DICOM as {settings.ae_title} on {host}:{bound}{' (TLS)' if tls else ''}")
        stop.wait()
        click.echo("stopping: finishing what is being received")
        node.stop()
        for thread in threads:
            thread.join()
    finally:
        folder.close()


def _workers(app: App, folder: Folder, node: Node, stop: threading.Event) -> list[threading.Thread]:
    """The threads that judge what came in and send on what may go."""
    judge = Judge(app.quarantine, folder)
    threads = [threading.Thread(target=judge.run, args=(stop,), name="judge", daemon=True)]
    forward = app.config.dicom.forward
    if forward is not None:
        tls = client_context(forward.tls_ca, forward.tls_cert, forward.tls_key) if forward.tls else None
        forwarder = Forwarder(app.config.dicom, folder, app.forwarding, tls)
        node.on_report(forwarder.reported)
        threads.append(threading.Thread(target=forwarder.run, args=(stop,), name="forwarder", daemon=True))
    for thread in threads:
        thread.start()
    return threads

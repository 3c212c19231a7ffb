"""`mpi dicom`."""

import signal
import ssl
import threading
from pathlib import Path

import click

from mpi import logs
from mpi.bootstrap import App
from mpi.cli.listen import tls_context
from mpi.cli.options import OPERATOR, database_options, echo_json, json_option, ready_application
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


@dicom.command(name="list", epilog="Example: mpi dicom list; mpi dicom list 1.2.826.0.1.3680043.10.1")
@click.argument("study", required=False, metavar="[STUDY]")
@json_option
@database_options
def list_(study: str | None, as_json: bool, database: str | None, config_file: str | None) -> None:
    """Show the studies in quarantine, oldest first, and why each waits; with a Study Instance UID its objects."""
    with ready_application(database, config_file) as app:
        if study is not None:
            _list_objects(app, study, as_json)
            return
        found = app.quarantine.studies()
    rows = [
        {**one._asdict(), "objects": {state.value: n for state, n in counts.items()}} for one, counts in found.items()
    ]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        counts = ", ".join(f"{n} {state}" for state, n in row["objects"].items())
        click.echo(f"{row['received_at'][:19]}  {row['study_uid']}  {counts}  {row['problem'] or row['state']}")
    click.echo(f"{len(rows)} studies in quarantine")


@dicom.command(epilog="Example: mpi dicom retry 1.2.826.0.1.3680043.10.1")
@click.argument("study")
@database_options
def retry(study: str, database: str | None, config_file: str | None) -> None:
    """Let objects of STUDY that were given up be sent to the archive again."""
    with ready_application(database, config_file) as app:
        click.echo(f"{app.quarantine.retry(OPERATOR, study)} objects will be sent again")


@dicom.command(epilog="Example: mpi dicom discard 1.2.826.0.1.3680043.10.1 --reason 'sent by mistake, REMOTE agrees'")
@click.argument("study")
@click.option("--reason", required=True, help="Why; kept in the audit trail. Name no patient.")
@database_options
def discard(study: str, reason: str, database: str | None, config_file: str | None) -> None:
    """Remove from quarantine what has not gone on of STUDY, for good; its sender was told that it is safe here."""
    with ready_application(database, config_file) as app:
        click.echo(f"{app.quarantine.discard(OPERATOR, study, reason)} objects discarded")


def _list_objects(app: App, study: str, as_json: bool) -> None:
    objects, groups = app.quarantine.objects(study), app.quarantine.groups(study)
    if as_json:
        echo_json({"headers": groups, "objects": [one._asdict() for one in objects]})
        return
    for one in objects:
        click.echo(
            f"{one.received_at[:19]}  {one.sop_uid}  {one.state.value}  {one.partner}  {one.problem or ''}".rstrip()
        )
    if len(groups) > 1:
        click.echo(f"its objects have {len(groups)} different headers: {', '.join(map(str, groups))} objects each")


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

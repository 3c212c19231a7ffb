"""The DICOM node: C-STORE and C-ECHO for the partners that are configured, over plain connections or TLS."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from mpi.config import DicomNode
from mpi.dicom.datasets import pydicom
from mpi.dicom.folder import Folder, Landing
from mpi.dicom.receive import Receiver, Request, Status
from mpi.domain.errors import Conflict, MissingExtra

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.events import Event
    from pynetdicom.transport import ThreadedAssociationServer

_log = logging.getLogger(__name__)

LARGEST_PDU = 128 * 1024
"""Bytes that a partner may send at once; what most senders offer at most."""
MOST_ASSOCIATIONS = 50
IDLE_SECONDS = 60.0
"""An association on which nothing comes for so long is ended."""
_GRACE = 20.0


def pynetdicom() -> Any:
    """The library, told to be silent: its log quotes what peers send. Raises `MissingExtra`."""
    try:
        import pynetdicom as library
        from pynetdicom import _config, dimse_messages
    except ImportError as error:
        raise MissingExtra("the DICOM node needs the extra: pip install 'mpi[dicom]'") from error
    pydicom()
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    _config.LOG_HANDLER_LEVEL = "none"
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.STORE_SEND_CHUNKED_DATASET = True
    # The library would receive into the system's temporary folder, and end the association where the disk is full.
    vars(dimse_messages)["NamedTemporaryFile"] = _landing
    return library


def _landing(*args: Any, **kwargs: Any) -> Any:
    """Where the library writes an object that it receives: into the quarantine of the node whose thread this is."""
    association = getattr(threading.current_thread(), "assoc", None)
    folder = getattr(getattr(association, "ae", None), "mpi_folder", None)
    return folder.landing() if folder is not None else NamedTemporaryFile(*args, **kwargs)


class Node:
    """Receives until `stop`."""

    def __init__(self, config: DicomNode, folder: Folder, receiver: Receiver) -> None:
        """Raises `Conflict` when nobody is configured who may send."""
        if not config.partners:
            raise Conflict("no [[dicom.partners]] are configured: nobody may send")
        self._config = config
        self._folder = folder
        self._receiver = receiver
        self._server: ThreadedAssociationServer | None = None
        self._entity: ApplicationEntity | None = None
        self._reports: Callable[[Event], int] | None = None

    def on_report(self, take: Callable[["Event"], int]) -> None:
        """Let `take` answer the archive's reports of storage commitment."""
        self._reports = take

    def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Begin to listen; the port. Raises OSError when that is not possible."""
        library = pynetdicom()
        from pynetdicom import evt
        from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

        entity = library.AE(ae_title=self._config.ae_title)
        entity.mpi_folder = self._folder
        entity.maximum_pdu_size = LARGEST_PDU
        entity.maximum_associations = MOST_ASSOCIATIONS
        entity.network_timeout = entity.dimse_timeout = IDLE_SECONDS
        entity.require_called_aet = True
        entity.require_calling_aet = self._titles()
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_N_EVENT_REPORT, self._report),
        ]
        server = entity.make_server((host, port), ssl_context=tls, evt_handlers=handlers, server_class=_server_class())
        entity._servers.append(server)
        threading.Thread(target=server.serve_forever, name="dicom", daemon=True).start()
        self._entity, self._server = entity, server
        return int(server.server_address[1])

    def _titles(self) -> list[str]:
        titles = [one.ae_title for one in self._config.partners]
        forward = self._config.forward
        return titles + ([forward.ae_title] if forward and forward.ae_title not in titles else [])

    def stop(self) -> None:
        """Take no more connections; what is being received is finished and answered first."""
        if self._server is None or self._entity is None:
            return
        self._server.shutdown()
        self._server.server_close()
        for association in self._entity.active_associations:
            association.join(_GRACE)
            if association.is_alive():
                association.abort()

    def _requested(self, event: "Event") -> None:
        """Turn away who calls from an address that its title is not configured for."""
        requestor: Any = event.assoc.requestor
        title = str(requestor.primitive.calling_ae_title).strip()
        forward = self._config.forward
        if forward is not None and title == forward.ae_title and requestor.address in _addresses(forward.host):
            return
        partner = self._config.partner(title)
        if partner is not None and partner.host is None:
            return
        if partner is not None and partner.host is not None and requestor.address in _addresses(partner.host):
            return
        _log.warning("association turned away", extra={"facts": {"peer": requestor.address}})
        # Rejected permanently by the service user: calling AE title not recognized (PS3.8 table 9-21).
        event.assoc.acse.send_reject(0x01, 0x01, 0x03)
        event.assoc.kill()

    def _store(self, event: "Event") -> Any:
        from pydicom.dataset import Dataset

        request: Any = event.request
        landing: Landing = request._dataset_file
        association: Any = event.assoc
        asked = Request(
            sop_class=str(request.AffectedSOPClassUID),
            sop_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax=str(event.context.transfer_syntax),
            partner=association.requestor.ae_title,
            association=f"{association.requestor.address}:{association.requestor.port}",
        )
        if self._config.partner(asked.partner) is None:
            landing.discard()
            return int(Status.NOT_AUTHORISED)
        answer = self._receiver.receive(landing, asked)
        response = Dataset()
        response.Status = int(answer.status)
        if answer.comment:
            response.ErrorComment = answer.comment
        return response

    def _report(self, event: "Event") -> Any:
        forward = self._config.forward
        calling = event.assoc.requestor.ae_title if event.assoc.is_acceptor else event.assoc.acceptor.ae_title
        if self._reports is None or forward is None or calling != forward.ae_title:
            return 0x0124, None
        return self._reports(event), None

    def _closed(self, event: "Event") -> None:
        """Remove what was being received on an association that ended in the middle of an object."""
        message: Any = event.assoc.dimse.message
        torn = getattr(message, "_data_set_file", None)
        if isinstance(torn, Landing):
            torn.discard()
            _log.warning("an association ended in the middle of an object", extra={"facts": {}})


def _addresses(host: str) -> set[str]:
    """The addresses that a host has now; none when its name is not known."""
    with contextlib.suppress(OSError):
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    return set()


def _server_class() -> Any:
    from pynetdicom.transport import ThreadedAssociationServer

    class Server(ThreadedAssociationServer):
        """Shakes hands in the thread of the association: who connects and says nothing keeps nobody waiting."""

        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            listening: Any = self.socket
            client, address = listening.accept()
            client.settimeout(IDLE_SECONDS)
            if self.ssl_context:
                client = self.ssl_context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            return client, address

    return Server

"""Sends what may go on to the local archive: coerced, in the transfer syntax it came in, until it is accepted."""

import logging
import ssl
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mpi.config import DicomForward, DicomNode
from mpi.dicom.coerce import Coercion, coerce
from mpi.dicom.folder import Folder
from mpi.dicom.node import LARGEST_PDU, pynetdicom
from mpi.domain.errors import BadInput, MpiError, TemporaryFailure
from mpi.domain.quarantine import Consignment, Delivered, Fate, Parcel
from mpi.services.forwarding import Forwarding
from mpi.store.clock import read

if TYPE_CHECKING:
    from pynetdicom.events import Event

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
LONGEST_PAUSE = 60.0
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
"""Storage Commitment Push Model SOP Instance (PS3.4 section J.3.5)."""
_FULL = range(0xA700, 0xA800)
_WARNINGS = range(0xB000, 0xC000)


class Forwarder:
    """One node's way to the archive. Not for several threads; `run` is a thread's work."""

    def __init__(
        self, config: DicomNode, folder: Folder, forwarding: Forwarding, tls: ssl.SSLContext | None = None
    ) -> None:
        self._config = config
        self._folder = folder
        self._forwarding = forwarding
        self._tls = tls
        self._failures = 0
        self._not_before = 0.0

    def run(self, stop: threading.Event) -> None:
        """Forward until told to stop; what is being sent is finished and written down first."""
        while not stop.is_set():
            busy = False
            try:
                busy = self.step(stop)
            except TemporaryFailure as error:
                _log.warning("forwarding waits for the database", extra={"facts": {"reason": str(error)}})
            except MpiError:
                _log.exception("forwarding failed")
                self._pause("a fault of this software")
            if not busy:
                stop.wait(POLL_SECONDS)

    def step(self, stop: threading.Event | None = None) -> bool:
        """Send what may go now of one study; whether there may be more to do at once."""
        forward = self._config.forward
        self._forwarding.follow()
        if forward is None or time.monotonic() < self._not_before:
            return False
        sent = self._forwarding.next(self._folder.node)
        if sent is not None:
            delivered = self._send(forward, sent, stop or threading.Event())
            self._forwarding.settle(sent, delivered)
            if not forward.commitment:
                self._remove([one.parcel.digest for one in delivered if one.fate is Fate.TAKEN])
        if forward.commitment:
            self._ask_to_commit(forward)
        return sent is not None and time.monotonic() >= self._not_before

    def _remove(self, digests: Sequence[str]) -> None:
        for digest in digests:
            with self._folder.holding(digest):
                self._folder.remove(digest)

    def _send(self, forward: DicomForward, sent: Consignment, stop: threading.Event) -> list[Delivered]:
        kinds = {(one.sop_class, one.transfer_syntax) for one in sent.parcels}
        association = self._associate(forward, sorted(kinds))
        if association is None:
            return [Delivered(one, Fate.UNKNOWN if one.uncertain else Fate.UNSENT) for one in sent.parcels]
        delivered: list[Delivered] = []
        try:
            for parcel in sent.parcels:
                if stop.is_set() or not association.is_established or time.monotonic() < self._not_before:
                    delivered.append(Delivered(parcel, Fate.UNKNOWN if parcel.uncertain else Fate.UNSENT))
                else:
                    delivered.append(self._deliver(association, sent, parcel))
        finally:
            if association.is_established:
                association.release()
        if any(one.fate is Fate.TAKEN for one in delivered):
            self._failures = 0
        return delivered

    def _deliver(self, association: Any, sent: Consignment, parcel: Parcel) -> Delivered:
        source, made = self._folder.place(parcel.digest), self._folder.outgoing()
        at = read(sent.decided_at).strftime("%Y%m%d%H%M%S.%f+0000")
        try:
            coerce(source, made, sent.identity, Coercion(at, self._config.ae_title, parcel.partner))
            answer = association.send_c_store(made)
        except FileNotFoundError:
            return Delivered(parcel, Fate.LOST, "its file is not in the quarantine")
        except BadInput as error:
            return Delivered(parcel, Fate.REFUSED, str(error))
        except ValueError:
            return Delivered(parcel, Fate.REFUSED, "the archive does not take this kind of object")
        except (OSError, RuntimeError) as error:
            self._pause(type(error).__name__)
            return Delivered(parcel, Fate.UNKNOWN)
        finally:
            made.unlink(missing_ok=True)
        return self._answered(parcel, getattr(answer, "Status", None))

    def _answered(self, parcel: Parcel, status: int | None) -> Delivered:
        if status is None:
            self._pause("the archive gave no answer")
            return Delivered(parcel, Fate.UNKNOWN)
        if status == 0 or status in _WARNINGS:
            return Delivered(parcel, Fate.TAKEN)
        if status in _FULL:
            self._pause(f"the archive is out of resources ({status:04X})")
            return Delivered(parcel, Fate.UNSENT)
        return Delivered(parcel, Fate.REFUSED, f"the archive answered {status:04X}")

    def _associate(self, forward: DicomForward, kinds: Sequence[tuple[str, str]]) -> Any:
        """An association that can carry these kinds of objects; None when there is none to be had now."""
        library = pynetdicom()
        from pynetdicom import evt
        from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

        entity = library.AE(ae_title=self._config.ae_title)
        entity.maximum_pdu_size = LARGEST_PDU
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = forward.timeout
        entity.connection_timeout = forward.timeout
        # One context for each kind, so that the archive's choice can be no other than what the object is written in.
        contexts = [library.build_context(sop_class, syntax) for sop_class, syntax in kinds]
        # With this one the association stands even where the archive takes none of the kinds: then it is not "away".
        contexts.append(library.build_context(Verification))
        if forward.commitment:
            contexts.append(library.build_context(StorageCommitmentPushModel))
        association = entity.associate(
            forward.host,
            forward.port,
            contexts=contexts,
            ae_title=forward.ae_title,
            max_pdu=LARGEST_PDU,
            tls_args=(self._tls, forward.host) if self._tls else None,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, lambda event: (self.reported(event), None))],
        )
        if association.is_established:
            return association
        if association.is_rejected:
            self._pause("the archive turned the association away")
        elif association.acse.is_aborted() or association.is_aborted:
            self._pause("the archive is not there")
        return None

    def _pause(self, problem: str) -> None:
        """Leave the archive alone for a while, longer each time."""
        pause = min(LONGEST_PAUSE, 0.5 * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._not_before = time.monotonic() + pause
        level = logging.WARNING if self._failures in (1, 5) else logging.INFO
        _log.log(level, "archive cannot be reached", extra={"facts": {"problem": problem, "pause": round(pause, 1)}})

    def _ask_to_commit(self, forward: DicomForward) -> None:
        """Ask the archive to commit to what it accepted (PS3.4 section J.3.2); its word comes later, by a report."""
        library = pynetdicom()
        from pydicom.dataset import Dataset
        from pydicom.uid import generate_uid
        from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

        del library
        transaction = str(generate_uid(prefix=None))
        objects = self._forwarding.to_commit(self._folder.node, transaction)
        if not objects:
            return
        asked = Dataset()
        asked.TransactionUID = transaction
        asked.ReferencedSOPSequence = [_reference(one.sop_class, one.sop_uid) for one in objects]
        association = self._associate(forward, [])
        if association is None:
            return
        try:
            status, _ = association.send_n_action(asked, 1, StorageCommitmentPushModel, COMMITMENT_INSTANCE)
            if getattr(status, "Status", None) != 0:
                _log.warning("the archive does not take requests for commitment", extra={"facts": {}})
        except (ValueError, RuntimeError):
            _log.warning("the archive does not offer storage commitment", extra={"facts": {}})
        finally:
            if association.is_established:
                association.release()

    def reported(self, event: "Event") -> int:
        """Take the archive's report on storage commitment (PS3.4 section J.3.3); the status of the answer."""
        try:
            said = event.event_information
            held = {str(one.ReferencedSOPInstanceUID) for one in said.get("ReferencedSOPSequence", [])}
            failed = {str(one.ReferencedSOPInstanceUID) for one in said.get("FailedSOPSequence", [])}
            kept = self._forwarding.committed(str(said.TransactionUID), held, failed)
        except MpiError:
            _log.warning("a report of commitment could not be taken", extra={"facts": {}})
            return 0x0110
        except AttributeError:
            return 0x0115  # invalid argument value
        self._remove([one.digest for one in kept if one.node == self._folder.node])
        return 0x0000


def _reference(sop_class: str, sop_uid: str) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_uid
    return item

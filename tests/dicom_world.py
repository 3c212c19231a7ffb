"""A node on the index of the gate's tests, and a sender that talks to it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from mpi.config import DicomForward, DicomNode, DicomPartner
from mpi.dicom.folder import Folder
from mpi.dicom.forward import Forwarder
from mpi.dicom.judge import Judge
from mpi.dicom.node import Node, pynetdicom
from mpi.dicom.receive import Receiver
from mpi.domain.quarantine import ObjectState
from mpi.services.forwarding import Forwarding
from mpi.services.gate import StudyDecisions, load_policy
from mpi.services.quarantine import Quarantine
from tests.gate_world import CONFIG, World

LARGEST = 64 << 20
PARTNERS = (
    DicomPartner("REMOTE"),
    DicomPartner("ELSEWHERE", host="192.0.2.1"),
    DicomPartner("RYY", issuer="RYY"),
)


class NodeWorld:
    """The index of the gate's tests, with a node before it that listens on a free port of loopback."""

    def __init__(self, url: str, folder: Path, forward: DicomForward | None = None, **said: Any) -> None:
        partners = (
            DicomPartner("REMOTE"),
            DicomPartner("ELSEWHERE", host="192.0.2.1"),
            DicomPartner("RYY", issuer="RYY"),
        )
        settings: dict[str, Any] = {"quarantine": folder / "quarantine", "partners": partners, "quiet": 0.0}
        self.settings = DicomNode(**(settings | {"forward": forward} | said))
        self.world = World(url, config=replace(CONFIG, dicom=self.settings))
        self.quarantine = Quarantine(self.world.store, self.world.config, self.world.gate)
        self.folder = Folder(self.settings.quarantine, LARGEST)
        self.node = Node(self.settings, self.folder, Receiver(self.folder, self.quarantine))
        self.forwarding = Forwarding(self.world.store, self.world.config, self.world.gate)
        self.decisions = StudyDecisions(self.world.store, self.world.config, load_policy(self.world.config))
        self.judge = Judge(self.quarantine, self.folder)
        self.forwarder = Forwarder(self.settings, self.folder, self.forwarding)
        self.node.on_report(self.forwarder.reported)
        self.port = self.node.start("127.0.0.1", 0)

    def close(self) -> None:
        """Stop, and close the database."""
        self.node.stop()
        self.folder.close()
        self.world.close()

    def send(self, *objects: Dataset, title: str = "REMOTE") -> list[int]:
        """Send objects on one association; the statuses answered."""
        with sender(self.port, objects, title) as association:
            return [association.send_c_store(one).Status for one in objects]

    def work(self) -> None:
        """Judge and forward until there is nothing more to do at once."""
        while self.judge.step() + self.forwarder.step():
            pass

    def states(self, study: str) -> list[ObjectState]:
        """How far each object of a study has come."""
        return [one.state for one in self.quarantine.objects(study)]

    def files(self) -> list[Path]:
        """The files in quarantine."""
        return sorted((self.settings.quarantine / "objects").glob("*/*.dcm"))

    def leftovers(self) -> list[Path]:
        """The files that are half received or made for sending."""
        return [one for name in ("incoming", "outgoing") for one in (self.settings.quarantine / name).iterdir()]


@contextlib.contextmanager
def sender(
    port: int, objects: Sequence[Dataset], title: str = "REMOTE", called: str = "MPI", **more: Any
) -> Iterator[Any]:
    """An association that can carry these objects."""
    entity = AE(ae_title=title)
    for made in objects:
        entity.add_requested_context(made.SOPClassUID, made.file_meta.TransferSyntaxUID)
    if not objects:
        entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title=called, **more)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


class Archive:
    """A PACS in this process: takes what comes, or answers as the test says; counts how often each instance came."""

    def __init__(self, port: int = 0) -> None:
        self.statuses: list[int] = []
        """The next answers; success when it is empty."""
        self.received: list[Dataset] = []
        self.asked: list[Dataset] = []
        self.refuses: set[str] = set()
        """Instances that it cannot understand."""
        pynetdicom()
        entity = AE(ae_title="PACS")
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_ACTION, self._commit),
        ]
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        assert server is not None
        self._server: Any = server
        self.port = int(server.server_address[1])

    def close(self) -> None:
        """Be gone."""
        if self._server is not None:
            self._server.shutdown()
            self._server.socket.close()
            self._server = None

    @property
    def instances(self) -> list[str]:
        """The instances that were taken, in order, as often as they came."""
        return [str(one.SOPInstanceUID) for one in self.received]

    def _store(self, event: Any) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if event.request.AffectedSOPInstanceUID in self.refuses:
            status = 0xC001
        if status == 0:
            made = event.dataset
            made.file_meta = event.file_meta
            _ = made.PixelData
            self.received.append(made)
        return status

    def _commit(self, event: Any) -> tuple[int, None]:
        self.asked.append(event.action_information)
        return 0, None

    def report(self, node: int, asked: Dataset, failed: Sequence[str] = (), title: str = "PACS") -> int:
        """Report on storage commitment over an association of its own; the status answered."""
        from pynetdicom import build_role

        entity = AE(ae_title=title)
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = entity.associate("127.0.0.1", node, ae_title="MPI", ext_neg=[role])
        said = Dataset()
        said.TransactionUID = asked.TransactionUID
        every = list(asked.ReferencedSOPSequence)
        said.ReferencedSOPSequence = [one for one in every if one.ReferencedSOPInstanceUID not in failed]
        if failed:
            said.FailedSOPSequence = [one for one in every if one.ReferencedSOPInstanceUID in failed]
        kind = 2 if failed else 1
        status, _ = association.send_n_event_report(said, kind, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
        association.release()
        return int(status.Status)

"""A node on the index of the gate's tests, and a sender that talks to it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE

from mpi.config import DicomForward, DicomNode, DicomPartner
from mpi.dicom.folder import Folder
from mpi.dicom.node import Node
from mpi.dicom.receive import Receiver
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

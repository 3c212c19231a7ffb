"""What waits between the network and the local archive: objects of outside studies, and how far each has come."""

from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.study import StudyHeader


class ObjectState(StrEnum):
    """How far an object has come. Stored: values never change."""

    KEPT = "kept"
    """In quarantine: its study is not decided, or it waits its turn."""
    SENDING = "sending"
    """On its way to the archive; found so after a crash, it may be there already."""
    ACCEPTED = "accepted"
    """The archive said success and was asked to commit to it; the file is still here."""
    FORWARDED = "forwarded"
    """The archive has it, and the file is gone from here."""
    DIFFERS = "differs"
    """Other bytes under the UID of an object that came before: kept beside it, never forwarded by itself."""
    DISCARDED = "discarded"
    """A human said that it is not wanted: the file is gone."""
    GIVEN_UP = "given-up"
    """The archive refused it again and again: a human must look."""


class StudyState(StrEnum):
    """Where a study stands in the quarantine. Stored: values never change."""

    RECEIVING = "receiving"
    """Objects came whose header the gate has not judged."""
    CHECKED = "checked"
    """The gate has judged all headers seen; what it says now is asked before anything goes on."""


class Custody(StrEnum):
    """What became of an object that came in."""

    KEPT = "kept"
    AGAIN = "again"
    """The same bytes are here or were forwarded: nothing to keep."""
    DIFFERS = "differs"
    REFUSED = "refused"
    """Its study was refused: it is not kept."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that has come in, whole and safe on disk. `digest` is SHA-256 of its data set, in hexadecimal."""

    sop_uid: str
    sop_class: str
    transfer_syntax: str
    digest: str
    size: int
    header: StudyHeader
    node: str
    partner: str
    association: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object that may go to the archive now."""

    id: int
    study_uid: str
    sop_uid: str
    sop_class: str
    transfer_syntax: str
    digest: str
    partner: str
    attempts: int
    uncertain: bool
    """True: it was sent before, and nobody knows whether it arrived."""

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


@dataclass(frozen=True, slots=True)
class LocalNumber:
    """A number with its issuer: the code of the authority, and its OID where it has one."""

    value: str
    issuer: str | None
    oid: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom objects are to name. `birth_date` as YYYYMMDD, empty where it is not known; `sex` M, F, O or empty."""

    number: LocalNumber
    others: tuple[LocalNumber, ...]
    family: str
    given: str
    middle: str
    birth_date: str
    sex: str
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Consignment:
    """Objects of one study that may go to the archive now, whom they are to name, and since when that is decided."""

    study_uid: str
    identity: Identity
    person: str
    """Enterprise id."""
    decided_at: str
    parcels: tuple[Parcel, ...]


class Fate(StrEnum):
    """What became of a parcel."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The archive would not have it, or it could not be made: tried again later, and some day given up."""
    LOST = "lost"
    """Its file is not there."""
    UNKNOWN = "unknown"
    """The connection broke before the answer: it may have arrived."""
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One parcel, what became of it, and why (without a patient's value)."""

    parcel: Parcel
    fate: Fate
    problem: str | None = None

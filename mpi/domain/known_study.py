"""A study that a site says it has, or will make: where somebody's earlier images are."""

from dataclasses import dataclass, field
from enum import StrEnum

from mpi.domain.person import Identifier


class StudyState(StrEnum):
    """How far a known study has come, as its site said last. Stored: values never change."""

    SCHEDULED = "scheduled"
    AVAILABLE = "available"
    REPORTED = "reported"
    WITHDRAWN = "withdrawn"
    """Cancelled, or said of the wrong patient: not told to anybody any more."""


@dataclass(frozen=True, slots=True)
class StudyNews:
    """What one message says of one study. None means that it did not say; dates are `YYYYMMDD`."""

    study_uid: str
    state: StudyState
    accession_number: str | None = None
    accession_issuer: str | None = None
    modality: str | None = None
    study_date: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ReportStudies:
    """A site tells of studies of one patient: the command of an ORU^R01, ORM^O01 or OMI^O23.

    `patient` is what the message says of the patient (family and given name, birth date, sex; recorded values). It
    registers nobody: it is kept to see whether the number still means the same person.
    """

    number: Identifier
    studies: tuple[StudyNews, ...]
    patient: tuple[tuple[str, str], ...] = ()
    said_at: str | None = None


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """A study of a person as it is told to those who ask where the priors are."""

    study_uid: str
    site: str
    """Code of the authority that has it; its local number follows."""
    local_id: str
    state: StudyState
    study_date: str | None
    modality: str | None
    description: str | None
    accession_number: str | None
    accession_issuer: str | None
    updated_at: str
    source: str
    """The application and facility that told of it, or `gate`: it came from outside and was attached here."""


@dataclass(frozen=True, slots=True)
class KnownStudies:
    """The answer to "what is known of this person's studies": a page of them, newest first.

    `withheld` are studies that are in doubt: told of two people, or of a patient who is clearly not the one whom the
    number means now, or attached by the gate and waiting for a human. They are counted and not told. Of a `restricted`
    person only the asker's own sites are told.
    """

    enterprise_id: str
    studies: tuple[KnownStudy, ...]
    total: int
    withheld: int = 0
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies are wanted. Dates are `YYYYMMDD`, both included; None and empty let everything through."""

    since: str | None = None
    until: str | None = None
    modalities: frozenset[str] = field(default_factory=frozenset)
    study_uids: frozenset[str] = field(default_factory=frozenset)
    site: str | None = None

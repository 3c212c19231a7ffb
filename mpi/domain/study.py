"""An outside imaging study at the gate: its header, the rules' outcomes, the decision."""

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum


class GateDecision(StrEnum):
    """What the gate answers: attach to a person, hold for a human, or refuse."""

    ATTACH = "attach"
    HOLD = "hold"
    REFUSE = "refuse"


class RuleResult(StrEnum):
    """What one exact rule found. `not-applicable` means that there was nothing to judge."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"


class Origin(StrEnum):
    """How a study came to be here. Stored: values never change. What is known first is kept for good.

    Only a `local` study is ours to send to others; every other one is a copy of somebody else's.
    """

    LOCAL = "local"
    TRUSTED_ISSUER = "trusted-issuer"
    PARTNER = "exchange-partner"
    DISC = "disc"
    UNKNOWN = "unknown"


class Urgency(StrEnum):
    """How pressing a study is, as whoever hands it in says."""

    ROUTINE = "routine"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a study came to the gate. `by` names the sender: a calling AE title, a partner, a reading station."""

    origin: Origin = Origin.UNKNOWN
    by: str | None = None
    urgency: Urgency = Urgency.ROUTINE


NO_ARRIVAL = Arrival()
"""Nothing is said of how it came."""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """One rule of the gate policy judged. `reason` is plain English and carries no patient value."""

    rule: str
    result: RuleResult
    on_failure: GateDecision
    reason: str


@dataclass(frozen=True, slots=True)
class PatientId:
    """A patient id in a header (DICOM Patient ID with its issuer); issuer None means that none was given."""

    value: str
    issuer: str | None = None
    issuer_oid: str | None = None
    type_code: str | None = None


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """The header of one study as the gate needs it, as recorded (DICOM PS3.3 C.7.1, C.7.2). None means absent."""

    study_uid: str
    patient_id: PatientId | None = None
    other_patient_ids: tuple[PatientId, ...] = ()
    family_name: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    study_date: str | None = None
    accession_number: str | None = None
    modality: str | None = None
    institution: str | None = None
    source_ae: str | None = None
    identity_removed: bool = False
    trial: bool = False
    quality_control: bool = False
    veterinary: bool = False
    several_patients: bool = False
    """More than one patient stands in the objects of this study."""
    original_patient_ids: tuple[PatientId, ...] = ()
    """What the patient id was before systems on the way changed it (Original Attributes Sequence, PS3.3 C.12.1.1.9)."""
    accession_issuer: str | None = None
    """Who issued the accession number: a local or universal entity id (0008,0051)."""


_ID_LISTS = ("other_patient_ids", "original_patient_ids")
_HEADER_FIELDS = frozenset(one.name for one in fields(StudyHeader))


def header_of(stored: str) -> StudyHeader:
    """The header that was written as JSON of its fields; what this version does not know is left out."""
    said = json.loads(stored)
    ids = {name: tuple(PatientId(**one) for one in said.get(name, ())) for name in _ID_LISTS}
    patient = said.get("patient_id")
    known = {name: said[name] for name in _HEADER_FIELDS & said.keys() if name not in ids}
    return StudyHeader(**{**known, **ids, "patient_id": PatientId(**patient) if patient else None})


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The gate's answer for one study. `person` is the enterprise id, only when the decision is attach."""

    decision: GateDecision
    study_uid: str
    person: str | None
    rules: tuple[RuleOutcome, ...]
    policy_version: str
    policy_hash: str
    candidates: tuple[str, ...] = field(default=())
    """Enterprise ids of the persons the identifiers point at, for the person who handles a hold."""
    verified: bool = True
    """False: it is attached by an override that nobody has confirmed yet; it goes on marked as not verified."""
    readable: bool = False
    """True: it is held, and may be read at once under its own header, marked as not verified; it is nobody's."""

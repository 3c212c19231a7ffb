"""What becomes of an outside study after the gate's first word: its steps, and what may be done with it now."""

from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.person import Demographics
from mpi.domain.study import GateDecision, Origin


class StudyStep(StrEnum):
    """One step in the life of a study. Stored: values never change."""

    ATTACHED = "attached"
    HELD = "held"
    REFUSED = "refused"
    RELEASED = "released"
    """Attached by a human's decision."""
    MOVED = "moved"
    """The number it was attached by belongs to another person now."""
    DOUBTED = "doubted"
    """It is attached, and something speaks against it now: nothing is done with it until a human has looked."""
    CLEARED = "cleared"
    """What spoke against it speaks no more."""
    VERIFIED = "verified"
    """Somebody else has confirmed the override that it is attached by, or the rules hold by themselves now."""
    DETACHED = "detached"


class Doubt(StrEnum):
    """Why an attached study waits. Stored: values never change."""

    CONFLICT = "conflict"
    """Objects of one study that speak of different patients: a human must settle it."""
    OVERRIDE = "override"
    """The override that it was attached by has expired or was revoked: a human must settle it."""
    INDEX = "index"
    """The index or the study's data changed, and the rules do not hold any more: goes by itself when they do again."""


@dataclass(frozen=True, slots=True)
class LocalPatient:
    """Whom objects of an attached study are to name: one number of one authority, and what that authority says."""

    person: str
    """Enterprise id."""
    authority: str
    authority_oid: str | None
    value: str
    demographics: Demographics


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be done with the objects of a study now.

    `attach`: they may go on, with the identity of `patient`. `hold`: they wait. `refuse`: they are turned away.
    """

    study_uid: str
    decision: GateDecision
    patient: LocalPatient | None
    """Set when the decision is attach, and only then."""
    verified: bool
    """False: it goes on marked as *identity not verified*."""
    readable: bool
    """True: while it is held it may be read at once under its own header, marked as not verified; it is nobody's."""
    origin: Origin
    reason: str
    """Why, in plain English without a patient's value."""
    cursor: int
    """The last step of this study (see `StudyChange`)."""


@dataclass(frozen=True, slots=True)
class StudyChange:
    """One step of one study, for who follows them all. Ask again with the last `cursor` for what came later."""

    cursor: int
    at: str
    study_uid: str
    step: StudyStep
    by: str
    role: str
    person_id: int | None
    record_id: int | None
    reason: str | None

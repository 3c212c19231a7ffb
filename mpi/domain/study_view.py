"""A study as a person who handles it sees it: header against person, rules in words, what may be done."""

from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.study import GateDecision, RuleOutcome, StudyHeader
from mpi.domain.study_life import StudyChange
from mpi.domain.study_lists import StudyLine
from mpi.domain.study_override import Override


class StudyAct(StrEnum):
    """What a human can do with a study."""

    RELEASE = "release"
    OVERRIDE = "override"
    CONFIRM = "confirm"
    REVOKE = "revoke"
    REFUSE = "refuse"
    KEEP = "keep"
    DETACH = "detach"


class Agreement(StrEnum):
    """How a value of the header stands to that of a record, told for the eye; the rules judge for themselves."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_SAID = "not said"


@dataclass(frozen=True, slots=True)
class FieldAgainst:
    """One field: what the header says, and of each record what it says and whether that is the same."""

    label: str
    header: str | None
    records: tuple[tuple[str | None, Agreement], ...]


@dataclass(frozen=True, slots=True)
class StudyView:
    """Everything about one study but the people it could be of."""

    line: StudyLine
    header: StudyHeader
    decision_now: GateDecision
    rules: tuple[RuleOutcome, ...]
    """Judged now, as if nobody had set the study aside."""
    history: tuple[StudyChange, ...]
    overrides: tuple[Override, ...]
    may: frozenset[StudyAct]
    reason_codes: tuple[str, ...]
    """Codes of which one must be given to override what fails now; none: it cannot be overridden by this role."""

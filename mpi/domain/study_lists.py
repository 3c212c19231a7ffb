"""Outside studies in lists: what an operator has to do today, and how often rules stand in the way."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mpi.domain.study import GateDecision, Origin
from mpi.domain.study_life import Doubt


class StudyPlace(StrEnum):
    """Where a study is, as lists tell it apart."""

    HELD = "held"
    IN_DOUBT = "in-doubt"
    """Attached, and waiting because something speaks against it now."""
    UNVERIFIED = "unverified"
    """Attached by an override that nobody has confirmed."""
    ATTACHED = "attached"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies are wanted: changed from `since` on and before `until`. None lets everything through.

    `site` is the authority by whose number a study is attached.
    """

    place: StudyPlace | None = None
    since: datetime | None = None
    until: datetime | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in a list. `person` (enterprise id) and `site` are set while it is attached."""

    study_uid: str
    place: StudyPlace
    decision: GateDecision
    doubt: Doubt | None
    verified: bool
    origin: Origin
    person: str | None
    site: str | None
    first_seen_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class StudyList:
    """A page of studies, those that changed longest ago first."""

    studies: tuple[StudyLine, ...]
    total: int


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """One rule over some days: held studies in which it failed, and overrides made in spite of it.

    `share` (0 to 1) of overrides among both; a rule that is overridden more often than not is likely a wrong rule.
    """

    rule: str
    held: int
    overridden: int
    share: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Turnaround and overrides over the last `days`. Hours; None: nothing was settled."""

    days: int
    settled: int
    median_hours: float | None
    slowest_hours: float | None
    waiting: int
    rules: tuple[RuleFigures, ...]
    by_role: tuple[tuple[str, int], ...]
    by_site: tuple[tuple[str, int], ...]

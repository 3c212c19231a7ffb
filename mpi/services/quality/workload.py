"""The work in the queue: how much waits, for how long, how long an answer takes, how much comes and goes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from mpi.domain.audit import Actor
from mpi.domain.review import TaskType
from mpi.domain.roles import Permission, check_actor
from mpi.store import clock
from mpi.store.task_times import TaskTime
from mpi.store.unit_of_work import Store

WEEKS = 8
AGES: tuple[tuple[str, int | None], ...] = (
    ("up to 1 day", 1),
    ("2 to 7 days", 7),
    ("8 to 28 days", 28),
    ("more than 28 days", None),
)
"""Classes of age, each with the most days that it holds."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks of one type that are not closed: how many in each class of `AGES`, and how many are past their due time."""

    type: TaskType
    by_age: tuple[int, ...]
    overdue: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_age)


@dataclass(frozen=True, slots=True)
class Flow:
    """Tasks that came and were closed in the week from `monday` (ISO 8601)."""

    monday: str
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class Turnaround:
    """Hours from the question to its answer, for tasks that verdicts closed in the last weeks."""

    type: TaskType
    answered: int
    middle: float
    slow: float
    """Nine in ten were answered within so many hours."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The queue's figures. `minutes`: what a reader takes for one task (see `working_minutes`); None: not known."""

    backlog: tuple[Backlog, ...]
    flow: tuple[Flow, ...]
    turnaround: tuple[Turnaround, ...]
    minutes: float | None


_SITTING = timedelta(minutes=30)
"""Verdicts of one reader further apart were not given in one sitting."""


def working_minutes(verdicts: Sequence[tuple[str, str]]) -> float | None:
    """The median minutes that a reader takes for a task, out of (reader, instant); None with fewer than ten gaps."""
    last: dict[str, datetime] = {}
    gaps = []
    for reader, at in sorted(verdicts, key=lambda one: one[1]):
        now = clock.read(at)
        if reader in last and now - last[reader] <= _SITTING:
            gaps.append((now - last[reader]).total_seconds() / 60)
        last[reader] = now
    return median(gaps) if len(gaps) >= 10 else None


class Workloads:
    """Figures of the queue; they name no patient and no reader."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self, actor: Actor) -> Workload:
        """The figures of the last `WEEKS` weeks. Raises `NotAllowed`."""
        check_actor(actor, Permission.VIEW_QUALITY)
        with self._store.reading() as unit:
            now = clock.read(unit.now)
            first = now.date() - timedelta(days=now.weekday(), weeks=WEEKS - 1)
            since = clock.stamp(datetime(first.year, first.month, first.day, tzinfo=UTC))
            open_ = unit.task_times.not_closed()
            lately = unit.task_times.lately(since)
            verdicts = unit.task_times.verdicts(since)
        mondays = [(first + timedelta(weeks=n)).isoformat() for n in range(WEEKS)]
        return Workload(
            _backlog(open_, now), _flow(lately, mondays, since), _turnaround(lately), working_minutes(verdicts)
        )


def _backlog(tasks: Sequence[TaskTime], now: datetime) -> tuple[Backlog, ...]:
    found = []
    for type_ in TaskType:
        own = [t for t in tasks if t.type is type_]
        days = [(now - clock.read(t.created_at)) / timedelta(days=1) for t in own]
        classes = Counter(next(i for i, (_, most) in enumerate(AGES) if most is None or d <= most) for d in days)
        overdue = sum(t.due_at is not None and clock.read(t.due_at) < now for t in own)
        if own:
            found.append(Backlog(type_, tuple(classes[i] for i in range(len(AGES))), overdue))
    return tuple(found)


def _flow(tasks: Sequence[TaskTime], mondays: Sequence[str], since: str) -> tuple[Flow, ...]:
    opened = Counter(_monday(t.created_at) for t in tasks if t.created_at >= since)
    closed = Counter(_monday(t.closed_at) for t in tasks if t.closed_at and t.closed_at >= since)
    return tuple(Flow(monday, opened[monday], closed[monday]) for monday in mondays)


def _turnaround(tasks: Sequence[TaskTime]) -> tuple[Turnaround, ...]:
    found = []
    for type_ in TaskType:
        hours = sorted(
            (clock.read(t.closed_at) - clock.read(t.created_at)) / timedelta(hours=1)
            for t in tasks
            if t.type is type_ and t.closed_at and t.by_verdict
        )
        if hours:
            slow = hours[min(len(hours) - 1, int(0.9 * len(hours)))]
            found.append(Turnaround(type_, len(hours), median(hours), slow))
    return tuple(found)


def _monday(at: str) -> str:
    day = clock.read(at).date()
    return (day - timedelta(days=day.weekday())).isoformat()

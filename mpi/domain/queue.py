"""How a reviewer looks at the queue: which tasks, in which order. Nothing in it names a patient."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeVar

from mpi.domain.review import TO_DECIDE, TaskState, TaskType


class Show(StrEnum):
    """Which states are listed. Stored in saved views: values never change."""

    TO_DECIDE = "to-decide"
    OPEN = "open"
    SECOND = "second"
    TIE_BREAK = "tie-break"
    WAITING = "waiting"
    CLOSED = "closed"

    @property
    def states(self) -> tuple[TaskState, ...]:
        """The states of the tasks that are shown."""
        return TO_DECIDE if self is Show.TO_DECIDE else (TaskState(self.value),)


class Owned(StrEnum):
    """Whose tasks are listed."""

    ANYBODY = ""
    MINE = "mine"
    NOBODY = "nobody"


class Due(StrEnum):
    """When an answer is due."""

    ANY = ""
    OVERDUE = "overdue"
    TODAY = "today"
    WEEK = "week"

    @property
    def days(self) -> int | None:
        """Due within so many days from now; None: whenever."""
        return {Due.ANY: None, Due.OVERDUE: 0, Due.TODAY: 1, Due.WEEK: 7}[self]


class Sort(StrEnum):
    """What stands first. There is no order by weight: the place in the queue must not tell what the index thinks."""

    URGENT = "urgent"
    DUE = "due"
    OLDEST = "oldest"
    NEWEST = "newest"


AGES = (1, 7, 28)
"""Days that can be asked for: waiting for longer than that."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which tasks to list. `site` is the code of an authority; `age` in days."""

    show: Show = Show.TO_DECIDE
    type: TaskType | None = None
    site: str | None = None
    owner: Owned = Owned.ANYBODY
    due: Due = Due.ANY
    age: int | None = None
    restricted: bool = False
    sort: Sort = Sort.URGENT

    def as_dict(self) -> dict[str, str]:
        """What differs from the usual, by name, as text: for addresses and saved views."""
        found = {}
        for one, usual in zip(fields(self), fields(QueueFilter), strict=True):
            value = getattr(self, one.name)
            if value != usual.default:
                found["state" if one.name == "show" else one.name] = "yes" if value is True else str(value)
        return found

    @staticmethod
    def read(said: Mapping[str, str]) -> "QueueFilter":
        """The filter that `said` describes; what is not understood counts as not said."""
        age = said.get("age", "")
        return QueueFilter(
            show=_one_of(Show, said.get("state")) or Show.TO_DECIDE,
            type=_one_of(TaskType, said.get("type")),
            site=said.get("site") or None,
            owner=_one_of(Owned, said.get("owner")) or Owned.ANYBODY,
            due=_one_of(Due, said.get("due")) or Due.ANY,
            age=int(age) if age in {str(days) for days in AGES} else None,
            restricted=said.get("restricted") == "yes",
            sort=_one_of(Sort, said.get("sort")) or Sort.URGENT,
        )


_E = TypeVar("_E", bound=StrEnum)


def _one_of(kind: type[_E], text: str | None) -> _E | None:
    try:
        return kind(text or "")
    except ValueError:
        return None

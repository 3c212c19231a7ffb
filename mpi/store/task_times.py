"""When review tasks came, were due and were closed, and when verdicts were given: for figures, without contents."""

from typing import NamedTuple

from sqlalchemy import bindparam, or_, select

from mpi.domain.review import TaskState, TaskType
from mpi.store.statements import Statements
from mpi.store.tables import review_task as t
from mpi.store.tables import task_verdict


class TaskTime(NamedTuple):
    """The instants of one task; `by_verdict`: a reviewer closed it, and no other decision."""

    type: TaskType
    created_at: str
    due_at: str | None
    closed_at: str | None
    by_verdict: bool


_columns = (t.c.type, t.c.created_at, t.c.due_at, t.c.closed_at, t.c.closed_how)
_not_closed = select(*_columns).where(t.c.state != TaskState.CLOSED.value)
_lately = select(*_columns).where(or_(t.c.created_at >= bindparam("since"), t.c.closed_at >= bindparam("since")))
_verdicts = select(task_verdict.c.by, task_verdict.c.at).where(task_verdict.c.at >= bindparam("since"))


class TaskTimes:
    """Reads inside one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    def not_closed(self) -> list[TaskTime]:
        """All tasks that are not closed."""
        return [_time(*row) for row in self._connection.execute(_not_closed)]

    def lately(self, since: str) -> list[TaskTime]:
        """The tasks that came or were closed since an instant."""
        return [_time(*row) for row in self._connection.execute(_lately, {"since": since})]

    def verdicts(self, since: str) -> list[tuple[str, str]]:
        """(reader, instant) of every verdict since an instant."""
        return [(row[0], row[1]) for row in self._connection.execute(_verdicts, {"since": since})]


def _time(type_: str, created: str, due: str | None, closed: str | None, how: str | None) -> TaskTime:
    return TaskTime(TaskType(type_), created, due, closed, how == "verdict")

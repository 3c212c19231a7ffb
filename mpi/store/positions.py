"""How far jobs have come in the audit trail, and what it says of people from there on."""

import json
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from mpi.domain.audit import Action
from mpi.store.statements import Statements
from mpi.store.tables import audit_event as a
from mpi.store.tables import position as t

OF_IDENTITIES = (
    Action.RECORD_CREATED,
    Action.RECORD_UPDATED,
    Action.RECORD_MERGED,
    Action.RECORD_RENAMED,
    Action.RECORD_DELETED,
    Action.RECORD_REVIVED,
    Action.PERSON_MERGED,
    Action.PERSON_REVIVED,
    Action.LINKED,
    Action.UNLINKED,
    Action.KEPT_APART,
    Action.KEPT_APART_ENDED,
    Action.TASK_OPENED,
    Action.TASK_DECIDED,
    Action.TASK_REOPENED,
    Action.NUMBER_SUPERSEDED,
    Action.NUMBER_RESTORED,
    Action.TRACE_TAKEN,
    Action.PROTECTED,
    Action.PROTECTION_ENDED,
)
"""Events after which something may be known of a person that was not before."""


class Event(NamedTuple):
    """One event about people. `others` are further records, `numbers` NHS numbers that it speaks of."""

    seq: int
    action: Action
    record_id: int | None
    person_id: int | None
    task_id: int | None
    others: tuple[int, ...]
    numbers: tuple[str, ...]


_ACTIONS = [action.value for action in OF_IDENTITIES]
_get = select(t.c.seq).where(t.c.job == bindparam("of_job"))
_insert = insert(t)
_advance = update(t).where(t.c.job == bindparam("of_job"), t.c.seq == bindparam("before"))
_head = select(func.max(a.c.seq))
_page = (
    select(a.c.seq, a.c.action, a.c.record_id, a.c.person_id, a.c.task_id, a.c.body)
    .where(a.c.seq > bindparam("after"), a.c.seq <= bindparam("until"), a.c.action.in_(_ACTIONS))
    .order_by(a.c.seq)
)
_any = select(a.c.seq).where(a.c.seq > bindparam("after"), a.c.action.in_(_ACTIONS)).order_by(a.c.seq).limit(1)


def _event(row: Any) -> Event:
    detail = json.loads(row.body).get("detail", {})
    other = detail.get("other_record")
    numbers = tuple(number for name in ("old_number", "new_number") if (number := detail.get(name)))
    others = (other,) if isinstance(other, int) else ()
    return Event(row.seq, Action(row.action), row.record_id, row.person_id, row.task_id, others, numbers)


class Positions:
    """Positions inside one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    def get(self, job: str) -> int:
        """The event up to which a job has come; 0 when it never ran."""
        return int(self._connection.execute(_get, {"of_job": job}).scalar() or 0)

    def advance(self, job: str, before: int, seq: int) -> None:
        """Note that a job has come to `seq`, unless another process has moved it on from `before` meanwhile."""
        if self._connection.execute(_get, {"of_job": job}).first() is None:
            self._connection.execute(_insert, {"job": job, "seq": seq})
        else:
            self._connection.execute(_advance, {"of_job": job, "before": before, "seq": seq})

    def head(self) -> int:
        """The last event of the trail; 0 when there is none."""
        return int(self._connection.execute(_head).scalar() or 0)

    def events(self, after: int, until: int) -> list[Event]:
        """What is said of people after `after` up to `until`, in order."""
        return [_event(row) for row in self._connection.execute(_page, {"after": after, "until": until})]

    def anything(self, after: int) -> bool:
        """Whether anything is said of people after `after`."""
        return self._connection.execute(_any, {"after": after}).first() is not None

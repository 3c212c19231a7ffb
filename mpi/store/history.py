"""What was said of identities, change by change, so that each can be taken back.

A change is what one savepoint (a message) or one transaction (a reviewer's decision) did to links, numbers and
do-not-links. It is kept by itself: services say what they mean (`say`), and where they do not, the audit events of
the change are read as they are.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import Action, AuditEvent
from mpi.domain.replay import Kind, Statement
from mpi.store.statements import Statements
from mpi.store.tables import identity_change as t
from mpi.store.tables import identity_change_record as records_of

_IDENTITY = frozenset(
    {Action.LINKED, Action.UNLINKED, Action.RECORD_MERGED, Action.KEPT_APART, Action.KEPT_APART_ENDED}
)
_NEW = "new"


class StoredChange(NamedTuple):
    """One change as stored. `undoes` is the change that it takes back, `undone_by` the one that took it back."""

    id: int
    at: str
    made_by: str
    role: str
    reason: str | None
    message_id: int | None
    task_id: int | None
    statements: tuple[Statement, ...]
    tasks_closed: tuple[int, ...]
    tasks_opened: tuple[int, ...]
    undoes: int | None
    undone_by: int | None


class TrailWithChanges(Protocol):
    """The audit events of the open transaction, and what was said of identities in it."""

    now: str
    events: list[tuple[str, AuditEvent]]
    said: list[Statement]
    closed: int


_insert = insert(t)
_insert_record = insert(records_of)
_get = select(t).where(t.c.id == bindparam("change_id"))
_of_task = select(t).where(t.c.task_id == bindparam("task_id")).order_by(t.c.at, t.c.id)
_of_records = (
    select(t)
    .where(
        t.c.id.in_(
            select(records_of.c.change_id)
            .where(records_of.c.record_id.in_(bindparam("ids", expanding=True)))
            .distinct()
        )
    )
    .order_by(t.c.at, t.c.id)
)
_take_back = update(t).where(t.c.id == bindparam("change_id"))


def _stored(row: Any) -> StoredChange:
    return StoredChange(
        row.id,
        row.at,
        row.made_by,
        row.role,
        row.reason,
        row.message_id,
        row.task_id,
        tuple(Statement(Kind(kind), *rest) for kind, *rest in json.loads(row.statements)),
        tuple(json.loads(row.tasks_closed)),
        tuple(json.loads(row.tasks_opened)),
        row.undoes,
        row.undone_by,
    )


class History:
    """The changes of identities inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailWithChanges) -> None:
        self._connection = connection
        self._trail = trail

    def say(self, *statements: Statement) -> None:
        """Note what the open change means; without it, its audit events are read as they stand."""
        self._trail.said += statements

    def close(self, *, undoes: int | None = None, about: Iterable[int] = ()) -> int | None:
        """Write down the change that is open, if anything of identities was changed; its id.

        One that `undoes` another is always written down; `about` names records it is found by, moved or not.
        """
        trail = self._trail
        events = [event for _, event in trail.events[trail.closed :]]
        said, trail.said, trail.closed = tuple(trail.said), [], len(trail.events)
        left = {event.record_id for event in events if event.action is Action.UNLINKED}
        told = [e for e in events if e.action in _IDENTITY and (e.record_id in left or not _first_link(e))]
        if not told and not said and undoes is None:
            return None
        # What an undo does follows from what it takes back; only what it says beside that is its own.
        statements = said if said or undoes is not None else tuple(_as_they_stand(told))
        if not statements and undoes is None:
            return None
        first = next((event for event in events if event.action in _IDENTITY), events[0] if events else None)
        if first is None:
            return None
        change_id = self._connection.insert(_insert, t, self._row(first, events, statements, undoes))
        touched = {*about, *(r for said_one in statements for r in said_one.records)}
        touched |= {event.record_id for event in told if event.record_id is not None}
        if touched:
            rows = [{"record_id": record, "change_id": change_id} for record in sorted(touched)]
            self._connection.later(_insert_record, rows)
        return change_id

    def _row(
        self, first: AuditEvent, events: Sequence[AuditEvent], statements: Sequence[Statement], undoes: int | None
    ) -> dict[str, Any]:
        closed = {e.task_id for e in events if e.action is Action.TASK_DECIDED}
        opened = {e.task_id for e in events if e.action is Action.TASK_OPENED}
        return {
            "at": self._trail.now,
            "made_by": first.actor.name,
            "role": first.actor.role,
            "reason": first.reason,
            "message_id": first.message_id,
            "task_id": first.task_id,
            "statements": json.dumps([[s.kind.value, s.one, s.other, s.person] for s in statements]),
            "tasks_closed": json.dumps(sorted(i for i in closed if i is not None)),
            "tasks_opened": json.dumps(sorted(i for i in opened if i is not None)),
            "undoes": undoes,
            "undone_by": None,
        }

    def get(self, change_id: int) -> StoredChange | None:
        """The change with this id; None when there is none."""
        row = self._connection.execute(_get, {"change_id": change_id}).first()
        return _stored(row) if row else None

    def of_task(self, task_id: int) -> list[StoredChange]:
        """The changes that the answers to a task made, oldest first."""
        return [_stored(row) for row in self._connection.execute(_of_task, {"task_id": task_id})]

    def of_records(self, record_ids: Iterable[int]) -> list[StoredChange]:
        """The changes that touched any of these records, oldest first."""
        wanted = sorted(record_ids)
        return [_stored(row) for row in self._connection.execute(_of_records, {"ids": wanted})] if wanted else []

    def mark(self, change_id: int, undone_by: int | None) -> None:
        """Say of a change that it was taken back, or (None) that it holds again. Goes with `close(undoes=...)`."""
        self._connection.later(_take_back, {"change_id": change_id, "undone_by": undone_by})


def _first_link(event: AuditEvent) -> bool:
    return event.action is Action.LINKED and event.detail.get("how") == _NEW


def _as_they_stand(events: Iterable[AuditEvent]) -> Iterable[Statement]:
    """The plainest reading of audit events: where each record went, and which pairs were kept apart."""
    for event in events:
        one, detail = event.record_id, event.detail
        if one is None:
            continue
        if event.action is Action.LINKED:
            yield Statement(Kind.PUT, one, None, event.person_id)
        elif event.action is Action.RECORD_MERGED:
            yield Statement(Kind.MERGE, one, detail.get("survivor"))
        elif event.action is Action.KEPT_APART:
            yield Statement(Kind.APART, one, detail.get("other_record"))
        elif event.action is Action.KEPT_APART_ENDED:
            yield Statement(Kind.TOGETHER, one, detail.get("other_record"))

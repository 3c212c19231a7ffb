"""The review queue as people work it: filtered pages and counts, who has taken what, saved views.

Every statement is built at import: one for each order, and each for those who may see all sites and those who may not.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, insert, literal, or_, select, text, update

from mpi.domain.audit import AuditEvent
from mpi.domain.queue import Owned, QueueFilter, Sort
from mpi.domain.review import TO_DECIDE, TaskState, TaskType
from mpi.store import clock
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import queue_view, task_verdict
from mpi.store.tables import review_task as t
from mpi.store.tasks import SHOWN, StoredTask, stored_task

# Records of people of whom one record is restricted: one address stands on all of them.
_RESTRICTED = (
    "SELECT id FROM source_record WHERE restricted UNION ALL SELECT other.record_id FROM source_record AS one"
    " JOIN link AS own ON own.record_id = coalesce(one.merged_into, one.id) AND own.valid_to IS NULL"
    " JOIN link AS other ON other.person_id = own.person_id AND other.valid_to IS NULL WHERE one.restricted"
)
_IS_RESTRICTED = text(
    f"(coalesce(review_task.left_record, 0) IN ({_RESTRICTED})"
    f" OR coalesce(review_task.right_record, 0) IN ({_RESTRICTED}))"
)
_NOT_RESTRICTED = text(f"NOT {_IS_RESTRICTED.text}")


_TOUCHES = (
    "EXISTS (SELECT 1 FROM source_record AS side"
    " WHERE side.id IN (review_task.left_record, review_task.right_record) AND (side.authority IN :sites"
    " OR EXISTS (SELECT 1 FROM link AS own"
    " JOIN link AS other ON other.person_id = own.person_id AND other.valid_to IS NULL"
    " JOIN source_record AS known ON known.id = other.record_id"
    " WHERE own.record_id = coalesce(side.merged_into, side.id) AND own.valid_to IS NULL"
    " AND known.authority IN :sites)))"
)


def _touches(sites: str) -> ColumnElement[bool]:
    """Whether a side of a task is of one of these sites, or is linked with a record of one."""
    condition = text(_TOUCHES.replace(":sites", f":{sites}"))
    return condition.bindparams(bindparam(sites, expanding=True))  # type: ignore[return-value]


def _unless_said(name: str, condition: ColumnElement[bool], type_: Any) -> ColumnElement[bool]:
    return or_(bindparam(name, type_=type_).is_(None), condition)


_MINE_TO_READ = or_(
    t.c.state.in_([TaskState.OPEN.value, TaskState.CLOSED.value]),
    ~select(task_verdict.c.id)
    .where(task_verdict.c.task_id == t.c.id, task_verdict.c.by == bindparam("reader"), task_verdict.c.counts)
    .exists(),
)
"""Nobody is two readers of one question."""

_text = t.c.state.type
_WHERE = (
    t.c.state.in_(bindparam("states", expanding=True)),
    _unless_said("type", t.c.type == bindparam("type", type_=t.c.type.type), t.c.type.type),
    _unless_said("owner", t.c.owner == bindparam("owner", type_=t.c.owner.type), t.c.owner.type),
    _unless_said("unowned", t.c.owner.is_(None), t.c.owner.type),
    _unless_said("due", t.c.due_at <= bindparam("due", type_=t.c.due_at.type), t.c.due_at.type),
    _unless_said("before", t.c.created_at < bindparam("before", type_=t.c.due_at.type), t.c.due_at.type),
    _unless_said("restricted", _IS_RESTRICTED, _text),  # type: ignore[arg-type]
    # At which sites a restricted person is known is told to nobody.
    _unless_said("site", and_(_touches("site_in"), _NOT_RESTRICTED), _text),
    _MINE_TO_READ,
    SHOWN,
)
_SCOPE = _touches("sites")
_ORDERS: dict[Sort, tuple[Any, ...]] = {
    Sort.URGENT: (t.c.priority.desc(), t.c.due_at, t.c.id),
    Sort.DUE: (case((t.c.due_at.is_(None), 1), else_=0), t.c.due_at, t.c.id),
    Sort.OLDEST: (t.c.created_at, t.c.id),
    Sort.NEWEST: (t.c.created_at.desc(), t.c.id.desc()),
}
_PAGES = {
    (sort, scoped): select(t.c.id, func.count().over().label("total"))
    .where(*_WHERE, *((_SCOPE,) if scoped else ()))
    .order_by(*order)
    .limit(bindparam("most"))
    .offset(bindparam("skip"))
    for sort, order in _ORDERS.items()
    for scoped in (False, True)
}
_COUNTS = {
    scoped: select(func.count()).select_from(t).where(*_WHERE, *((_SCOPE,) if scoped else ()))
    for scoped in (False, True)
}
_one = literal(1)
_FACETS = {
    scoped: select(
        t.c.state,
        t.c.type,
        func.count(),
        func.sum(case((t.c.owner == bindparam("reader"), _one), else_=0)),
        func.sum(case((t.c.owner.is_(None), _one), else_=0)),
        func.sum(case((t.c.due_at < bindparam("now"), _one), else_=0)),
    )
    .where(t.c.state != TaskState.CLOSED.value, SHOWN, *((_SCOPE,) if scoped else ()))
    .group_by(t.c.state, t.c.type)
    for scoped in (False, True)
}
_NEXT = {
    scoped: select(t.c.id)
    .where(
        t.c.state.in_([state.value for state in TO_DECIDE]),
        t.c.id != bindparam("after"),
        or_(t.c.owner.is_(None), t.c.owner == bindparam("reader")),
        _MINE_TO_READ,
        SHOWN,
        *((_SCOPE,) if scoped else ()),
    )
    .order_by(case((t.c.owner == bindparam("reader"), 0), else_=1), *_ORDERS[Sort.URGENT])
    .limit(bindparam("most"))
    for scoped in (False, True)
}
_IN_SCOPE = select(t.c.id).where(t.c.id.in_(bindparam("ids", expanding=True)), SHOWN, _SCOPE)
_IN_INDEX = select(t.c.id).where(t.c.id.in_(bindparam("ids", expanding=True)), SHOWN)
_rows = select(t).where(t.c.id.in_(bindparam("ids", expanding=True)))
_ABOUT = (
    select(t.c.id)
    .where(
        or_(
            t.c.left_record.in_(bindparam("records", expanding=True)),
            t.c.right_record.in_(bindparam("records", expanding=True)),
        ),
        SHOWN,
    )
    .order_by(case((t.c.state == TaskState.CLOSED.value, 1), else_=0), t.c.id.desc())
    .limit(100)
)
_take = (
    update(t)
    .where(
        t.c.id == bindparam("task_id"),
        t.c.state != TaskState.CLOSED.value,
        func.coalesce(t.c.owner, "") == bindparam("expected"),
    )
    .returning(t.c.id)
)
_set_due = update(t).where(t.c.id == bindparam("task_id"), t.c.state != TaskState.CLOSED.value)
_views = select(queue_view).where(queue_view.c.owner == bindparam("of_owner")).order_by(queue_view.c.name)
_keep_view = insert(queue_view)
_change_view = update(queue_view).where(
    queue_view.c.owner == bindparam("of_owner"), queue_view.c.name == bindparam("of_name")
)
_drop_view = delete(queue_view).where(
    queue_view.c.owner == bindparam("of_owner"), queue_view.c.id == bindparam("view_id")
)


class Facets(NamedTuple):
    """How many tasks are not closed, by state and type, and of those to decide how many are whose."""

    by_state: dict[TaskState, int]
    by_type: dict[TaskType, int]
    mine: int
    unowned: int
    overdue: int


class StoredView(NamedTuple):
    """A filter that somebody gave a name."""

    id: int
    name: str
    filter: QueueFilter


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: the name of the account, and the sites (authorities) it may see; None: all."""

    name: str
    sites: frozenset[str] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The reader as parameters of a statement."""
        return {"reader": self.name} | ({"sites": sorted(self.sites)} if self.sites is not None else {})


class QueueTable:
    """The queue inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def page(self, reader: Reader, wanted: QueueFilter, *, most: int, skip: int) -> tuple[list[StoredTask], int]:
        """One page of what the filter lets through, and how many there are in all."""
        values = self._values(reader, wanted) | {"most": most, "skip": skip}
        rows = self._connection.execute(_PAGES[wanted.sort, reader.sites is not None], values).all()
        if rows or not skip:
            return self._get([int(row.id) for row in rows]), int(rows[0].total) if rows else 0
        counted = self._connection.execute(_COUNTS[reader.sites is not None], self._values(reader, wanted))
        return [], int(counted.scalar_one())

    def facets(self, reader: Reader) -> Facets:
        """The counts beside the queue, now."""
        by_state: dict[TaskState, int] = {}
        by_type: dict[TaskType, int] = {}
        mine = unowned = overdue = 0
        values = reader.values | {"now": self._trail.now}
        for state, type_, n, own, free, late in self._connection.execute(_FACETS[reader.sites is not None], values):
            by_state[TaskState(state)] = by_state.get(TaskState(state), 0) + n
            by_type[TaskType(type_)] = by_type.get(TaskType(type_), 0) + n
            mine, overdue = mine + int(own), overdue + int(late)
            unowned += int(free) if TaskState(state) in TO_DECIDE else 0
        return Facets(by_state, by_type, mine, unowned, overdue)

    def next(self, reader: Reader, after: int = 0, *, most: int = 1) -> list[StoredTask]:
        """The tasks that the reader should do next: their own first, then what nobody has taken; most urgent first."""
        statement = _NEXT[reader.sites is not None]
        values = reader.values | {"after": after, "most": most}
        return self._get([int(row.id) for row in self._connection.execute(statement, values)])

    def visible(self, reader: Reader, ids: Collection[int]) -> set[int]:
        """Those of the tasks that the reader may see."""
        if not ids:
            return set()
        scoped = reader.sites is not None
        values = {"ids": sorted(ids)} | ({"sites": reader.values["sites"]} if scoped else {})
        return {int(row.id) for row in self._connection.execute(_IN_SCOPE if scoped else _IN_INDEX, values)}

    def about(self, record_ids: Iterable[int]) -> list[StoredTask]:
        """The tasks about any of these records, closed ones last, newest first; at most 100."""
        values = {"records": sorted(record_ids)}
        return self._get([int(row.id) for row in self._connection.execute(_ABOUT, values)])

    def _get(self, ids: list[int]) -> list[StoredTask]:
        found = {row.id: stored_task(row) for row in self._connection.execute(_rows, {"ids": ids})} if ids else {}
        return [found[task_id] for task_id in ids]

    def _values(self, reader: Reader, wanted: QueueFilter) -> dict[str, Any]:
        now = clock.read(self._trail.now)
        days = wanted.due.days
        return reader.values | {
            "states": [state.value for state in wanted.show.states],
            "type": wanted.type.value if wanted.type else None,
            "owner": reader.name if wanted.owner is Owned.MINE else None,
            "unowned": "yes" if wanted.owner is Owned.NOBODY else None,
            "due": clock.stamp(now + timedelta(days=days)) if days is not None else None,
            "before": clock.stamp(now - timedelta(days=wanted.age)) if wanted.age is not None else None,
            "restricted": "yes" if wanted.restricted else None,
            "site": wanted.site,
            "site_in": [wanted.site or ""],
        }

    def give(self, task: StoredTask, owner: str | None, *, event: AuditEvent) -> bool:
        """Make `owner` (None: nobody) the one who has taken the task; False where it has another owner by now."""
        done = self._connection.execute(
            _take,
            {
                "task_id": task.id,
                "expected": task.owner or "",
                "owner": owner,
                "claimed_at": self._trail.now if owner else None,
            },
        )
        if done.first() is None:
            return False
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))
        return True

    def set_due(self, task: StoredTask, due_at: str, *, event: AuditEvent) -> bool:
        """Say when an answer is due; False for a task that is closed by now."""
        if not self._connection.execute(_set_due, {"task_id": task.id, "due_at": due_at}).rowcount:
            return False
        self._trail.add(replace(event, task_id=task.id, record_id=task.left_record))
        return True

    def views(self, owner: str) -> list[StoredView]:
        """The saved views of an account, by name."""
        rows = self._connection.execute(_views, {"of_owner": owner})
        return [StoredView(row.id, row.name, QueueFilter.read(_said(row.filters))) for row in rows]

    def keep_view(self, owner: str, name: str, wanted: QueueFilter, *, event: AuditEvent) -> None:
        """Save a view; one of the same name is replaced."""
        filters = json.dumps(wanted.as_dict())
        changed = self._connection.execute(
            _change_view, {"of_owner": owner, "of_name": name, "filters": filters}
        ).rowcount
        if not changed:
            now = self._trail.now
            row = {"owner": owner, "name": name, "filters": filters, "created_at": now}
            self._connection.insert(_keep_view, queue_view, row)
        self._trail.add(event)

    def drop_view(self, owner: str, view_id: int, *, event: AuditEvent) -> None:
        """Forget a saved view of this account."""
        self._connection.execute(_drop_view, {"of_owner": owner, "view_id": view_id})
        self._trail.add(event)


def _said(filters: str) -> Mapping[str, str]:
    found = json.loads(filters)
    return {str(name): str(value) for name, value in found.items()}

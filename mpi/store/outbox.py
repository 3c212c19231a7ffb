"""What other systems are told: the feed of changes, who is told, and what waits to be sent to whom.

The feed is the audit trail itself: its events that may change whose an identifier is. Their sequence numbers have no
gaps and follow the order of the commits, so that a reader who has come to one never misses an earlier one.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, insert, select, text, update

from mpi.domain.audit import AuditEvent
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import audit_event, notification, subscriber

WAITING, SENT, DEAD, SILENT, SUPERSEDED = "waiting", "sent", "dead", "silent", "superseded"

Name = tuple[str, str]
"""An identifier: the authority's code and the value."""


class Change(NamedTuple):
    """An event that may have changed whose an identifier is."""

    seq: int
    at: str
    action: str
    record_id: int | None
    person_id: int | None
    left: int | None
    """The record that `record_id` led to before and leads to no longer."""


class Told(NamedTuple):
    """What a notification says: the person's identifiers in the subscriber's domains, and those merged away."""

    identifiers: tuple[Name, ...] = ()
    merged: tuple[Name, ...] = ()


class StoredSubscriber(NamedTuple):
    """How far a subscriber is. `holder` sends to it now (None: nobody); `failures` in a row to reach it."""

    name: str
    position: int
    holder: str | None
    beat: int
    failures: int
    last_problem: str | None
    last_sent_at: str | None


class StoredNotification(NamedTuple):
    """One message to one subscriber about one person. `not_before`: it was refused and waits; `problem` says how."""

    id: int
    subscriber: str
    person_id: int
    seq: int
    control_id: str
    told: Told
    state: str
    attempts: int
    not_before: str | None
    problem: str | None
    created_at: str
    finished_at: str | None


class NewNotification(NamedTuple):
    """A notification to be stored; `state` is waiting or silent."""

    person_id: int
    seq: int
    control_id: str
    told: Told
    state: str


_changes_columns = (
    audit_event.c.seq,
    audit_event.c.at,
    audit_event.c.action,
    audit_event.c.record_id,
    audit_event.c.person_id,
    audit_event.c.body,
)
# The condition stands as text, as in the index that answers it.
_is_change = text("changes_identity")
_changes = (
    select(*_changes_columns)
    .where(audit_event.c.seq > bindparam("after"), _is_change)
    .order_by(audit_event.c.seq)
    .limit(bindparam("most"))
)
_some_changes = (
    select(audit_event.c.seq).where(audit_event.c.seq > bindparam("after"), _is_change).limit(bindparam("most"))
)
_count_changes = select(func.count()).select_from(_some_changes.subquery())
_head = select(func.max(audit_event.c.seq))
_subscriber = select(subscriber).where(subscriber.c.name == bindparam("name"))
_subscribers = select(subscriber).order_by(subscriber.c.name)
_enrol = text(
    "INSERT INTO subscriber (name, position, beat, failures) VALUES (:name, :position, 0, 0)"
    " ON CONFLICT (name) DO NOTHING"
)
_same_holder = subscriber.c.holder.is_not_distinct_from(bindparam("seen_holder"))
_take = (
    update(subscriber)
    .where(subscriber.c.name == bindparam("of"), subscriber.c.beat == bindparam("seen_beat"), _same_holder)
    .values(holder=bindparam("by"), beat=subscriber.c.beat + 1)
)
_held = and_(subscriber.c.name == bindparam("of"), subscriber.c.holder == bindparam("by"))
_renew = update(subscriber).where(_held).values(beat=subscriber.c.beat + 1)
_release = update(subscriber).where(_held).values(holder=None, beat=subscriber.c.beat + 1)
_advance = (
    update(subscriber)
    .where(subscriber.c.name == bindparam("of"), subscriber.c.position == bindparam("before"))
    .values(position=bindparam("to"))
)
_reached = (
    update(subscriber)
    .where(subscriber.c.name == bindparam("of"))
    .values(failures=0, last_problem=None, last_sent_at=bindparam("at"))
)
_missed = (
    update(subscriber)
    .where(subscriber.c.name == bindparam("of"))
    .values(failures=subscriber.c.failures + 1, last_problem=bindparam("why"))
)
_latest_ids = (
    select(func.max(notification.c.id))
    .where(
        notification.c.subscriber == bindparam("of"),
        notification.c.person_id.in_(bindparam("persons", expanding=True)),
    )
    .group_by(notification.c.person_id)
)
_latest = select(notification).where(notification.c.id.in_(_latest_ids))
_last_sent = (
    select(notification)
    .where(
        notification.c.subscriber == bindparam("of"),
        notification.c.person_id == bindparam("person"),
        notification.c.state == SENT,
    )
    .order_by(notification.c.id.desc())
    .limit(1)
)
_insert = insert(notification)
_waits = and_(notification.c.subscriber == bindparam("of"), notification.c.state == WAITING)
_due = (
    select(notification)
    .where(
        _waits,
        notification.c.id > bindparam("after"),
        (notification.c.not_before.is_(None)) | (notification.c.not_before <= bindparam("now")),
    )
    .order_by(notification.c.id)
    .limit(bindparam("most"))
)
_put_off = select(notification).where(_waits, notification.c.not_before > bindparam("now")).order_by(notification.c.id)
_by_id = select(notification).where(notification.c.id == bindparam("id"))
_dead = (
    select(notification)
    .where(notification.c.state == DEAD, notification.c.subscriber == bindparam("of"))
    .order_by(notification.c.id)
    .limit(bindparam("most"))
)
_later = (
    select(notification.c.id)
    .where(
        notification.c.subscriber == bindparam("of"),
        notification.c.person_id == bindparam("person"),
        notification.c.id > bindparam("id"),
    )
    .limit(1)
)
_set = update(notification).where(notification.c.id == bindparam("of_id"))
_count_by_state = (
    select(notification.c.state, func.count(), func.min(notification.c.created_at))
    .where(notification.c.subscriber == bindparam("of"), notification.c.state.in_((WAITING, DEAD)))
    .group_by(notification.c.state)
)
_last_of_each = select(func.max(notification.c.id)).group_by(notification.c.subscriber, notification.c.person_id)
_forget_all = delete(notification).where(notification.c.subscriber == bindparam("of"))
_forget = delete(notification).where(
    notification.c.state.in_((SENT, SILENT, SUPERSEDED)),
    notification.c.finished_at < bindparam("before"),
    notification.c.id.not_in(_last_of_each),
)


def _left(body: dict[str, Any]) -> int | None:
    found: int | None = body.get("detail", {}).get("left")
    return found


def _stored(row: Any) -> StoredNotification:
    said = json.loads(row.identifiers)
    told = Told(*(tuple((name[0], name[1]) for name in said[key]) for key in ("identifiers", "merged")))
    return StoredNotification(
        row.id,
        row.subscriber,
        row.person_id,
        row.seq,
        row.control_id,
        told,
        row.state,
        row.attempts,
        row.not_before,
        row.problem,
        row.created_at,
        row.finished_at,
    )


class OutboxTable:
    """The feed and the notifications inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def changes(self, after: int, most: int) -> list[Change]:
        """The changes that follow event `after`, oldest first."""
        rows = self._connection.execute(_changes, {"after": after, "most": most})
        return [
            Change(row.seq, row.at, row.action, row.record_id, row.person_id, _left(json.loads(row.body)))
            for row in rows
        ]

    def count_changes(self, after: int, most: int) -> int:
        """How many changes follow event `after`, counted up to `most`."""
        return int(self._connection.execute(_count_changes, {"after": after, "most": most}).scalar_one())

    def head(self) -> int:
        """The number of the latest audit event; 0 when there is none."""
        return int(self._connection.execute(_head).scalar() or 0)

    def enrol(self, name: str, position: int) -> None:
        """Note a subscriber who is told of changes after event `position`; a known one stays where it is."""
        self._connection.execute(_enrol, {"name": name, "position": position})

    def subscriber(self, name: str) -> StoredSubscriber | None:
        """How far a subscriber is; None when it was never enrolled."""
        row = self._connection.execute(_subscriber, {"name": name}).first()
        return StoredSubscriber(*row) if row else None

    def subscribers(self) -> list[StoredSubscriber]:
        """All that were ever enrolled, by name."""
        return [StoredSubscriber(*row) for row in self._connection.execute(_subscribers)]

    def take(self, seen: StoredSubscriber, holder: str) -> bool:
        """Become the one who sends to a subscriber, if nobody else did or lived since it was `seen`."""
        values = {"of": seen.name, "seen_beat": seen.beat, "seen_holder": seen.holder, "by": holder}
        return bool(self._connection.execute(_take, values).rowcount)

    def renew(self, name: str, holder: str) -> bool:
        """Show that `holder` lives; False when somebody else took its place."""
        return bool(self._connection.execute(_renew, {"of": name, "by": holder}).rowcount)

    def release(self, name: str, holder: str) -> None:
        """Let anybody send to a subscriber that `holder` has held."""
        self._connection.execute(_release, {"of": name, "by": holder})

    def advance(self, name: str, before: int, position: int) -> bool:
        """Note that changes up to event `position` were turned into notifications; False when it is not at `before`."""
        return bool(self._connection.execute(_advance, {"of": name, "before": before, "to": position}).rowcount)

    def reached(self, name: str) -> None:
        """Note that a subscriber answered."""
        self._connection.execute(_reached, {"of": name, "at": self._trail.now})

    def missed(self, name: str, why: str) -> None:
        """Note that a subscriber could not be reached or did not answer."""
        self._connection.execute(_missed, {"of": name, "why": why})

    def latest(self, name: str, person_ids: Iterable[int]) -> dict[int, StoredNotification]:
        """The last notification to a subscriber about each of these persons, whatever became of it."""
        values = {"of": name, "persons": list(person_ids)}
        if not values["persons"]:
            return {}
        return {row.person_id: _stored(row) for row in self._connection.execute(_latest, values)}

    def withdraw(self, one: StoredNotification, *, event: AuditEvent) -> None:
        """Send a waiting notification no more, as if it had never been made: what was sent last counts as told."""
        self.finish(one, SUPERSEDED, one.attempts, None, event=event)
        if self.has_later(one):
            return
        sent = self._connection.execute(_last_sent, {"of": one.subscriber, "person": one.person_id}).first()
        told = _stored(sent).told if sent is not None else Told()
        new = NewNotification(one.person_id, one.seq, secrets.token_hex(10).upper(), told, SILENT)
        self.add(one.subscriber, [new])

    def add(self, name: str, new: Sequence[NewNotification]) -> None:
        """Store notifications, in the order in which they are to be sent. Their cause is in the audit trail already."""
        rows = [
            {
                "subscriber": name,
                "person_id": one.person_id,
                "seq": one.seq,
                "control_id": one.control_id,
                "identifiers": json.dumps(one.told._asdict(), ensure_ascii=False, separators=(",", ":")),
                "state": one.state,
                "attempts": 0,
                "created_at": self._trail.now,
                "finished_at": self._trail.now if one.state == SILENT else None,
            }
            for one in new
        ]
        if rows:
            self._connection.execute(_insert, rows)

    def due(self, name: str, after: int, most: int) -> list[StoredNotification]:
        """Notifications after number `after` that wait for nothing but to be sent, oldest first."""
        values = {"of": name, "after": after, "now": self._trail.now, "most": most}
        return [_stored(row) for row in self._connection.execute(_due, values)]

    def put_off(self, name: str) -> list[StoredNotification]:
        """Notifications that were refused and wait to be sent again, oldest first."""
        return [_stored(row) for row in self._connection.execute(_put_off, {"of": name, "now": self._trail.now})]

    def get(self, notification_id: int) -> StoredNotification | None:
        """One notification; None when there is none."""
        row = self._connection.execute(_by_id, {"id": notification_id}).first()
        return _stored(row) if row else None

    def dead(self, name: str, most: int) -> list[StoredNotification]:
        """Notifications to a subscriber that were given up, oldest first."""
        return [_stored(row) for row in self._connection.execute(_dead, {"of": name, "most": most})]

    def has_later(self, one: StoredNotification) -> bool:
        """Whether a later notification tells the same subscriber of the same person."""
        values = {"of": one.subscriber, "person": one.person_id, "id": one.id}
        return self._connection.execute(_later, values).first() is not None

    def finish(
        self, one: StoredNotification, state: str, attempts: int, problem: str | None, *, event: AuditEvent
    ) -> None:
        """Note that a notification was sent, given up, or said by a later one."""
        values = {"state": state, "attempts": attempts, "problem": problem, "not_before": None}
        self._connection.later(_set, {"of_id": one.id, "finished_at": self._trail.now, **values})
        self._trail.add(event)

    def refuse(self, one: StoredNotification, attempts: int, not_before: str, problem: str) -> None:
        """Note that a notification was refused and is to be sent again, not before an instant."""
        values = {"attempts": attempts, "not_before": not_before, "problem": problem}
        self._connection.later(_set, {"of_id": one.id, **values})

    def again(self, one: StoredNotification, *, event: AuditEvent) -> None:
        """Let a notification that was given up be sent after all, under its own control id."""
        values = {"state": WAITING, "attempts": 0, "not_before": None, "finished_at": None}
        self._connection.later(_set, {"of_id": one.id, **values})
        self._trail.add(event)

    def counts(self, name: str) -> dict[str, tuple[int, str]]:
        """How many notifications wait and how many were given up, each with the instant of the oldest."""
        return {row[0]: (row[1], row[2]) for row in self._connection.execute(_count_by_state, {"of": name})}

    def forget_all(self, name: str) -> None:
        """Delete every notification to a subscriber, as if it had never been told anything."""
        self._connection.execute(_forget_all, {"of": name})

    def forget(self, before: str) -> int:
        """Delete what was finished before an instant, but the last word about each person; how many went."""
        return int(self._connection.execute(_forget, {"before": before}).rowcount)

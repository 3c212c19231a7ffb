"""The audit trail: append-only rows, each hashed with the one before (see the decision record on the audit chain).

The row's `body` is canonical JSON; `hash` is SHA-256 over the previous hash and the body. The database refuses
updates and deletes by trigger; `verify` finds a row that was changed, removed or put between.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, or_, select, text

from mpi.domain.audit import Action, AuditEvent
from mpi.store.plain import Fixed
from mpi.store.statements import Statements
from mpi.store.tables import audit_event as t

GENESIS = "0" * 64
_CHAIN_LOCK = 0x4D504902

_insert = insert(t)
_head = Fixed(select(t.c.seq, t.c.hash).order_by(t.c.seq.desc()).limit(1))
_lock = Fixed(text("SELECT pg_advisory_xact_lock(:key)"))
_walk = (
    select(
        t.c.seq,
        t.c.at,
        t.c.actor,
        t.c.role,
        t.c.action,
        t.c.record_id,
        t.c.person_id,
        t.c.task_id,
        t.c.message_id,
        t.c.changes_identity,
        t.c.body,
        t.c.previous_hash,
        t.c.hash,
    )
    .where(t.c.seq > bindparam("after"))
    .order_by(t.c.seq)
    .limit(bindparam("most"))
)
_of_person = (
    select(t.c.seq, t.c.at, t.c.actor, t.c.role, t.c.action, t.c.body)
    .where(or_(t.c.person_id == bindparam("person_id"), t.c.record_id.in_(bindparam("record_ids", expanding=True))))
    .order_by(t.c.seq.desc())
    .limit(bindparam("most"))
)
_of_task = (
    select(t.c.seq, t.c.at, t.c.actor, t.c.role, t.c.action, t.c.body)
    .where(t.c.task_id == bindparam("task_id"))
    .order_by(t.c.seq)
)
_of_action = (
    select(t.c.seq, t.c.at, t.c.actor, t.c.role, t.c.action, t.c.body)
    .where(t.c.person_id == bindparam("person_id"), t.c.action == bindparam("action"), t.c.at > bindparam("after"))
    .order_by(t.c.seq.desc())
)


class AuditLine(NamedTuple):
    """One event as it is read back; `body` is its whole content."""

    seq: int
    at: str
    actor: str
    role: str
    action: str
    body: dict[str, Any]


class BrokenChain(NamedTuple):
    """Where the trail does not hold: the sequence number and what is wrong there."""

    seq: int
    problem: str


def append(connection: Statements, events: Sequence[tuple[str, AuditEvent]]) -> None:
    """Write `events` (each with its instant) at the end of the chain; the last thing a transaction does.

    On PostgreSQL the head of the chain is locked from here to the commit; on SQLite the writer is alone anyway.
    """
    if not events:
        return
    if connection.dialect.name == "postgresql":
        connection.ask(_lock, {"key": _CHAIN_LOCK})
    head = connection.ask(_head, {}).first()
    seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
    rows = []
    for at, event in events:
        seq += 1
        body = _body(seq, at, event)
        digest = _hash(previous, body)
        rows.append(
            {
                "seq": seq,
                "at": at,
                "actor": event.actor.name,
                "role": event.actor.role,
                "action": event.action.value,
                "record_id": event.record_id,
                "person_id": event.person_id,
                "task_id": event.task_id,
                "message_id": event.message_id,
                "changes_identity": event.changes_identity,
                "body": body,
                "previous_hash": previous,
                "hash": digest,
            }
        )
        previous = digest
    connection.later(_insert, rows)


def storable(event: AuditEvent) -> bool:
    """Whether every database takes the event: one that it refuses would fail the transaction that it goes with."""
    try:
        _body(0, "", event).encode()
    except (TypeError, ValueError):
        return False
    return "\0" not in event.actor.name + event.actor.role


def _body(seq: int, at: str, event: AuditEvent) -> str:
    values: dict[str, Any] = {
        "seq": seq,
        "at": at,
        "actor": event.actor.name,
        "role": event.actor.role,
        "action": event.action.value,
    }
    for name in ("record_id", "person_id", "task_id", "study_uid", "message_id", "model_hash", "reason"):
        value = getattr(event, name)
        if value is not None:
            values[name] = value
    if event.actor.sites is not None:
        values["sites"] = sorted(event.actor.sites)
    if event.changes_identity:
        values["changes_identity"] = True
    if event.detail:
        values["detail"] = event.detail
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _hash(previous: str, body: str) -> str:
    return hashlib.sha256((previous + body).encode("utf-8", "surrogatepass")).hexdigest()


def verify(connection: Statements, *, page: int = 5000) -> tuple[int, BrokenChain | None]:
    """How many events were checked, and the first place where the chain breaks (None when it is whole)."""
    after, previous = 0, GENESIS
    while rows := connection.execute(_walk, {"after": after, "most": page}).all():
        for row in rows:
            problem = _problem(row, after, previous)
            if problem:
                return after, BrokenChain(row.seq, problem)
            after, previous = row.seq, row.hash
    return after, None


def _problem(row: Any, after: int, previous: str) -> str | None:
    if row.seq != after + 1:
        return f"events {after + 1} to {row.seq - 1} are missing"
    if row.previous_hash != previous:
        return "does not follow the event before it"
    if row.hash != _hash(previous, row.body):
        return "was changed after it was written"
    body = json.loads(row.body)
    for name in ("seq", "at", "actor", "role", "action", "record_id", "person_id", "task_id", "message_id"):
        if body.get(name) != getattr(row, name):
            return f"column {name} does not say what was hashed"
    if body.get("changes_identity", False) != bool(row.changes_identity):
        return "column changes_identity does not say what was hashed"
    return None


def of_person(connection: Statements, person_id: int, record_ids: Sequence[int], *, most: int = 200) -> list[AuditLine]:
    """The latest events about a person or the records given, newest first."""
    values = {"person_id": person_id, "record_ids": list(record_ids), "most": most}
    return [_line(row) for row in connection.execute(_of_person, values)]


def of_action(connection: Statements, action: Action, *, person_id: int, after: str) -> list[AuditLine]:
    """The events of one kind about a person since an instant, newest first."""
    values = {"person_id": person_id, "action": action.value, "after": after}
    return [_line(row) for row in connection.execute(_of_action, values)]


def of_task(connection: Statements, task_id: int) -> list[AuditLine]:
    """All events about a task, oldest first."""
    return [_line(row) for row in connection.execute(_of_task, {"task_id": task_id})]


def _line(row: Any) -> AuditLine:
    return AuditLine(row.seq, row.at, row.actor, row.role, row.action, json.loads(row.body))

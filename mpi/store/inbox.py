"""The inbox: every message as it came, with its outcome."""

from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Text, and_, bindparam, func, insert, or_, select, union_all, update

from mpi.domain.audit import AuditEvent
from mpi.store.plain import Fixed
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import inbox_message as t

FINAL, TEMPORARY, CONFLICT = "final", "temporary", "conflict"


class StoredMessage(NamedTuple):
    """A message with its outcome; `state` says whether a repeat is answered the same or processed afresh."""

    id: int
    received_at: str
    application: str
    facility: str
    control_id: str
    digest: str
    event: str
    peer: str
    raw: bytes
    state: str
    ack: str
    errors: str
    phase: str | None
    reason: str | None
    record_id: int | None
    person_id: int | None
    finished_at: str
    attempts: int


class Arrival(NamedTuple):
    """What is known of a message when it arrives."""

    application: str
    facility: str
    control_id: str
    digest: str
    event: str
    peer: str
    raw: bytes


class Result(NamedTuple):
    """What became of it. `errors` is JSON; `phase` and `reason` say where and why it failed."""

    state: str
    ack: str
    errors: str
    phase: str | None = None
    reason: str | None = None
    record_id: int | None = None
    person_id: int | None = None


class Choice(NamedTuple):
    """Which messages that were not accepted are meant; None lets all through. `refused`: those answered AE too."""

    refused: bool = False
    phase: str | None = None
    reason: str | None = None
    application: str | None = None
    facility: str | None = None
    since: str | None = None
    until: str | None = None


_known = select(t.c.id, t.c.digest, t.c.state, t.c.ack, t.c.errors, t.c.record_id, t.c.person_id).where(
    t.c.application == bindparam("application"),
    t.c.facility == bindparam("facility"),
    t.c.control_id == bindparam("control_id"),
)
# Both in one journey. The control id is looked up by itself and only once: a sender that gives all its messages one
# control id costs no more than another.
_used = _known.where(t.c.state != TEMPORARY).limit(1).subquery()
_earlier = Fixed(union_all(_known.where(t.c.digest == bindparam("digest")), select(_used)))
_insert = insert(t)
_update = update(t).where(t.c.id == bindparam("of_message"))
_again = update(t).where(t.c.id == bindparam("of_message")).values(attempts=t.c.attempts + 1)
_get = Fixed(select(t).where(t.c.id == bindparam("message_id")))
_failed = select(t).where(t.c.state != FINAL).order_by(t.c.id).limit(bindparam("most"))
_NOT_ACCEPTED = or_(t.c.state.in_((TEMPORARY, CONFLICT)), and_(t.c.state == FINAL, t.c.ack.in_(("AE", "AR"))))
_chosen = (
    select(t)
    .where(
        t.c.id > bindparam("after"),
        _NOT_ACCEPTED,
        or_(bindparam("refused", type_=Boolean).is_(True), t.c.state != FINAL),
        *(
            or_(bindparam(name, type_=Text).is_(None), t.c[name] == bindparam(name, type_=Text))
            for name in ("phase", "reason", "application", "facility")
        ),
        or_(bindparam("since", type_=Text).is_(None), t.c.received_at >= bindparam("since", type_=Text)),
        or_(bindparam("until", type_=Text).is_(None), t.c.received_at < bindparam("until", type_=Text)),
    )
    .order_by(t.c.id)
    .limit(bindparam("most"))
)
_counts = select(t.c.state, t.c.ack, func.count()).group_by(t.c.state, t.c.ack)
_latest = select(func.max(t.c.received_at))


def _sender(arrival: Arrival) -> dict[str, str]:
    return {
        "application": arrival.application,
        "facility": arrival.facility,
        "control_id": arrival.control_id,
    }


class InboxTable:
    """Messages inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def earlier(self, arrival: Arrival) -> tuple[Any, bool]:
        """What the same sender sent before under this control id.

        First the message of the same bytes (id, digest, state, ack, errors, record, person), None when there is none;
        then whether any had its final answer. Without a control id (it could not be read) none had: garbage is not
        compared with garbage.
        """
        rows = self._connection.ask(_earlier, {**_sender(arrival), "digest": arrival.digest})
        same = next((row for row in rows if row.digest == arrival.digest), None)
        return same, bool(arrival.control_id) and any(row.state != TEMPORARY for row in rows)

    def store(self, arrival: Arrival) -> int:
        """Keep a new message before anything is done with it; its id. It counts as failed until `finish`."""
        now = self._trail.now
        return self._connection.insert(
            _insert,
            t,
            {
                **arrival._asdict(),
                "received_at": now,
                "state": TEMPORARY,
                "ack": "AR",
                "errors": "[]",
                "phase": "received",
                "finished_at": now,
                "attempts": 1,
            },
        )

    def again(self, message_id: int) -> None:
        """Count one more attempt at a message whose first one failed for a while."""
        self._connection.later(_again, {"of_message": message_id})

    def finish(self, message_id: int, result: Result, *, event: AuditEvent) -> None:
        """Write the outcome of a message down."""
        self._connection.later(_update, {"of_message": message_id, "finished_at": self._trail.now, **result._asdict()})
        self._trail.add(replace(event, message_id=message_id, record_id=result.record_id, person_id=result.person_id))

    def get(self, message_id: int) -> StoredMessage | None:
        """The message with this id; None when there is none."""
        row = self._connection.ask(_get, {"message_id": message_id}).first()
        return StoredMessage(*row) if row else None

    def unfinished(self, most: int = 1000) -> list[StoredMessage]:
        """Messages that failed for a while or clash with an earlier control id, oldest first."""
        return [StoredMessage(*row) for row in self._connection.execute(_failed, {"most": most})]

    def chosen(self, choice: Choice, after: int, most: int = 500) -> list[StoredMessage]:
        """The next messages after the id `after` that were not accepted and fit `choice`, oldest first."""
        values = {**choice._asdict(), "after": after, "most": most}
        return [StoredMessage(*row) for row in self._connection.execute(_chosen, values)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many messages there are by state and acknowledgement code."""
        return {(row[0], row[1]): row[2] for row in self._connection.execute(_counts)}

    def latest(self) -> str | None:
        """When the newest message came; None when there is none."""
        found: str | None = self._connection.execute(_latest).scalar()
        return found

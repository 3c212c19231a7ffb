"""NHS numbers that replace others, and the answers of tracing that were taken."""

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mpi.domain.audit import AuditEvent
from mpi.store.plain import Fixed
from mpi.store.records import ACTIVE, TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import source_record, trace_result
from mpi.store.tables import superseded_number as t

_any = Fixed(select(t.c.id).where(t.c.valid_to.is_(None)).limit(1))
_successor = Fixed(select(t.c.new_number).where(t.c.old_number == bindparam("old"), t.c.valid_to.is_(None)))
_predecessors = (
    select(t.c.old_number, t.c.new_number, t.c.source, t.c.valid_from)
    .where(t.c.new_number.in_(bindparam("new", expanding=True)), t.c.valid_to.is_(None))
    .order_by(t.c.id)
)
_insert = insert(t)
_end = (
    update(t)
    .where(t.c.old_number == bindparam("of_number"), t.c.valid_to.is_(None))
    .values(valid_to=bindparam("ended_at"), ended_by=bindparam("by"), ended_reason=bindparam("why"))
)
_to_trace = (
    select(source_record.c.id)
    .where(
        source_record.c.id > bindparam("after"), source_record.c.status == ACTIVE, source_record.c.protected.is_(False)
    )
    .order_by(source_record.c.id)
    .limit(bindparam("most"))
)
_insert_result = insert(trace_result)
_taken = select(trace_result.c.fate).where(
    trace_result.c.reference == bindparam("reference"),
    trace_result.c.outcome == bindparam("outcome"),
    trace_result.c.answer == bindparam("answer"),
)


class Superseded(NamedTuple):
    """One number replaced by another: who said so, and since when it is known here."""

    old_number: str
    new_number: str
    source: str
    valid_from: str


class Numbers:
    """Superseded numbers and trace results inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail
        self._none: bool | None = None
        self.changed = False
        """Whether this transaction has changed which number stands for which."""

    def survivor(self, number: str) -> str:
        """The number that stands for `number` now: itself, or the end of its chain."""
        if self._none is None:  # one look a transaction: most indexes have none
            self._none = self._connection.ask(_any, {}).first() is None
        if self._none:
            return number
        seen = {number}
        while (found := self._connection.ask(_successor, {"old": number}).scalar()) and found not in seen:
            number = found
            seen.add(number)
        return number

    def replaced_by(self, number: str) -> list[Superseded]:
        """The numbers that `number` stands for, directly or through others."""
        found: list[Superseded] = []
        level, seen = [number], {number}
        while level:
            rows = [Superseded(*row) for row in self._connection.execute(_predecessors, {"new": level})]
            level = [row.old_number for row in rows if row.old_number not in seen]
            seen.update(level)
            found += [row for row in rows if row.old_number in level]
        return found

    def supersede(self, old: str, new: str, source: str, *, event: AuditEvent) -> None:
        """Let `new` stand for `old`; nothing may stand for `old` yet, and `old` not for `new`."""
        row = {
            "old_number": old,
            "new_number": new,
            "source": source,
            "valid_from": self._trail.now,
            "valid_to": None,
            "made_by": event.actor.name,
        }
        self._connection.insert(_insert, t, row)
        self._none = False
        self.changed = True
        self._trail.add(replace(event, detail={**event.detail, "old_number": old, "new_number": new}))

    def take_back(self, old: str, reason: str, *, event: AuditEvent) -> None:
        """Let `old` stand for itself again."""
        values = {"of_number": old, "ended_at": self._trail.now, "by": event.actor.name, "why": reason}
        self._connection.execute(_end, values)
        self._none = None
        self.changed = True
        self._trail.add(replace(event, detail={**event.detail, "old_number": old}))

    def records_after(self, after: int, most: int) -> list[int]:
        """The next ids of records that stand for themselves, identities left behind not among them."""
        return list(self._connection.execute(_to_trace, {"after": after, "most": most}).scalars())

    def taken(self, reference: str, outcome: str, answer: str) -> str | None:
        """What became of the same answer before; None when it is new."""
        values = {"reference": reference, "outcome": outcome, "answer": answer}
        fate: str | None = self._connection.execute(_taken, values).scalar()
        return fate

    def note(self, reference: str, outcome: str, answer: str, record_id: int | None, fate: str, source: str) -> None:
        """Write down what became of an answer, in the transaction that did it."""
        row = {
            "reference": reference,
            "outcome": outcome,
            "answer": answer,
            "record_id": record_id,
            "fate": fate,
            "at": self._trail.now,
            "source": source,
        }
        self._connection.insert(_insert_result, trace_result, row)

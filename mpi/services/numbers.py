"""NHS numbers as the index knows them: what tracing said of a record, and which number stands for a superseded one.

Every look-up by an NHS number goes through `carriers`, so that pages, the crosswalk, queries and the gate agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mpi.config import Config
from mpi.domain.audit import Action
from mpi.domain.person import NHS, Demographics, Identifier, ValueProblem
from mpi.domain.trace import Traced, TraceOutcome
from mpi.matching import nhs_number
from mpi.matching.block import blocking_keys
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.traced import STATUS, holds, with_trace
from mpi.services.identity import Cause
from mpi.store.records import StoredRecord
from mpi.store.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Known:
    """A record's values as the index compares them: prepared, with the traced number, superseded numbers replaced."""

    prepared: Prepared
    problems: tuple[ValueProblem, ...]
    status: str | None
    """The NHS number's status code; None: none is known."""
    traced: str | None
    """The answer of tracing that still holds, as it is stored; None: there is none."""


def known(
    unit: UnitOfWork, config: Config, authority: str, recorded: Demographics, before: StoredRecord | None = None
) -> Known:
    """What the index makes of `recorded`, a record of `authority`; `before` is the record as it is stored now."""
    own, problems = prepare(recorded, allow_test_numbers=config.admits_test_numbers(authority))
    answer = Traced.from_json(before.traced) if before is not None and before.traced else None
    if answer is not None and not holds(answer, own):
        answer = None
    prepared = with_trace(own, answer)
    if before is None or before.traced or before.recorded.nhs_number != recorded.nhs_number or unit.numbers.changed:
        prepared = current(unit, prepared)
    elif prepared.nhs is not None:
        # The same number as before: what stands for it stands in the record already, and nothing need be asked.
        prepared = replace(prepared, nhs=Prepared.from_json(before.prepared).nhs or prepared.nhs)
    status = _status(recorded, answer, prepared.nhs is not None)
    return Known(prepared, problems, status, answer.to_json() if answer else None)


def _status(recorded: Demographics, answer: Traced | None, numbered: bool) -> str | None:
    if answer is not None and numbered:
        return STATUS[answer.outcome]
    return nhs_number.status(recorded.nhs_number_status or "")


def status_of(record: StoredRecord) -> str | None:
    """The status code of a stored record's NHS number; None: none is known."""
    answer = Traced.from_json(record.traced) if record.traced else None
    return _status(record.recorded, answer, Prepared.from_json(record.prepared).nhs is not None)


def keep(unit: UnitOfWork, record_id: int, said: Sequence[Identifier], cause: Cause) -> None:
    """Let a record carry these numbers of other national authorities (a CHI, an H&SC number): kept, never compared."""
    unit.records.keep_identifiers(record_id, said, event=cause.event(Action.RECORD_UPDATED))


def hand_on(unit: UnitOfWork, old: StoredRecord, new: int, cause: Cause) -> None:
    """Let the record that another was renamed to carry its CHI and H&SC numbers too, and be hidden where it was."""
    if old.protected:
        record = unit.records.get([new])[new]
        keys = blocking_keys(Prepared.from_json(record.prepared))
        unit.records.protect(record, True, keys, event=cause.event(Action.PROTECTED))
    carried = [Identifier(row.authority, row.value) for row in unit.records.identifiers_of([old.id])]
    others = [one for one in carried if one.authority != NHS]
    if others:
        unit.records.keep_identifiers(new, others, event=cause.event(Action.RECORD_UPDATED))


def current(unit: UnitOfWork, prepared: Prepared) -> Prepared:
    """The prepared values with the number that stands for theirs now: two of them are one where one replaced the other.

    Asks the database only where there is a number.
    """
    if prepared.nhs is None:
        return prepared
    survivor = unit.numbers.survivor(prepared.nhs)
    return prepared if survivor == prepared.nhs else replace(prepared, nhs=survivor)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Who carries an NHS number. `number` is the one that was looked for; `asked` differs where it was superseded."""

    asked: str
    number: str
    records: tuple[StoredRecord, ...]

    @property
    def superseded(self) -> bool:
        """Whether another number stands for the one that was asked for."""
        return self.asked != self.number


def carriers(unit: UnitOfWork, digits: str, *, hidden: bool = False) -> Carriers:
    """The records that carry the number standing for `digits` now; identities left behind only with `hidden`."""
    number = unit.numbers.survivor(digits)
    records = unit.records.get(unit.records.with_number(NHS, number)).values()
    return Carriers(digits, number, tuple(record for record in records if hidden or not record.protected))


def is_traced(record: StoredRecord) -> bool:
    """Whether tracing has verified the number of this record."""
    found = Traced.from_json(record.traced) if record.traced else None
    return found is not None and found.outcome in (TraceOutcome.VERIFIED, TraceOutcome.SUPERSEDED)

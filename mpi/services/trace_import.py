"""What a tracing service answered, row by row: numbers are confirmed or replaced, or a human is asked.

Nothing here overwrites what a hospital has said since, and nobody is joined but by the rules that hold for any record.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import NotFound
from mpi.domain.person import NHS
from mpi.domain.review import TaskType
from mpi.domain.trace import Fate, Traced, TraceOutcome
from mpi.matching import nhs_number
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepare import PROBLEMS, prepare
from mpi.matching.prepared import Prepared
from mpi.services import identity
from mpi.services.identity import MOST_TASKS, Cause
from mpi.services.register import Registrar
from mpi.store.database import retrying
from mpi.store.records import ACTIVE, MERGED, StoredRecord
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import Store, UnitOfWork

ALL = 100_000
"""Records that one number may stand on when it is replaced: every one of them must follow."""
_REFERENCE = re.compile(r"R(\d{1,18})-(\d{1,9})", re.ASCII)
SPELLINGS: dict[str, TraceOutcome] = {
    **{outcome.value: outcome for outcome in TraceOutcome},
    "demog-0000": TraceOutcome.VERIFIED,
    "demog-0001": TraceOutcome.NO_MATCH,
    "demog-0007": TraceOutcome.SEVERAL,
    "demog-0017": TraceOutcome.SUPERSEDED,
    "demog-0022": TraceOutcome.INVALIDATED,
    "demog-0040": TraceOutcome.CONFLICT,
    "demog-0042": TraceOutcome.CONFLICT,
    "invalidated_resource": TraceOutcome.INVALIDATED,
    "resource_not_found": TraceOutcome.NO_MATCH,
    "too_many_matches": TraceOutcome.SEVERAL,
}
"""How an outcome may be written, in small letters: our words, Spine Mini Service codes, PDS error codes."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row of an answer as it was written; `line` says where."""

    line: int
    reference: str
    outcome: str
    nhs_number: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one row; `reason` is plain English without a patient's value. `tasks` were opened by it."""

    line: int
    reference: str
    outcome: str
    fate: Fate
    reason: str = ""
    tasks: tuple[int, ...] = ()


class _DryRun(Exception):
    """Takes a transaction back in which everything went well."""


class _Refused(Exception):
    """A row that cannot be used, or must not be: the fate and the reason."""

    def __init__(self, fate: Fate, reason: str) -> None:
        super().__init__(reason)
        self.fate = fate


class TraceImport:
    """Takes answers in."""

    def __init__(self, store: Store, config: Config, model: LinkageModel, registrar: Registrar) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._registrar = registrar

    def take(self, actor: Actor, rows: Sequence[TraceRow], source: str, *, dry_run: bool = False) -> list[Taken]:
        """The fate of each row, committed together (nothing is with `dry_run`). A row taken before is not taken again.

        `source` names the file or the service for the audit. Raises `TemporaryFailure`; the same call may be repeated.
        """
        return retrying(lambda: self._transaction(actor, rows, source, dry_run))

    def _transaction(self, actor: Actor, rows: Sequence[TraceRow], source: str, dry_run: bool) -> list[Taken]:
        taken: list[Taken] = []
        try:
            with self._store.writing() as unit:
                unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
                taken = [self._one(unit, row, Cause(actor), source) for row in rows]
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass
        return taken

    def _one(self, unit: UnitOfWork, row: TraceRow, cause: Cause, source: str) -> Taken:
        outcome = SPELLINGS.get(row.outcome.strip().lower())
        try:
            with unit.savepoint():
                if outcome is None:
                    raise _Refused(Fate.REFUSED, "the outcome is none that is known")
                return self._applied(unit, row, outcome, cause, source)
        except _Refused as refused:
            # What stands in these columns by mistake may be a patient's value: only what is read is repeated.
            read = _REFERENCE.fullmatch(row.reference.strip())
            written = outcome.value if outcome else ""
            return Taken(row.line, read[0] if read else "", written, refused.fate, str(refused))

    def _applied(self, unit: UnitOfWork, row: TraceRow, outcome: TraceOutcome, cause: Cause, source: str) -> Taken:
        record, version = self._record(unit, row.reference)
        number = self._number(record, row, outcome)
        if earlier := unit.numbers.taken(row.reference.strip(), outcome.value, number or ""):
            raise _Refused(Fate.REPEATED, f"taken before: {earlier}")
        own = self._own(record)
        self._check_unchanged(unit, record, version, own)
        traced = Traced(
            outcome, number, own.nhs, own.nhs_verified, unit.now, source, own.family, own.given, own.birth, own.sex
        )
        tasks = self._carry_out(unit, record, traced, cause)
        fate = Fate.TASK if tasks else _FATE[outcome]
        unit.audit(
            cause.event(
                Action.TRACE_TAKEN,
                record_id=record.id,
                person_id=identity.person_of(unit, record.id),
                reason=f"tracing answered: {outcome.value}",
                detail={"reference": row.reference.strip(), "fate": fate.value, "tasks": tasks, "source": source},
            )
        )
        unit.numbers.note(row.reference.strip(), outcome.value, number or "", record.id, fate.value, source)
        return Taken(row.line, row.reference.strip(), outcome.value, fate, "", tuple(tasks))

    def _record(self, unit: UnitOfWork, reference: str) -> tuple[StoredRecord, int]:
        match = _REFERENCE.fullmatch(reference.strip())
        record = unit.records.get([int(match[1])]).get(int(match[1])) if match else None
        if match is None or record is None or record.protected or int(match[2]) > record.version:
            raise _Refused(Fate.REFUSED, "the reference is of no record that was exported here")
        if record.status != ACTIVE:
            what = "merged into another" if record.status == MERGED else "deleted by its source"
            raise _Refused(Fate.STALE, f"the record was {what} since the export")
        return record, int(match[2])

    def _number(self, record: StoredRecord, row: TraceRow, outcome: TraceOutcome) -> str | None:
        """The number returned, where the outcome brings one."""
        if outcome not in (TraceOutcome.VERIFIED, TraceOutcome.SUPERSEDED):
            return None
        allow = self._config.admits_test_numbers(record.authority)
        found = nhs_number.read(row.nhs_number, allow_test_numbers=allow)
        if found.number is None:
            why = PROBLEMS[found.problem] if found.problem and row.nhs_number.strip() else "No number was returned."
            raise _Refused(Fate.REFUSED, why)
        return found.number

    def _own(self, record: StoredRecord) -> Prepared:
        """What the source says of the record by itself."""
        allow = self._config.admits_test_numbers(record.authority)
        return prepare(record.recorded, allow_test_numbers=allow)[0]

    def _check_unchanged(self, unit: UnitOfWork, record: StoredRecord, version: int, own: Prepared) -> None:
        if version == record.version:
            return
        allow = self._config.admits_test_numbers(record.authority)
        asked = next((one for one in unit.records.versions(record) if one.version == version), None)
        before = prepare(asked.recorded, allow_test_numbers=allow)[0] if asked else None
        if before is None or _identity(before) != _identity(own):
            raise _Refused(Fate.STALE, "name, birth date, sex or number changed since the export")

    def _carry_out(self, unit: UnitOfWork, record: StoredRecord, traced: Traced, cause: Cause) -> list[int]:
        """Store the answer, let matching look again at whom it touches; the ids of the tasks that were opened."""
        touched = [record]
        if traced.number is not None and traced.asked is not None and traced.number != traced.asked:
            if traced.outcome is TraceOutcome.SUPERSEDED:
                touched += self._supersede(unit, traced, record, cause)
            elif traced.asked_verified:
                return self._ask(
                    unit, record, "Tracing returned another number than the one the hospital verified.", cause
                )
        touched[0] = record._replace(traced=traced.to_json())
        tasks = self._registrar.reconsider(unit, touched, cause)
        self._settle(unit, touched, cause)
        if traced.number is not None:
            tasks += self._shared(unit, record, traced.number, cause)
        elif traced.outcome is TraceOutcome.CONFLICT and traced.asked is not None:
            tasks += self._ask(unit, record, "Tracing says that the NHS number belongs to other demographics.", cause)
        return tasks

    def _supersede(self, unit: UnitOfWork, traced: Traced, record: StoredRecord, cause: Cause) -> list[StoredRecord]:
        """Let the number returned stand for the one asked about; the other records that carry that one."""
        old, new = traced.asked or "", traced.number or ""
        end = unit.numbers.survivor(old)
        if unit.numbers.survivor(new) == old:
            raise _Refused(Fate.REFUSED, "circular: the number returned was itself replaced by the one asked about")
        if end == unit.numbers.survivor(new):
            return []
        if end != old:
            raise _Refused(Fate.REFUSED, "the number asked about was replaced by another one before")
        carriers = unit.records.get(unit.records.with_number(NHS, old, most=ALL)).values()
        event = cause.event(Action.NUMBER_SUPERSEDED, record_id=record.id, reason="tracing said so")
        unit.numbers.supersede(old, new, traced.source, event=event)
        return [one for one in carriers if one.id != record.id]

    def _settle(self, unit: UnitOfWork, touched: Iterable[StoredRecord], cause: Cause) -> None:
        """Close the questions why two records carry different numbers, where they carry one now."""
        for task in unit.tasks.open_of([record.id for record in touched]):
            if task.rule not in _NUMBERS_DIFFER or task.left_record is None or task.right_record is None:
                continue
            carried = {
                row.record_id: row.value
                for row in unit.records.identifiers_of([task.left_record, task.right_record])
                if row.authority == NHS
            }
            if len(carried) == 2 and len(set(carried.values())) == 1:
                event = AuditEvent(cause.actor, Action.TASK_DECIDED, reason="one number replaced the other")
                unit.tasks.settle(task, event=event)

    def _shared(self, unit: UnitOfWork, record: StoredRecord, number: str, cause: Cause) -> list[int]:
        """Tasks about the other people who carry the number that this record has now."""
        mine = identity.person_of(unit, record.id)
        fresh = unit.records.get([record.id])[record.id]
        asked: set[int | None] = {mine}
        opened = []
        for other in unit.records.get(unit.records.with_number(NHS, unit.numbers.survivor(number))).values():
            person_id = identity.person_of(unit, other.id)
            if person_id in asked or other.protected or len(asked) > MOST_TASKS:
                continue
            asked.add(person_id)
            standing = unit.records.survivor(other)
            if self._is_asked(unit, fresh.id, standing.id):
                continue
            pair = decide_pair(self._model, identity.prepared_of(fresh), identity.prepared_of(standing))
            task = NewTask(
                TaskType.NHS_NUMBER_TWO_PERSONS,
                fresh.id,
                standing.id,
                "Tracing returned an NHS number that another person carries.",
                pair.weight,
                pair.pattern,
                pair.rule.value if pair.rule else None,
                self._model.hash,
            )
            opened.append(identity.open_task(unit, task, cause))
        return [task_id for task_id in opened if task_id is not None]

    def _is_asked(self, unit: UnitOfWork, one: int, other: int) -> bool:
        return any({task.left_record, task.right_record} == {one, other} for task in unit.tasks.open_of([one]))

    def _ask(self, unit: UnitOfWork, record: StoredRecord, reason: str, cause: Cause) -> list[int]:
        for task in unit.tasks.open_of([record.id]):
            if task.type is TaskType.TRACE_CONFLICT:
                return [task.id]
        task_id = identity.open_task(unit, NewTask(TaskType.TRACE_CONFLICT, record.id, None, reason), cause)
        return [task_id] if task_id is not None else []

    def restore(self, actor: Actor, number: str, reason: str) -> int:
        """Let a superseded number stand for itself again; how many records were prepared anew."""
        cause = Cause(actor)
        with self._store.writing() as unit:
            survivor = unit.numbers.survivor(number)
            if survivor == number:
                raise NotFound("no other number stands for this one")
            carriers = unit.records.get(unit.records.with_number(NHS, survivor, most=ALL)).values()
            through = {number, *(one.old_number for one in unit.numbers.replaced_by(number))}
            touched = [one for one in carriers if through & _given(one, self._own(one))]
            event = cause.event(Action.NUMBER_RESTORED, reason=reason)
            unit.numbers.take_back(number, reason, event=event)
            self._registrar.reconsider(unit, [_without_replacement(record, number) for record in touched], cause)
        return len(touched)


_FATE = {
    TraceOutcome.VERIFIED: Fate.CONFIRMED,
    TraceOutcome.SUPERSEDED: Fate.CONFIRMED,
    TraceOutcome.NO_MATCH: Fate.NOTED,
    TraceOutcome.SEVERAL: Fate.NOTED,
    TraceOutcome.CONFLICT: Fate.NOTED,
    TraceOutcome.INVALIDATED: Fate.SET_ASIDE,
}
_NUMBERS_DIFFER = ("verified-nhs-numbers-differ", "valid-nhs-numbers-differ")


def _given(record: StoredRecord, own: Prepared) -> set[str | None]:
    """The numbers that the source and tracing gave a record, whatever stands for them now."""
    answer = Traced.from_json(record.traced) if record.traced else None
    return {own.nhs} if answer is None else {own.nhs, answer.number}


def _without_replacement(record: StoredRecord, number: str) -> StoredRecord:
    """The record without the answer that `number` was replaced."""
    answer = Traced.from_json(record.traced) if record.traced else None
    forgotten = answer is not None and answer.outcome is TraceOutcome.SUPERSEDED and answer.asked == number
    return record._replace(traced=None) if forgotten else record


def _identity(p: Prepared) -> tuple[object, ...]:
    return (p.family, p.given, p.birth, p.birth_partial, p.sex, p.nhs)

"""What was held at the door, and what a human's answer makes of it: released, or dropped for good."""

from dataclasses import replace

from mpi.domain.audit import Action
from mpi.domain.errors import Conflict
from mpi.domain.person import NHS, Identifier, SourceRecord
from mpi.domain.replay import Kind
from mpi.domain.review import TaskType, Verdict
from mpi.services import identity, numbers
from mpi.services.firewall import waiting
from mpi.services.identity import Cause
from mpi.services.links import Linker
from mpi.services.merge import Merger, pairs_of, shown_of
from mpi.services.register import Registrar
from mpi.store.records import ACTIVE, DELETED, MERGED, StoredRecord
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import UnitOfWork

UPDATES = frozenset({TaskType.POSSIBLE_OVERLAY, TaskType.REUSED_NUMBER})
"""Tasks in which updates wait; what they would make of the record stands beside it."""
REOPENED = UPDATES | {TaskType.DELETED_NUMBER}
"""Tasks whose answer is taken back by asking again. Other answers change identities: `mpi.services.undo`."""
OF_ONE_RECORD = UPDATES | {TaskType.DELETED_NUMBER, TaskType.TRACE_CONFLICT}
"""Tasks about one record: "different people" says that the update is somebody else's, and keeps nobody apart."""


class Held:
    """Releases and drops what tasks hold, inside the caller's unit of work."""

    def __init__(self, registrar: Registrar, merger: Merger, linker: Linker) -> None:
        self._registrar = registrar
        self._merger = merger
        self._linker = linker

    def release(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> bool:
        """Do what was held; False for a task that holds nothing. Raises `Conflict` where that is no longer possible."""
        if task.type is TaskType.HELD_MERGE:
            self._merger.release(unit, pairs_of(task.evidence), cause, shown_of(task.evidence))
        elif task.type is TaskType.HELD_MOVE:
            self._linker.release_move(unit, pairs_of(task.evidence), cause, shown_of(task.evidence))
        elif task.type in UPDATES:
            self._apply_update(unit, task, cause)
        elif task.type is TaskType.TRACE_CONFLICT:
            self._believe_the_source(unit, task, cause)
        elif task.type is not TaskType.DELETED_NUMBER:
            return False
        return True

    def _believe_the_source(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        """The NHS number is the record's: what tracing said against it no longer counts."""
        if task.left_record is not None:
            stored = unit.records.survivor(unit.records.get([task.left_record])[task.left_record])
            self._registrar.reconsider(unit, [stored._replace(traced=None)], cause)

    def drop(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> bool:
        """Let go of what was held about one record; False for a task about two, which are to be kept apart.

        What the same message asked for besides, and nobody has looked at, is not lost with it.
        """
        rest = [pair for pair in pairs_of(task.evidence) if pair not in shown_of(task.evidence)]
        if task.type is TaskType.HELD_MERGE:
            self._merger.release(unit, rest, cause, ())
        elif task.type is TaskType.HELD_MOVE:
            self._linker.release_move(unit, rest, cause, ())
        if task.type in UPDATES:
            self._no_longer_held(unit, task, cause)
        elif task.type is TaskType.DELETED_NUMBER and task.left_record is not None:
            stored = unit.records.get([task.left_record])[task.left_record]
            if stored.status == DELETED:
                self._registrar.restore(unit, stored, cause)
        else:
            return False
        return True

    def _apply_update(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        """Apply the updates that wait, to the record or, where it was merged, to the one that stands for it."""
        if task.left_record is None:
            raise AssertionError("an update is always of a record")
        self._no_longer_held(unit, task, cause)
        stored = unit.records.get([task.left_record])[task.left_record]
        if stored.status == MERGED:
            stored = unit.records.survivor(stored)
        if stored.held_task is not None:
            raise Conflict("an update of the surviving number is held; decide on that first")
        update = waiting(task)
        carried = _national(unit, stored.id)
        self._registrar.release(unit, stored, update.record, cause, update.source)
        numbers.keep(unit, stored.id, update.record.national, cause)
        now = unit.records.get([stored.id])[stored.id]
        applied = {"record": stored.id, "before": stored.recorded.as_dict(), "after": now.recorded.as_dict()}
        applied |= {"carried": carried, "carries": _national(unit, stored.id)}
        event = cause.event(Action.TASK_DECIDED, detail={"applied_to": stored.id})
        unit.tasks.replace_evidence(task, {**task.evidence, "applied": applied}, event=event)

    def give_away(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        """Register the updates that wait as somebody new: the number is theirs now.

        What stood under the number is kept with its person and history, as deleted, and is known by a name of its own.
        Raises `Conflict` for a task in which no update waits.
        """
        if task.type not in UPDATES or task.left_record is None:
            raise Conflict("this task holds no update that could be somebody else's")
        self._no_longer_held(unit, task, cause)
        old = unit.records.get([task.left_record])[task.left_record]
        reason = "the number was given to somebody else"
        _set_aside(unit, old, cause, reason)
        update = waiting(task)
        new = self._registrar.register(unit, replace(update.record, said_at=None), cause, update.source)
        numbers.keep(unit, new.record_id, update.record.national, cause)
        given = {"old": old.id, "status": old.status, "new": new.record_id}
        event = cause.event(Action.TASK_DECIDED, reason=reason, detail={"given_to": new.record_id})
        unit.tasks.replace_evidence(task, {**task.evidence, "given": given}, event=event)

    def _take_the_number_back(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        """The number is the first one's again; what was registered under it for somebody else is set aside."""
        given, number = task.evidence["given"], waiting(task).record.local_id
        both = unit.records.get([given["old"], given["new"]])
        old, new = both[given["old"]], both[given["new"]]
        if new.local_id != number:
            raise Conflict("the number has been given to somebody else once more; take that answer back first")
        if new.held_task is not None or new.status == MERGED:
            raise Conflict("the number has been merged, or an update of it is held by now; settle that first")
        _set_aside(unit, new, cause, "the number was not given to somebody else")
        unit.records.call(old, number, event=cause.event(Action.RECORD_RENAMED))
        if given["status"] == ACTIVE and old.status == DELETED:
            self._registrar.restore(unit, old._replace(local_id=number), cause)

    def take_back(self, unit: UnitOfWork, task: StoredTask, answer: Verdict, cause: Cause) -> None:
        """Undo what the answer did to a record: the question is open again, and holds what it held.

        Values that have been changed since stay. Raises `Conflict` where another update is held by now.
        """
        if task.left_record is None:
            raise AssertionError("a question about one record")
        if task.type is TaskType.DELETED_NUMBER:
            stored = unit.records.get([task.left_record])[task.left_record]
            if answer is Verdict.DIFFERENT and stored.status == ACTIVE:
                keys, event = identity.keys_of(stored), cause.event(Action.RECORD_DELETED)
                unit.records.set_status(stored, DELETED, None, keys, event=event)
            return
        if answer is Verdict.SAME:
            self._put_back(unit, task, cause)
        if answer is Verdict.REUSED:
            self._take_the_number_back(unit, task, cause)
        if unit.records.get([task.left_record])[task.left_record].held_task is not None:
            raise Conflict("another update of this number is held by now; decide on that one")
        unit.records.hold(task.left_record, task.id, event=cause.event(Action.RECORD_HELD))

    def _put_back(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        """Give a record the values back that the released update changed, where they still are that update's."""
        applied = task.evidence["applied"]
        before, after = applied["before"], applied["after"]
        stored = self._itself(unit, unit.records.get([applied["record"]])[applied["record"]])
        now = stored.recorded.as_dict()
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        changes = {name: before.get(name, "") for name in changed if now.get(name) == after.get(name)}
        if "nhs_number" in changes:
            changes["nhs_number_status"] = before.get("nhs_number_status", "")
        record = SourceRecord(stored.authority, stored.local_id, changes)
        self._registrar.release(unit, stored, record, cause, stored.source)
        before, after = applied.get("carried", {}), applied.get("carries", {})
        standing = _national(unit, stored.id)
        back = [
            Identifier(code, value)
            for code in before.keys() | after.keys()
            if before.get(code) != after.get(code) == standing.get(code)
            for value in before.get(code, [""])
        ]
        numbers.keep(unit, stored.id, back, cause)

    def _itself(self, unit: UnitOfWork, stored: StoredRecord) -> StoredRecord:
        """The record, under the number that it has now. Raises `Conflict` where another one stands for it."""
        while stored.status == MERGED:
            told = [said for change in unit.history.of_records([stored.id]) for said in change.statements]
            into = stored.merged_into or 0
            if not any(
                s.kind is Kind.RENAME and (s.one, s.other) in ((stored.id, into), (into, stored.id)) for s in told
            ):
                raise Conflict("the number was merged into another since; take the merge back first")
            stored = unit.records.get([into])[into]
        return stored

    def _no_longer_held(self, unit: UnitOfWork, task: StoredTask, cause: Cause) -> None:
        if task.left_record is not None:
            unit.records.hold(task.left_record, None, event=cause.event(Action.RECORD_HELD, detail={"waits": False}))


def _national(unit: UnitOfWork, record_id: int) -> dict[str, list[str]]:
    """The CHI and H&SC numbers that a record carries, by authority."""
    found: dict[str, list[str]] = {}
    for row in unit.records.identifiers_of([record_id]):
        if row.authority != NHS:
            found.setdefault(row.authority, []).append(row.value)
    return found


def _set_aside(unit: UnitOfWork, record: StoredRecord, cause: Cause, reason: str) -> None:
    """Free a record's number: the record stays with its person under a name that no hospital gives."""
    if record.status == ACTIVE:
        event = cause.event(Action.RECORD_DELETED, reason=reason)
        unit.records.set_status(record, DELETED, None, identity.keys_of(record), event=event)
    name = f"{record.local_id} (until {unit.now[:10]}, {record.id})"
    unit.records.call(record, name, event=cause.event(Action.RECORD_RENAMED, reason=reason))

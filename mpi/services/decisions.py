"""What a person decides about two numbers without being asked: link, unlink, keep apart, merge. Each shown first.

Every decision is a change of its own that can be taken back (`mpi.services.undo`), and none is moved by an update, a
run over the index or another model.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.messages import MergePair
from mpi.domain.person import Identifier
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import TaskState, TaskType, Verdict
from mpi.domain.roles import Permission, check_actor, role_of
from mpi.domain.text import storable
from mpi.matching.model import LinkageModel
from mpi.services import identity, lives, preview, scope
from mpi.services.identity import Cause
from mpi.services.merge import Merger
from mpi.services.preview import Effect, Picture
from mpi.services.reshape import difference
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import Store, UnitOfWork


class Operation(StrEnum):
    """What can be decided of numbers."""

    LINK = "link"
    UNLINK = "unlink"
    KEEP_APART = "keep-apart"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided: of `one` alone (unlink), or of both; in a merge `one` is no longer used, it is `other` now."""

    operation: Operation
    one: Identifier
    other: Identifier | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What a decision did; `change_id` takes it back."""

    change_id: int
    effect: Effect


_QUESTIONS = frozenset({TaskType.POSSIBLE_DUPLICATE, TaskType.NHS_NUMBER_TWO_PERSONS, TaskType.TWO_NHS_NUMBERS})
_DOUBTS = _QUESTIONS | {TaskType.BROKEN_CLUSTER}


class Decisions:
    """Previews and carries out decisions."""

    def __init__(self, store: Store, config: Config, model: LinkageModel, merger: Merger) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._merger = merger

    def preview(self, actor: Actor, decision: Decision) -> Effect:
        """What the decision would touch; nothing is done. Raises as `do`, but for the reason."""
        check_actor(actor, Permission.DECIDE)
        with self._store.reading() as unit:
            effect = self._effect(unit, actor, decision, *self._records(unit, actor, decision))
            unit.audit(AuditEvent(actor, Action.PERSON_READ, detail={"preview": decision.operation.value}))
        return effect

    def do(self, actor: Actor, decision: Decision, reason: str, *, seen: str | None = None) -> Carried:
        """Carry a decision out. `seen` is the digest of the effect that was shown.

        Raises `NotAllowed` by role, `BadInput` without a reason or for an unknown authority, `NotFound` for a number,
        and `Conflict` where an earlier decision stands against it, nothing would change, or not what was shown.
        """
        check_actor(actor, Permission.DECIDE)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("Enter a reason", field="reason")
        with self._store.writing() as unit:
            unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            one, other = self._records(unit, actor, decision)
            effect = self._effect(unit, actor, decision, one, other)
            preview.check_seen(effect, seen)
            cause = Cause(actor)
            if decision.operation is Operation.LINK:
                _link(unit, one, _needed(other), cause, reason)
            elif decision.operation is Operation.MERGE:
                pair = MergePair(
                    Identifier(_needed(other).authority, _needed(other).local_id),
                    Identifier(one.authority, one.local_id),
                )
                self._merger.release(unit, [pair], cause)
            else:
                for each in _others(unit, one, other):
                    identity.separate(unit, one.id, each, cause, reason)
                    _settle_question(unit, one.id, each, cause)
            change_id = unit.history.close()
            if change_id is None:
                raise Conflict("nothing would change")
        return Carried(change_id, effect)

    def _records(self, unit: UnitOfWork, actor: Actor, decision: Decision) -> tuple[StoredRecord, StoredRecord | None]:
        one = self._record(unit, actor, decision.one)
        if decision.operation is Operation.UNLINK:
            return one, None
        if decision.other is None:
            raise BadInput("Enter the other number", field="other_value")
        other = self._record(unit, actor, decision.other)
        if one.id == other.id:
            raise Conflict("the two numbers are one number already")
        if decision.operation is Operation.LINK and identity.person_of(unit, one.id) == identity.person_of(
            unit, other.id
        ):
            raise Conflict("the two numbers are one person already")
        if decision.operation is Operation.MERGE and one.authority != other.authority:
            raise BadInput("only numbers of one authority can be merged; link them instead", field="other_authority")
        return one, other

    def _record(self, unit: UnitOfWork, actor: Actor, number: Identifier) -> StoredRecord:
        authority = self._config.authority(number.authority)
        if authority is None:
            raise BadInput("the assigning authority is not known", field="authority", code="unknown-authority")
        found = unit.records.find(authority.code, storable(number.value.strip()))
        standing = unit.records.survivor(found) if found is not None else None
        if standing is None or standing.protected or standing.status != ACTIVE:
            raise NotFound("the number is not known")
        # Of both: whoever cannot see a person cannot judge that it is another's; tasks ask about such pairs.
        person_id = identity.person_of(unit, standing.id)
        if person_id is not None and not scope.reached(unit, actor, [person_id]):
            raise NotFound("the number is not known")
        return standing

    def _effect(
        self, unit: UnitOfWork, actor: Actor, decision: Decision, one: StoredRecord, other: StoredRecord | None
    ) -> Effect:
        said = _statements(unit, decision.operation, one, other)
        effect = thought_of(unit, self._config, actor, said)
        if decision.operation in (Operation.LINK, Operation.MERGE) and _verified_differ(unit, one, _needed(other)):
            note = "The two people carry different verified NHS numbers."
            return replace(effect, notes=(*effect.notes, note))
        return effect


def thought_of(unit: UnitOfWork, config: Config, actor: Actor, said: tuple[Statement, ...]) -> Effect:
    """What would come of statements, if somebody said them now."""
    found = lives.gather(unit, [r for one in said for r in one.records])
    before, after = found.told(), found.told(more=said)
    known = {(r.change, r.statement) for r in before.refused}
    notes = [f"This cannot be done: {r.why}." for r in after.refused if (r.change, r.statement) not in known]
    return Picture(unit, config, role_of(actor), found).effect(before, after, difference(before, after), {}, notes)


def of_task(unit: UnitOfWork, config: Config, actor: Actor, task: StoredTask, verdict: Verdict) -> Effect | None:
    """What a verdict on a task would touch; None where it answers no question about two people."""
    if task.left_record is None or task.right_record is None or verdict is Verdict.NOT_SURE:
        return None
    both = unit.records.get((task.left_record, task.right_record))
    left, right = (unit.records.survivor(both[r]) for r in (task.left_record, task.right_record))
    operation = _ANSWERS.get(task.type, {}).get(verdict)
    if left.id == right.id or operation is None or (operation is Operation.MERGE and left.authority != right.authority):
        return None
    try:
        return thought_of(unit, config, actor, _statements(unit, operation, left, right))
    except Conflict:
        return None  # too much to show; the decision itself is not affected


_ANSWERS = {
    type_: {Verdict.SAME: Operation.LINK, Verdict.DIFFERENT: Operation.KEEP_APART}
    for type_ in (*_DOUBTS, TaskType.HELD_LINK)
} | {TaskType.HELD_MERGE: {Verdict.SAME: Operation.MERGE, Verdict.DIFFERENT: Operation.KEEP_APART}}
"""What an answer does, for the types of tasks that ask about two people."""


def _statements(
    unit: UnitOfWork, operation: Operation, one: StoredRecord, other: StoredRecord | None
) -> tuple[Statement, ...]:
    if operation is Operation.LINK:
        persons = [identity.person_of(unit, r.id) for r in (one, _needed(other))]
        return (Statement(Kind.JOIN, one.id, _needed(other).id, min(p for p in persons if p is not None)),)
    if operation is Operation.MERGE:
        return (Statement(Kind.MERGE, one.id, _needed(other).id),)
    return tuple(Statement(Kind.APART, one.id, each) for each in _others(unit, one, other))


def _needed(other: StoredRecord | None) -> StoredRecord:
    if other is None:
        raise BadInput("Enter the other number", field="other_value")
    return other


def _others(unit: UnitOfWork, one: StoredRecord, other: StoredRecord | None) -> list[int]:
    """From whom a record is told apart: one other, or all that it is one person with."""
    if other is not None:
        return [other.id]
    current = unit.persons.current_link(one.id)
    members = unit.persons.members([current.person_id]) if current is not None else []
    found = [m.record_id for m in members if m.record_id != one.id]
    if not found:
        raise Conflict("this number is linked with no other")
    return found


def _link(unit: UnitOfWork, one: StoredRecord, other: StoredRecord, cause: Cause, reason: str) -> None:
    left, right = identity.person_of(unit, one.id), identity.person_of(unit, other.id)
    if left is None or right is None:
        raise Conflict("one of the numbers belongs to nobody")
    identity.join(unit, min(left, right), max(left, right), cause, reason, about=(one.id, other.id))
    identity.settle_tasks(unit, [m.record_id for m in unit.persons.members([min(left, right)])], cause)


def _settle_question(unit: UnitOfWork, one: int, other: int, cause: Cause) -> None:
    """Close the questions whether these two are one person: it has been said that they are not."""
    for task in unit.tasks.open_of([one]):
        asked = {task.left_record, task.right_record} == {one, other}
        if asked and task.type in _DOUBTS and task.state is not TaskState.CLOSED:
            event = cause.event(Action.TASK_DECIDED, reason="settled by another decision")
            unit.tasks.settle(task, event=event)


def _verified_differ(unit: UnitOfWork, one: StoredRecord, other: StoredRecord) -> bool:
    persons = {p for r in (one, other) if (p := identity.person_of(unit, r.id)) is not None}
    numbers = unit.records.numbers_of_persons(persons)
    return len({value for own in numbers.values() for value, sure in own if sure}) > 1

"""Taking a change of identities back, whatever has happened since: the rest is said again without it.

An undo is a change itself and can be taken back. What people decided since holds: where that cannot be, the record is
left out of it, the answer says so, and a task asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.replay import Kind, Refusal, State, Statement
from mpi.domain.review import TaskState, TaskType
from mpi.domain.roles import Permission, Role, check_actor, role_of
from mpi.domain.text import storable
from mpi.matching.model import LinkageModel
from mpi.services import clusters, identity, lives, preview, scope
from mpi.services.identity import Cause
from mpi.services.lives import Lives
from mpi.services.preview import ChangeView, Effect
from mpi.services.reshape import Difference, Reshaper, difference
from mpi.store.history import StoredChange
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import Store, UnitOfWork

_PEOPLE = frozenset(role.value for role in Role) - {Role.SERVICE.value, Role.ADMINISTRATOR.value}
_ASKED_AGAIN = frozenset(
    {
        TaskType.POSSIBLE_DUPLICATE,
        TaskType.NHS_NUMBER_TWO_PERSONS,
        TaskType.TWO_NHS_NUMBERS,
        TaskType.BROKEN_CLUSTER,
        TaskType.HELD_MERGE,
        TaskType.HELD_LINK,
        TaskType.HELD_MOVE,
        TaskType.DELETED_NUMBER,
    }
)
_KEPT_APART = "this would bring identities together that must be kept apart"
_UNEXPLAINED = "What this record belongs to cannot be told from what was decided, so it was left where it is."


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking a change back did. `change_id` is the undo itself, to be taken back in its turn."""

    change_id: int
    effect: Effect
    tasks: tuple[int, ...]
    """New review tasks: what could not be done, and what matching doubts now."""


@dataclass(frozen=True, slots=True)
class _Plan:
    change: StoredChange
    lives: Lives
    flips: Mapping[int, bool]
    extra: tuple[Statement, ...]
    before: State
    after: State
    todo: Difference
    left: tuple[int, ...]

    @property
    def refused(self) -> list[Refusal]:
        """What was decided since and cannot be kept up without the change."""
        known = {(r.change, r.statement) for r in self.before.refused}
        return [r for r in self.after.refused if (r.change, r.statement) not in known]


class Undo:
    """Shows changes of identities and takes them back."""

    def __init__(self, store: Store, config: Config, model: LinkageModel) -> None:
        self._store = store
        self._config = config
        self._model = model

    def change(self, actor: Actor, change_id: int) -> ChangeView:
        """One change; raises `NotFound`."""
        check_actor(actor, Permission.VIEW_PERSON)
        with self._store.reading() as unit:
            found = preview.change_view(unit, _found(unit, actor, change_id))
            unit.audit(AuditEvent(actor, Action.PERSON_READ, detail={"change": change_id}))
        return found

    def changes(self, actor: Actor, authority: str, value: str) -> list[ChangeView]:
        """The changes that touched the person of a number, newest first. Raises `BadInput` and `NotFound`."""
        check_actor(actor, Permission.VIEW_PERSON)
        known = self._config.authority(authority)
        if known is None:
            raise BadInput("the assigning authority is not known", field="authority", code="unknown-authority")
        with self._store.reading() as unit:
            record = unit.records.find(known.code, storable(value))
            person_id = identity.person_of(unit, record.id) if record is not None and not record.protected else None
            if person_id is None or not scope.reached(unit, actor, [person_id]):
                raise NotFound("the identifier is not known")
            found = preview.changes_of(unit, person_id)
            unit.audit(AuditEvent(actor, Action.PERSON_READ, person_id=person_id))
        return found

    def keeps_apart(self, actor: Actor, change_id: int) -> bool:
        """Whether taking the change back marks the two as different people unless told otherwise.

        So it does for what no human decided: matching or the feed would soon do the same again.
        """
        check_actor(actor, Permission.VIEW_PERSON)
        with self._store.reading() as unit:
            return _by_machine(_found(unit, actor, change_id))

    def preview(self, actor: Actor, change_id: int, *, keep_apart: bool | None = None) -> Effect:
        """What taking the change back would touch; nothing is done. Raises `NotFound` and `Conflict`."""
        check_actor(actor, Permission.UNDO)
        with self._store.reading() as unit:
            plan = self._plan(unit, _found(unit, actor, change_id), keep_apart)
            effect = self._effect(unit, plan, role_of(actor))
            unit.audit(AuditEvent(actor, Action.PERSON_READ, detail={"change": change_id, "preview": True}))
        return effect

    def do(
        self, actor: Actor, change_id: int, reason: str, *, keep_apart: bool | None = None, seen: str | None = None
    ) -> Undone:
        """Take the change back.

        `keep_apart` marks those who were put together by it as different people for matching; None: where no human
        had decided it. `seen` is the digest of the effect that was shown. Raises `NotAllowed` by role, `BadInput`
        without a reason, `NotFound`, and `Conflict` for a change that was taken back already, or whose effect is not
        what was shown any more.
        """
        check_actor(actor, Permission.UNDO)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("Enter a reason", field="reason")
        with self._store.writing() as unit:
            unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            change = _found(unit, actor, change_id)
            plan = self._plan(unit, change, keep_apart)
            effect = self._effect(unit, plan, role_of(actor))
            preview.check_seen(effect, seen)
            cause = Cause(actor, None, change.task_id)
            unit.audit(cause.event(Action.CHANGE_UNDONE, reason=reason, detail={"change": change_id}))
            Reshaper(unit, plan.lives, plan.after, cause, reason).carry_out(plan.todo)
            tasks = self._ask(unit, plan, cause)
            self._tasks_of(unit, plan, cause)
            unit.history.say(*plan.extra)
            undo_id = unit.history.close(undoes=change_id, about=_records(plan))
            if undo_id is None:
                raise AssertionError("an undo is always written down")
            for flipped, holds in plan.flips.items():
                unit.history.mark(flipped, None if holds else _undoer(plan, flipped, undo_id))
        return Undone(undo_id, effect, tuple(tasks))

    def _plan(self, unit: UnitOfWork, change: StoredChange, keep_apart: bool | None) -> _Plan:
        if change.undone_by is not None:
            raise Conflict("this change was taken back already; its undo can be taken back instead")
        found = lives.gather(unit, [r for said in change.statements for r in said.records] or _of_undone(unit, change))
        if change.id not in found.changes:
            raise Conflict("this change touches nobody any more")
        flips = found.flips(change.id, holds=False)
        apart = _pairs(change) if (_by_machine(change) if keep_apart is None else keep_apart) else []
        extra = lives.with_extra(found, flips, apart)
        told, now = found.told(), found.now(unit)
        after = found.told(flips, extra)
        left = lives.unexplained(told, now) & lives.unexplained(told, after)
        _check_apart(unit, found, now, told, after)
        return _Plan(change, found, flips, extra, told, after, difference(told, after, left), tuple(sorted(left)))

    def _effect(self, unit: UnitOfWork, plan: _Plan, role: Role) -> Effect:
        view = preview.Picture(unit, self._config, role, plan.lives)
        notes = [f"A decision of since cannot be kept: {r.why}. A task will ask." for r in plan.refused]
        notes += [_UNEXPLAINED for _ in plan.left]
        return view.effect(plan.before, plan.after, plan.todo, _tasks(plan), notes)

    def _ask(self, unit: UnitOfWork, plan: _Plan, cause: Cause) -> list[int]:
        """Tasks about what could not be done, and about what matching says of the records that moved."""
        opened = []
        for refused in plan.refused:
            said = refused.statement
            if said.other is not None:
                reason = f"Kept from being done when another change was taken back: {refused.why}."
                opened.append(self._open(unit, said.one, said.other, reason, cause))
        opened += [self._open(unit, record_id, None, _UNEXPLAINED, cause) for record_id in plan.left]
        for record_id in plan.todo.moves:
            if record_id in plan.after.person_of:
                since = plan.change.at
                opened += clusters.look_again(unit, self._model, record_id, cause, since=since)
        return [task for task in opened if task is not None]

    def _open(self, unit: UnitOfWork, one: int, other: int | None, reason: str, cause: Cause) -> int | None:
        together = other is None or identity.person_of(unit, one) == identity.person_of(unit, other)
        type_ = TaskType.BROKEN_CLUSTER if together else TaskType.POSSIBLE_DUPLICATE
        return identity.open_task(unit, NewTask(type_, one, other, reason, model_hash=self._model.hash), cause)

    def _tasks_of(self, unit: UnitOfWork, plan: _Plan, cause: Cause) -> None:
        """Ask again what the change had settled, and settle what it had asked; the other way round for a redo."""
        for change_id, holds in plan.flips.items():
            change = plan.lives.changes[change_id]
            to_close = change.tasks_closed if holds else change.tasks_opened
            to_ask = () if holds else change.tasks_closed
            for task in (unit.tasks.get(t) for t in to_close):
                if task is not None and task.state is not TaskState.CLOSED and task.type in _ASKED_AGAIN:
                    event = AuditEvent(cause.actor, Action.TASK_DECIDED, reason="settled by taking a change back")
                    unit.tasks.settle(task, event=event)
            for task in (unit.tasks.get(t) for t in to_ask):
                if task is not None and task.state is TaskState.CLOSED and task.type in _ASKED_AGAIN:
                    event = AuditEvent(cause.actor, Action.TASK_REOPENED, reason="the answer was taken back")
                    unit.tasks.reopen(task, event=event)


def _found(unit: UnitOfWork, actor: Actor, change_id: int) -> StoredChange:
    change = unit.history.get(change_id)
    if change is None or not preview.may_be_shown(unit, [change]):
        raise NotFound(f"there is no change {change_id}")
    scope.check_records(unit, actor, {record for said in change.statements for record in said.records})
    return change


def _check_apart(unit: UnitOfWork, found: Lives, now: State, told: State, after: State) -> None:
    """Raise `Conflict` where people would come together whom something outside of these changes keeps apart.

    So does protection, whatever was decided before; and what was left behind joins nobody that is shown.
    """
    for_good = {(row.record_low, row.record_high) for row in unit.persons.protections(found.records)}
    for one, other in (now.apart.keys() - told.apart.keys()) | for_good:
        person = after.person_of.get(after.survivor(one))
        if person is not None and person == after.person_of.get(after.survivor(other)):
            raise Conflict(_KEPT_APART)
    hidden = {person for r, person in after.person_of.items() if r in found.records and found.records[r].protected}
    shown = {person for r, person in after.person_of.items() if r in found.records and not found.records[r].protected}
    if hidden & shown:
        raise Conflict(_KEPT_APART)


def _by_machine(change: StoredChange) -> bool:
    return change.role not in _PEOPLE


def _pairs(change: StoredChange) -> list[tuple[int, int]]:
    """Those whom a change put together."""
    kinds = (Kind.LINK, Kind.JOIN, Kind.MERGE, Kind.PUT)
    return [(said.one, said.other) for said in change.statements if said.kind in kinds and said.other is not None]


def _of_undone(unit: UnitOfWork, change: StoredChange) -> list[int]:
    """The records of the change that an undo took back, at the end of a row of undos."""
    step: StoredChange | None = change
    while step is not None and not step.statements and step.undoes is not None:
        step = unit.history.get(step.undoes)
    return [r for said in step.statements for r in said.records] if step is not None else []


def _records(plan: _Plan) -> set[int]:
    flipped = {r for c in plan.flips for said in plan.lives.changes[c].statements for r in said.records}
    return flipped | set(plan.todo.moves) | set(plan.todo.regrounded)


def _undoer(plan: _Plan, flipped: int, undo_id: int) -> int:
    """Which change has taken `flipped` back: this undo, or the older undo that holds again."""
    if flipped == plan.change.id:
        return undo_id
    return next(c.id for c in plan.lives.changes.values() if c.undoes == flipped and plan.flips.get(c.id, False))


def _tasks(plan: _Plan) -> dict[int, str]:
    """What becomes of the tasks that belong to the changes."""
    found: dict[int, str] = {}
    for change_id, holds in plan.flips.items():
        change = plan.lives.changes[change_id]
        found |= dict.fromkeys(change.tasks_closed, "settled" if holds else "asked again")
        if not holds:
            found |= dict.fromkeys(change.tasks_opened, "settled")
    return found

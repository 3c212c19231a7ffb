"""The review queue: what a human is asked, with the evidence, and what the answer does."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.domain.queue import QueueFilter, Show
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import Step, TaskState, TaskType, Verdict, next_state
from mpi.domain.roles import Permission, can, check_actor
from mpi.domain.text import storable
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.services import decisions, identity, preview, queue, scope, views
from mpi.services.held import REOPENED, UPDATES, Held
from mpi.services.identity import Cause
from mpi.services.preview import ChangeView, Effect
from mpi.services.queue import Queue, QueuePage
from mpi.services.views import HistoryLine, RecordView, TaskSummary
from mpi.store import audit
from mpi.store.persons import MANUAL
from mpi.store.tasks import StoredTask, StoredVerdict
from mpi.store.unit_of_work import Store, UnitOfWork

FIELD_LABELS: dict[str, str] = {
    "nhs_number": "NHS number",
    "nhs_number_status": "NHS number status",
    "family_name": "Family name",
    "given_name": "Given name",
    "middle_names": "Middle names",
    "previous_family_name": "Previous family name",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "address_line": "Address",
    "town": "Town or city",
    "postcode": "Postcode",
    "phone": "Phone number",
    "email": "Email address",
    "gp_practice": "GP practice",
    "other_identifier": "Other identifier",
    "multiple_birth_order": "Order in a multiple birth",
    "death_date": "Date of death",
}


@dataclass(frozen=True, slots=True)
class FieldValues:
    """One recorded field of both records; None where a side recorded nothing."""

    field: str
    label: str
    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """One comparison of the model: what was found in plain English, and what it adds in bits."""

    comparison: str
    agreement: str
    bits: float


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task with its evidence as it is now. `weight`, `link`, `keep`, `review` in bits.

    Where a side is restricted, `fields`, `comparisons` and `weight` leave out where both live and are registered.
    """

    summary: TaskSummary
    fields: tuple[FieldValues, ...]
    comparisons: tuple[ComparisonView, ...]
    weight: float | None
    link: float
    keep: float
    review: float
    same_person_now: bool
    verdicts: tuple[StoredVerdict, ...]
    history: tuple[HistoryLine, ...]
    may_decide: bool
    if_same: Effect | None = None
    """What the answer "same person" would touch; None where nobody may answer, or it moves no identity by itself."""
    if_different: Effect | None = None
    changes: tuple[ChangeView, ...] = ()
    """What the answers changed, newest first; each can be taken back."""
    may_reopen: bool = False
    """Whether the answer can be taken back by asking again; others are taken back as changes of identities."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a verdict did: the task's state, and the next open task (None: the queue is empty)."""

    state: TaskState
    next_task: int | None


class Review:
    """The review queue."""

    def __init__(self, store: Store, config: Config, model: LinkageModel, held: Held) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._held = held
        self._queue = Queue(store, config)

    def queue(
        self,
        actor: Actor,
        *,
        state: TaskState = TaskState.OPEN,
        type_: TaskType | None = None,
        page: int = 1,
        size: int = 25,
    ) -> QueuePage:
        """One page of tasks, most urgent first; those to decide are open."""
        show = Show.TO_DECIDE if state is TaskState.OPEN else Show(state.value)
        return self._queue.page(actor, QueueFilter(show=show, type=type_), page=page, size=size)

    def task(self, actor: Actor, task_id: int) -> TaskView:
        """One task with its evidence; raises `NotFound`."""
        role = check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.reading() as unit:
            task = _shown(unit, actor, task_id)
            summary = views.task_summary(unit, self._config, task)
            restricted = any(side is not None and side.restricted for side in (summary.left, summary.right))
            comparisons, weight = self._evidence(unit, task, restricted)
            history = tuple(
                views.history_line(line, restricted=restricted)
                for line in audit.of_task(unit.connection, task_id)
                if line.action != Action.TASK_READ.value
            )
            may_decide = task.state is not TaskState.CLOSED and can(role, Permission.DECIDE)
            view = TaskView(
                summary,
                _fields(summary.left, summary.right, restricted),
                comparisons,
                weight,
                self._model.thresholds.link,
                self._model.thresholds.keep,
                self._model.thresholds.review,
                _same_person(unit, task),
                tuple(unit.tasks.verdicts(task_id)),
                history,
                may_decide,
                *(self._effects(unit, actor, task) if may_decide else (None, None)),
                tuple(preview.change_views(unit, preview.may_be_shown(unit, unit.history.of_task(task_id)[::-1]))),
                _can_reopen(task) and can(role, Permission.UNDO),
            )
            unit.audit(AuditEvent(actor, Action.TASK_READ, task_id=task_id, record_id=task.left_record))
        return view

    def _effects(self, unit: UnitOfWork, actor: Actor, task: StoredTask) -> tuple[Effect | None, Effect | None]:
        same, different = (
            decisions.of_task(unit, self._config, actor, task, verdict) for verdict in (Verdict.SAME, Verdict.DIFFERENT)
        )
        return same, different

    def _evidence(
        self, unit: UnitOfWork, task: StoredTask, restricted: bool
    ) -> tuple[tuple[ComparisonView, ...], float | None]:
        both = unit.records.get(i for i in (task.left_record, task.right_record) if i is not None)
        if task.type in UPDATES and task.left_record in both:
            record = both[task.left_record]
            return self._compared(
                identity.prepared_of(record), views.proposed(self._config, record, task)[0], restricted
            )
        if len(both) < 2 or task.left_record is None or task.right_record is None:
            return (), None if restricted else task.weight
        left, right = (identity.prepared_of(both[i]) for i in (task.left_record, task.right_record))
        return self._compared(left, right, restricted)

    def _compared(
        self, left: Prepared, right: Prepared, restricted: bool
    ) -> tuple[tuple[ComparisonView, ...], float | None]:
        if restricted:
            left, right = views.without_home(left), views.without_home(right)
        pair = decide_pair(self._model, left, right)
        return tuple(ComparisonView(e.comparison, e.label, e.bits) for e in pair.evidence), pair.weight

    def decide(self, actor: Actor, task_id: int, verdict: Verdict, reason: str) -> Decided:
        """Carry out a reviewer's verdict.

        Raises `NotAllowed` by role, `BadInput` without a reason, `NotFound`, and `Conflict` when the task is closed
        already or the index does not allow it.
        """
        check_actor(actor, Permission.DECIDE)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("Enter a reason", field="reason")
        with self._store.writing() as unit:
            task = _shown(unit, actor, task_id)
            if task.state is not TaskState.CLOSED:
                queue.check_may_answer(unit, actor, task)
            state = next_state(task.state, Step.NOT_SURE if verdict is Verdict.NOT_SURE else Step.DECIDED)
            cause = Cause(actor, task.message_id, task_id)
            unit.tasks.add_verdict(
                task,
                state,
                verdict,
                reason,
                event=AuditEvent(
                    actor,
                    Action.TASK_DECIDED,
                    message_id=task.message_id,
                    reason=reason,
                    detail={"verdict": verdict.value, "type": task.type.value, "weight": task.weight},
                ),
            )
            if verdict is Verdict.SAME:
                self._same(unit, task, cause, reason)
            elif verdict is Verdict.DIFFERENT:
                self._different(unit, task, cause, reason)
            elif verdict is Verdict.REUSED:
                self._held.give_away(unit, task, cause)
            following = queue.next_of(unit, actor, task_id)
            return Decided(state, following.id if following is not None else None)

    def reopen(self, actor: Actor, task_id: int, reason: str) -> None:
        """Take the answer to a held update or deletion back: what it did is undone, and the task is open again.

        Raises `NotAllowed` by role, `BadInput` without a reason, `NotFound`, and `Conflict` for a task that is open or
        whose answer is taken back otherwise.
        """
        check_actor(actor, Permission.UNDO)
        reason = storable(reason.strip())
        if not reason:
            raise BadInput("Enter a reason", field="reason")
        with self._store.writing() as unit:
            task = _shown(unit, actor, task_id)
            if not _can_reopen(task):
                raise Conflict("there is no answer to take back here")
            cause = Cause(actor, task.message_id, task_id)
            self._held.take_back(unit, task, unit.tasks.verdicts(task_id)[-1].verdict, cause)
            unit.tasks.reopen(task, event=cause.event(Action.TASK_REOPENED, reason=reason))

    def _same(self, unit: UnitOfWork, task: StoredTask, cause: Cause, reason: str) -> None:
        if not self._held.release(unit, task, cause):
            one, other = _persons(unit, task)
            if one is None or other is None:
                raise Conflict("a record of this task has no person any more")
            if one != other:
                identity.join(unit, min(one, other), max(one, other), cause, reason, about=_about(unit, task))
            else:
                _confirm(unit, task, cause, reason)
        records = [r for r in (task.left_record, task.right_record) if r is not None]
        person = identity.person_of(unit, records[0]) if records else None
        members = unit.persons.members([person]) if person is not None else []
        identity.settle_tasks(unit, {*records, *(m.record_id for m in members)}, cause, but=task.id)

    def _different(self, unit: UnitOfWork, task: StoredTask, cause: Cause, reason: str) -> None:
        if self._held.drop(unit, task, cause):
            return
        if task.left_record is None or task.right_record is None or task.left_record == task.right_record:
            return  # a held merge of numbers that are not both in the index: nothing to keep apart
        both = unit.records.get([task.left_record, task.right_record])
        left = unit.records.survivor(both[task.left_record])
        right = unit.records.survivor(both[task.right_record])
        if left.id == right.id:
            raise Conflict("the two numbers were merged into one; take the merge back first")
        identity.separate(unit, left.id, right.id, cause, reason)


def _can_reopen(task: StoredTask) -> bool:
    return task.type in REOPENED and task.state is TaskState.CLOSED and task.closed_how == "verdict"


def _confirm(unit: UnitOfWork, task: StoredTask, cause: Cause, reason: str) -> None:
    """A human says that a doubtful link is right: from now on it is theirs and no update moves it."""
    about = _about(unit, task)
    if about is not None:
        unit.history.say(Statement(Kind.JOIN, *about))
    for record_id in (task.left_record, task.right_record):
        current = unit.persons.current_link(record_id) if record_id is not None else None
        if current is not None and current.grounds.how != MANUAL:
            grounds = current.grounds._replace(
                how=MANUAL, made_by=cause.actor.name, reason=reason, task_id=cause.task_id
            )
            identity.move(unit, current, current.person_id, grounds, cause, "confirmed by a reviewer")


def _about(unit: UnitOfWork, task: StoredTask) -> tuple[int, int] | None:
    """The standing records that a task asks about, through those they were merged into; None without two."""
    if task.left_record is None or task.right_record is None:
        return None
    both = unit.records.get((task.left_record, task.right_record))
    return unit.records.survivor(both[task.left_record]).id, unit.records.survivor(both[task.right_record]).id


def _shown(unit: UnitOfWork, actor: Actor, task_id: int) -> StoredTask:
    task = unit.tasks.get(task_id)
    if task is None or not unit.tasks.is_shown(task):
        raise NotFound(f"there is no review task {task_id}")
    scope.check_records(unit, actor, (task.left_record, task.right_record))
    return task


def _persons(unit: UnitOfWork, task: StoredTask) -> tuple[int | None, int | None]:
    left = identity.person_of(unit, task.left_record) if task.left_record is not None else None
    right = identity.person_of(unit, task.right_record) if task.right_record is not None else None
    return left, right


def _same_person(unit: UnitOfWork, task: StoredTask) -> bool:
    left, right = _persons(unit, task)
    return left is not None and left == right


def _fields(left: RecordView | None, right: RecordView | None, restricted: bool) -> tuple[FieldValues, ...]:
    found = []
    for name in DEMOGRAPHIC_FIELDS:
        if restricted and name in views.HIDDEN:
            continue  # of neither side: the two may be one person, at one address
        values = [getattr(side.recorded, name) if side else None for side in (left, right)]
        if any(value is not None for value in values):
            found.append(FieldValues(name, FIELD_LABELS[name], values[0], values[1]))
    return tuple(found)

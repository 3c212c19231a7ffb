"""The review queue: what a human is asked, with the evidence, and what the answer does."""

from dataclasses import dataclass, replace
from datetime import timedelta

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.queue import QueueFilter, Show
from mpi.domain.review import ASKING, ReasonCode, Step, TaskState, TaskType, Verdict, next_state
from mpi.domain.roles import Permission, can, check_actor, permitted
from mpi.domain.text import storable
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.services import compare, decisions, identity, preview, queue, scope, task_view, views
from mpi.services.answers import Answer as Answer
from mpi.services.answers import Answers, persons_of
from mpi.services.held import REOPENED, UPDATES, Held
from mpi.services.identity import Cause
from mpi.services.preview import Effect
from mpi.services.queue import Queue, QueuePage
from mpi.services.reading import Reading, reading_of
from mpi.services.task_view import FIELD_LABELS as FIELD_LABELS
from mpi.services.task_view import ComparisonView as ComparisonView
from mpi.services.task_view import FieldValues as FieldValues
from mpi.services.task_view import TaskView as TaskView
from mpi.store import clock
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class Decided:
    """What a verdict did: the task's state, and the next open task (None: the queue is empty).

    `first`: it was kept as a blind answer, and is to be looked at again. `vote`: it waits for another reader's.
    """

    state: TaskState
    next_task: int | None
    first: bool = False
    vote: bool = False


_READ_ON = (TaskState.SECOND, TaskState.TIE_BREAK)


class Review:
    """The review queue."""

    def __init__(self, store: Store, config: Config, model: LinkageModel, held: Held) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._answers = Answers(held)
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
        """One task with its evidence, as far as this reader may see it yet; raises `NotFound`."""
        role = check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.reading() as unit:
            task = _shown(unit, actor, task_id)
            summary = views.task_summary(unit, self._config, task)
            restricted = any(side is not None and side.restricted for side in (summary.left, summary.right))
            verdicts = unit.tasks.verdicts(task_id)
            reading = reading_of(unit, self._config, task, actor.name, verdicts, restricted)
            comparisons, weight = self._evidence(unit, task, restricted)
            may_decide = (
                task.state is not TaskState.CLOSED
                and can(role, Permission.DECIDE)
                and task.type is not TaskType.GATE_HOLD
            )
            view = TaskView(
                summary,
                task_view.fields(summary.left, summary.right, restricted),
                comparisons,
                weight,
                self._model.thresholds.link,
                self._model.thresholds.keep,
                self._model.thresholds.review,
                _same_person(unit, task),
                task_view.readable(verdicts, task, actor.name, reading.twice),
                task_view.history(unit, task_id, restricted, reading.hidden),
                may_decide,
                reading=replace(reading, votes=()),
                mark=task_view.mark(unit, task),
                earlier=tuple(compare.earlier(unit, r, restricted) for r in (task.left_record, task.right_record)),
                not_mine=queue.why_not(unit, task, actor.name) if may_decide else None,
            )
            view = task_view.blind(view) if reading.hidden else self._whole(unit, actor, task, view, restricted)
            unit.audit(AuditEvent(actor, Action.TASK_READ, task_id=task_id, record_id=task.left_record))
        return view

    def _whole(self, unit: UnitOfWork, actor: Actor, task: StoredTask, view: TaskView, restricted: bool) -> TaskView:
        """The view with all that the index thinks, and what each answer would touch."""
        same, different = self._effects(unit, actor, task) if view.may_decide else (None, None)
        sides = [side for side in (task.left_record, task.right_record) if side is not None]
        changes = preview.may_be_shown(unit, unit.history.of_task(task.id)[::-1])
        return replace(
            view,
            if_same=same,
            if_different=different,
            changes=tuple(preview.change_views(unit, changes)),
            may_reopen=_can_reopen(task) and permitted(actor, Permission.UNDO),
            cluster=compare.cluster(unit, self._config, self._model, sides, restricted),
            frequencies=compare.frequencies(unit, self._model, sides),
        )

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
        """Carry out a reviewer's verdict, or count it as a vote where two readers are asked; as `answer`."""
        return self._answer(actor, task_id, Answer(verdict, reason), final=True)

    def answer(self, actor: Actor, task_id: int, answer: Answer) -> Decided:
        """Take an answer as the page gives it: a first one to a blind question is kept, and the rest is shown then.

        Raises `NotAllowed` by role, site or because somebody else must answer, `BadInput` without a reason, `NotFound`,
        and `Conflict` when the task is closed already, somebody else's, not what was seen, or the index does not allow
        it.
        """
        return self._answer(actor, task_id, answer, final=False)

    def _answer(self, actor: Actor, task_id: int, answer: Answer, *, final: bool) -> Decided:
        check_actor(actor, Permission.DECIDE)
        answer = replace(answer, reason=storable(answer.reason.strip()))
        if not answer.reason and answer.code in (None, ReasonCode.OTHER):
            raise BadInput("Enter a reason", field="reason")
        with self._store.writing() as unit:
            task = _shown(unit, actor, task_id)
            if task.state is not TaskState.CLOSED:
                queue.check_may_answer(unit, actor, task)
            if task.type is TaskType.GATE_HOLD:
                raise Conflict("a study is decided on its own page")
            verdicts = unit.tasks.verdicts(task_id)
            reading = reading_of(unit, self._config, task, actor.name, verdicts, self._restricted(unit, task))
            step = reading.step(answer.verdict)
            state = next_state(task.state, step)
            if answer.seen is not None and answer.seen != task_view.mark(unit, task):
                raise Conflict("what this task is about has changed since you looked at it; look again")
            if answer.verdict is Verdict.SPLIT and reading.hidden:
                raise BadInput("Select whether this is the same person", field="verdict")
            if reading.hidden and not reading.twice and not final:
                _keep_first(unit, actor, task, answer, reading)
                return Decided(task.state, task_id, first=True)
            self._settle(unit, actor, task, answer, reading, step, state)
            following = queue.next_of(unit, actor, task_id)
            return Decided(state, following.id if following is not None else None, vote=state in _READ_ON)

    def _settle(
        self,
        unit: UnitOfWork,
        actor: Actor,
        task: StoredTask,
        answer: Answer,
        reading: Reading,
        step: Step,
        state: TaskState,
    ) -> None:
        """Write the answer down, and carry it out where it decides the task."""
        decides = step is Step.DECIDED
        # A vote must stay unknown to the next reader: neither the reason nor the answer is in what pages show.
        event = AuditEvent(
            actor,
            Action.TASK_DECIDED if decides or step is Step.NOT_SURE else Action.TASK_ANSWERED,
            message_id=task.message_id,
            reason=answer.reason if decides or step is Step.NOT_SURE else None,
            detail={"verdict": answer.verdict.value, "type": task.type.value, "weight": task.weight},
        )
        said = (answer.verdict, answer.reason, answer.code)
        first = reading.first
        if decides and first is not None and said == (first.verdict, first.reason, first.reason_code):
            unit.tasks.let_count(task, first, state, event=event)
        else:
            unit.tasks.add_verdict(
                task,
                state,
                answer.verdict,
                answer.reason,
                event=event,
                blind=reading.hidden,
                reason_code=answer.code,
                vote=reading.vote,
                counts=answer.verdict not in ASKING,
            )
        if step is Step.NOT_SURE and answer.days in queue.DUE_DAYS:
            due_at = clock.stamp(clock.read(unit.now) + timedelta(days=answer.days or 0))
            unit.queue.set_due(task, due_at, event=AuditEvent(actor, Action.TASK_DUE, detail={"after": due_at}))
        if decides:
            self._answers.carry_out(unit, task, answer, Cause(actor, task.message_id, task.id))

    def _restricted(self, unit: UnitOfWork, task: StoredTask) -> bool:
        summary = views.task_summary(unit, self._config, task)
        return any(side is not None and side.restricted for side in (summary.left, summary.right))

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
            decided = [verdict for verdict in unit.tasks.verdicts(task_id) if verdict.counts]
            self._answers.take_back(unit, task, decided[-1].verdict, cause)
            unit.tasks.reopen(task, event=cause.event(Action.TASK_REOPENED, reason=reason))


def _can_reopen(task: StoredTask) -> bool:
    return task.type in REOPENED and task.state is TaskState.CLOSED and task.closed_how == "verdict"


def _shown(unit: UnitOfWork, actor: Actor, task_id: int) -> StoredTask:
    task = unit.tasks.get(task_id)
    if task is None or not unit.tasks.is_shown(task):
        raise NotFound(f"there is no review task {task_id}")
    scope.check_records(unit, actor, (task.left_record, task.right_record))
    return task


def _same_person(unit: UnitOfWork, task: StoredTask) -> bool:
    left, right = persons_of(unit, task)
    return left is not None and left == right


def _keep_first(unit: UnitOfWork, actor: Actor, task: StoredTask, answer: Answer, reading: Reading) -> None:
    """Keep what a reviewer says of the data alone. Nothing is decided by it yet."""
    unit.tasks.add_verdict(
        task,
        task.state,
        answer.verdict,
        answer.reason,
        event=AuditEvent(actor, Action.TASK_ANSWERED, detail={"verdict": answer.verdict.value, "blind": True}),
        blind=True,
        reason_code=answer.code,
        vote=reading.vote,
        counts=False,
    )

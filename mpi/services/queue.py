"""The review queue as a team works it: filter, take, hand over, do in bulk what is safe, find, save views."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.queue import QueueFilter
from mpi.domain.review import NOT_BY, TaskState, TaskType
from mpi.domain.roles import Permission, can, check_actor, permitted
from mpi.domain.text import storable
from mpi.matching.nhs_number import normalise
from mpi.services import numbers, scope, views
from mpi.services.views import TaskSummary
from mpi.store import clock
from mpi.store.database import retrying
from mpi.store.queue import Facets as Facets
from mpi.store.queue import Reader, StoredView
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import Store, UnitOfWork

MOST_IN_BULK = 100
LONGEST_NAME = 60
DUE_DAYS = (1, 3, 7, 14, 28)
"""Days from now that can be chosen as the time when an answer is due."""


class Bulk(StrEnum):
    """What can be done with several tasks at once. A verdict never is: each needs somebody who has looked."""

    TAKE = "take"
    LET_GO = "let-go"
    ASSIGN = "assign"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """One thing to be done with several tasks. `to` is an account (assign), `days` from now (due)."""

    operation: Bulk
    ids: tuple[int, ...]
    to: str | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class BulkLine:
    """One task of an order: what it is, and why it is left as it is (None: it is done)."""

    task: TaskSummary
    left: str | None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue; `total` counts all tasks that the filter lets through."""

    tasks: tuple[TaskSummary, ...]
    total: int
    page: int
    pages: int


def reader_of(actor: Actor) -> Reader:
    """Whose eyes the queue is shown to: of all sites, or of those of the actor's."""
    return Reader(actor.name, actor.sites)


class Queue:
    """The queue, and who has taken what."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def page(self, actor: Actor, wanted: QueueFilter, *, page: int = 1, size: int = 25) -> QueuePage:
        """One page of the tasks that the filter lets through and the actor may see."""
        check_actor(actor, Permission.VIEW_QUEUE)
        reader = reader_of(actor)
        with self._store.reading() as unit:
            tasks, total = unit.queue.page(reader, wanted, most=size, skip=(max(1, page) - 1) * size)
            pages = max(1, -(-total // size))
            if page > pages:
                page = pages
                tasks, total = unit.queue.page(reader, wanted, most=size, skip=(page - 1) * size)
            return QueuePage(self._summaries(unit, actor, tasks), total, max(1, page), pages)

    def _summaries(self, unit: UnitOfWork, actor: Actor, tasks: Sequence[StoredTask]) -> tuple[TaskSummary, ...]:
        shown = views.task_summaries(unit, self._config, tasks)
        restricted = [task.id for task in shown if any(side and side.restricted for side in (task.left, task.right))]
        if restricted:
            unit.audit(AuditEvent(actor, Action.TASK_READ, detail={"listed": restricted}))
        return shown

    def facets(self, actor: Actor) -> Facets:
        """How many tasks wait, now: by state, by type, mine, nobody's, overdue."""
        check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.reading() as unit:
            return unit.queue.facets(reader_of(actor))

    def next(self, actor: Actor, after: int = 0) -> int | None:
        """The task to do next: the actor's own first, then what nobody has taken; None: there is none."""
        check_actor(actor, Permission.DECIDE)
        with self._store.reading() as unit:
            found = next_of(unit, actor, after)
        return found.id if found is not None else None

    def take_next(self, actor: Actor) -> int | None:
        """The same, taken at once, so that two who ask at one moment get two tasks."""
        check_actor(actor, Permission.DECIDE)
        # Who comes second on PostgreSQL is turned away, and looks again at what is left.
        return retrying(lambda: self._take_next(actor))

    def _take_next(self, actor: Actor) -> int | None:
        # One at a time, as those who change identities: two must not be given one task.
        with self._store.writing() as unit:
            for task in _candidates(unit, actor, 0):
                if task.owner == actor.name or _give(unit, actor, task, actor.name):
                    return task.id
        return None

    def take(self, actor: Actor, task_id: int) -> None:
        """Take a task. Raises `NotAllowed`, `NotFound`, and `Conflict` where it is closed or somebody else's."""
        check_actor(actor, Permission.DECIDE)
        self._one(actor, BulkOrder(Bulk.TAKE, (task_id,)))

    def let_go(self, actor: Actor, task_id: int) -> None:
        """Give a task back to the queue: one's own, or with the permission to assign anybody's."""
        check_actor(actor, Permission.DECIDE)
        self._one(actor, BulkOrder(Bulk.LET_GO, (task_id,)))

    def assign(self, actor: Actor, task_id: int, to: str) -> None:
        """Hand a task over to somebody who may decide: one's own or nobody's, or with the permission anybody's."""
        check_actor(actor, Permission.DECIDE)
        self._one(actor, BulkOrder(Bulk.ASSIGN, (task_id,), to=to))

    def set_due(self, actor: Actor, task_id: int, days: int) -> None:
        """Say when an answer is due, in days from now."""
        check_actor(actor, Permission.DECIDE)
        self._one(actor, BulkOrder(Bulk.DUE, (task_id,), days=days))

    def _one(self, actor: Actor, order: BulkOrder) -> None:
        retrying(lambda: self._order_one(actor, order))

    def _order_one(self, actor: Actor, order: BulkOrder) -> None:
        with self._store.writing(identities=False) as unit:
            task = _seen(unit, actor, order.ids[0])
            left = self._left(unit, actor, order, task) or _carry_out(unit, actor, order, task)
            if left is not None:
                raise Conflict(left)

    def preview(self, actor: Actor, order: BulkOrder) -> tuple[BulkLine, ...]:
        """What an order would do, task by task; nothing is done. Raises `NotAllowed` and `BadInput`."""
        check_actor(actor, Permission.DECIDE)
        with self._store.reading() as unit:
            tasks = self._ordered(unit, actor, order)
            shown = self._summaries(unit, actor, tasks)
            return tuple(
                BulkLine(one, self._left(unit, actor, order, task)) for one, task in zip(shown, tasks, strict=True)
            )

    def do(self, actor: Actor, order: BulkOrder) -> tuple[list[int], list[tuple[int, str]]]:
        """Carry an order out: the tasks that it was done to, and those that were left with the reason."""
        check_actor(actor, Permission.DECIDE)
        done: list[int] = []
        left: list[tuple[int, str]] = []
        with self._store.writing(identities=False) as unit:
            for task in self._ordered(unit, actor, order):
                why = self._left(unit, actor, order, task) or _carry_out(unit, actor, order, task)
                if why is None:
                    done.append(task.id)
                else:
                    left.append((task.id, why))
        return done, left

    def _ordered(self, unit: UnitOfWork, actor: Actor, order: BulkOrder) -> list[StoredTask]:
        ids = sorted(set(order.ids))
        if not ids:
            raise BadInput("Select at least one task", field="tasks")
        if len(ids) > MOST_IN_BULK:
            raise BadInput(f"Select {MOST_IN_BULK} tasks or fewer", field="tasks")
        if order.operation is Bulk.DUE and order.days not in DUE_DAYS:
            raise BadInput("Select when an answer is due", field="days")
        if order.operation is Bulk.ASSIGN and order.to not in _deciders(unit):
            raise BadInput("Select somebody who may decide", field="to")
        visible = unit.queue.visible(reader_of(actor), ids)
        return [task for task_id in ids if task_id in visible and (task := unit.tasks.get(task_id)) is not None]

    def _left(self, unit: UnitOfWork, actor: Actor, order: BulkOrder, task: StoredTask) -> str | None:
        """Why an order is not carried out on this task; None: it is."""
        if task.state is TaskState.CLOSED:
            return "it is closed"
        others = task.owner not in (None, actor.name)
        if others and not permitted(actor, Permission.ASSIGN):
            return f"{task.owner} has taken it"
        if order.operation is Bulk.TAKE:
            return why_not(unit, task, actor.name) or (f"{task.owner} has taken it" if others else None)
        if order.operation is Bulk.ASSIGN:
            if order.to not in _deciders(unit):
                raise BadInput("Select somebody who may decide", field="to")
            return why_not(unit, task, order.to or "")
        if order.operation is Bulk.DUE and order.days not in DUE_DAYS:
            raise BadInput("Select when an answer is due", field="days")
        return None

    def reviewers(self, actor: Actor) -> list[str]:
        """The names of the accounts that may decide, for handing over."""
        check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.reading() as unit:
            return _deciders(unit)

    def find(self, actor: Actor, text: str) -> tuple[TaskSummary, ...]:
        """The tasks about the people who carry a number: an NHS number, or a number of any hospital.

        Raises `NotAllowed`, and `BadInput` without a number.
        """
        check_actor(actor, Permission.VIEW_QUEUE)
        check_actor(actor, Permission.SEARCH)
        text = storable(text.strip())
        if not text:
            raise BadInput("Enter a task number, an NHS number or a hospital number", field="number")
        with self._store.reading() as unit:
            records = {record.id for record in unit.records.with_local_id(text) if not record.protected}
            number = normalise(text)
            if number is not None:
                records |= {record.id for record in numbers.carriers(unit, number).records}
            tasks = unit.queue.about(records) if records else []
            visible = unit.queue.visible(reader_of(actor), [task.id for task in tasks])
            found = self._summaries(unit, actor, [task for task in tasks if task.id in visible])
            unit.audit(AuditEvent(actor, Action.SEARCHED, detail={"by": "task", "tasks": [one.id for one in found]}))
        return found

    def views(self, actor: Actor) -> list[StoredView]:
        """The actor's saved views by name."""
        check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.reading() as unit:
            return unit.queue.views(actor.name)

    def keep_view(self, actor: Actor, name: str, wanted: QueueFilter) -> None:
        """Save a filter under a name; one of the same name is replaced. Raises `BadInput`."""
        check_actor(actor, Permission.VIEW_QUEUE)
        name = storable(name.strip())
        if not name or len(name) > LONGEST_NAME:
            raise BadInput(f"Enter a name of {LONGEST_NAME} characters or fewer", field="name")
        with self._store.writing(identities=False) as unit:
            event = AuditEvent(actor, Action.VIEW_CHANGED, detail={"filter": wanted.as_dict()})
            unit.queue.keep_view(actor.name, name, wanted, event=event)

    def drop_view(self, actor: Actor, view_id: int) -> None:
        """Forget one of the actor's saved views."""
        check_actor(actor, Permission.VIEW_QUEUE)
        with self._store.writing(identities=False) as unit:
            unit.queue.drop_view(actor.name, view_id, event=AuditEvent(actor, Action.VIEW_CHANGED))


def next_of(unit: UnitOfWork, actor: Actor, after: int) -> StoredTask | None:
    """The task that the actor should do next; None: there is none."""
    return next(iter(_candidates(unit, actor, after)), None)


def _candidates(unit: UnitOfWork, actor: Actor, after: int) -> list[StoredTask]:
    tasks = unit.queue.next(reader_of(actor), after, most=20)
    return [task for task in tasks if actor.name not in task.evidence.get(NOT_BY, ())]


def _seen(unit: UnitOfWork, actor: Actor, task_id: int) -> StoredTask:
    task = unit.tasks.get(task_id)
    if task is None or not unit.tasks.is_shown(task):
        raise NotFound(f"there is no review task {task_id}")
    scope.check_records(unit, actor, (task.left_record, task.right_record))
    return task


def why_not(unit: UnitOfWork, task: StoredTask, name: str) -> str | None:
    """Why an account may not be the one who decides this task; None: it may."""
    if name in task.evidence.get(NOT_BY, ()):
        return "nobody decides about what they did themselves"
    if task.state is not TaskState.CLOSED and any(v.by == name and v.counts for v in unit.tasks.verdicts(task.id)):
        return "its next reader must be somebody else"
    return None


def check_may_answer(unit: UnitOfWork, actor: Actor, task: StoredTask) -> None:
    """Raise `NotAllowed` or `Conflict` where somebody else must answer this task."""
    if task.type is TaskType.GATE_HOLD:
        raise Conflict("an outside study is decided on its own page")
    why = why_not(unit, task, actor.name)
    if why is not None:
        raise NotAllowed(why)
    if task.owner not in (None, actor.name):
        raise Conflict(f"{task.owner} has taken this task")


def _deciders(unit: UnitOfWork) -> list[str]:
    return [one.name for one in unit.accounts.all() if one.locked_at is None and can(one.role, Permission.DECIDE)]


_GIVING = {Bulk.TAKE: Action.TASK_TAKEN, Bulk.LET_GO: Action.TASK_LET_GO, Bulk.ASSIGN: Action.TASK_ASSIGNED}
_OVERTAKEN = "somebody else was faster"


def _carry_out(unit: UnitOfWork, actor: Actor, order: BulkOrder, task: StoredTask) -> str | None:
    if order.operation is Bulk.DUE:
        due_at = clock.stamp(clock.read(unit.now) + timedelta(days=order.days or 0))
        event = AuditEvent(actor, Action.TASK_DUE, detail={"before": task.due_at, "after": due_at})
        return None if unit.queue.set_due(task, due_at, event=event) else _OVERTAKEN
    to = {Bulk.TAKE: actor.name, Bulk.LET_GO: None, Bulk.ASSIGN: order.to}[order.operation]
    return None if _give(unit, actor, task, to, _GIVING[order.operation]) else _OVERTAKEN


def _give(unit: UnitOfWork, actor: Actor, task: StoredTask, to: str | None, action: Action = Action.TASK_TAKEN) -> bool:
    event = AuditEvent(actor, action, detail={"before": task.owner, "after": to})
    return unit.queue.give(task, to, event=event)

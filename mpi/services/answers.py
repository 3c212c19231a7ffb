"""What an answer to a review task does to the index, inside the caller's unit of work."""

from dataclasses import dataclass

from mpi.domain.audit import Action
from mpi.domain.errors import BadInput, Conflict
from mpi.domain.replay import Kind, Statement
from mpi.domain.review import ReasonCode, TaskType, Verdict
from mpi.services import identity
from mpi.services.held import Held
from mpi.services.identity import Cause
from mpi.store.persons import MANUAL
from mpi.store.tasks import StoredTask
from mpi.store.unit_of_work import UnitOfWork

MOST_APART = 400
"""A split marks every record that goes as different from every one that stays: so many pairs at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer says. `days`: when the hospital's answer is due. `go`: the records that leave, in a split.

    `seen` is the mark of the page that was answered (`TaskView.mark`); None: whatever it is now.
    """

    verdict: Verdict
    reason: str
    code: ReasonCode | None = None
    days: int | None = None
    go: frozenset[int] = frozenset()
    seen: str | None = None


class Answers:
    """Carries answers out."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def carry_out(self, unit: UnitOfWork, task: StoredTask, answer: Answer, cause: Cause) -> None:
        """Do what the answer says. Raises `Conflict` where the index does not allow it."""
        if answer.verdict is Verdict.SAME:
            self._same(unit, task, cause, answer.reason)
        elif answer.verdict is Verdict.DIFFERENT:
            self._different(unit, task, cause, answer.reason)
        elif answer.verdict is Verdict.REUSED:
            self._held.give_away(unit, task, cause)
        elif answer.verdict is Verdict.SPLIT:
            _split(unit, task, answer, cause)

    def take_back(self, unit: UnitOfWork, task: StoredTask, verdict: Verdict, cause: Cause) -> None:
        """Undo what an answer did to a held update or a deletion."""
        self._held.take_back(unit, task, verdict, cause)

    def _same(self, unit: UnitOfWork, task: StoredTask, cause: Cause, reason: str) -> None:
        if task.type is TaskType.UNVERIFIED_NUMBER:
            return
        if not self._held.release(unit, task, cause):
            one, other = persons_of(unit, task)
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
        _settle_apart(unit, {left.id}, {right.id}, cause, but=task.id)


def persons_of(unit: UnitOfWork, task: StoredTask) -> tuple[int | None, int | None]:
    """The persons of both sides; None for a side without."""
    left = identity.person_of(unit, task.left_record) if task.left_record is not None else None
    right = identity.person_of(unit, task.right_record) if task.right_record is not None else None
    return left, right


def _split(unit: UnitOfWork, task: StoredTask, answer: Answer, cause: Cause) -> None:
    """Let the chosen records leave together: one person becomes two, kept apart for good."""
    one, other = persons_of(unit, task)
    if one is None or other != one:
        raise Conflict("the records are of two persons already")
    members = {link.record_id for link in unit.persons.members([one])}
    go, stay = sorted(members & answer.go), sorted(members - answer.go)
    if not go or not stay or len(go) != len(answer.go):
        raise BadInput("Select the records that go, and leave at least one", field="go")
    if len(go) * len(stay) > MOST_APART:
        raise Conflict("these are too many records to split at once; take them apart in several steps")
    for record_id in go:
        for left in stay:
            identity.separate(unit, record_id, left, cause, answer.reason)
    for record_id in go[1:]:
        first, next_ = (identity.person_of(unit, r) for r in (go[0], record_id))
        if first is None or next_ is None:
            raise AssertionError("a record that left a person has one of its own")
        identity.join(unit, first, next_, cause, answer.reason, about=(go[0], record_id))
    _settle_apart(unit, set(go), set(stay), cause, but=task.id)


def _settle_apart(unit: UnitOfWork, some: set[int], others: set[int], cause: Cause, *, but: int) -> None:
    """Close the other questions whether some of these are one person: it has been said that they are not."""
    for task in unit.tasks.open_of(sorted(some)):
        sides = {task.left_record, task.right_record}
        asks = task.type in _OF_PAIRS and bool(sides & some) and bool(sides & others)
        if asks and task.id != but:
            event = cause.event(Action.TASK_DECIDED, reason="settled by another decision")
            unit.tasks.settle(task, event=event)


_OF_PAIRS = frozenset(
    {TaskType.POSSIBLE_DUPLICATE, TaskType.NHS_NUMBER_TWO_PERSONS, TaskType.TWO_NHS_NUMBERS, TaskType.BROKEN_CLUSTER}
)


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

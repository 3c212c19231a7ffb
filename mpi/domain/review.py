"""Review tasks: what a human is asked, how urgent each kind is, the states a task passes, the verdicts."""

from dataclasses import dataclass
from enum import StrEnum

from mpi.domain.errors import Conflict


class TaskType(StrEnum):
    """What kind of question a task asks. Stored: values never change."""

    POSSIBLE_DUPLICATE = "possible-duplicate"
    NHS_NUMBER_TWO_PERSONS = "nhs-number-on-two-persons"
    TWO_NHS_NUMBERS = "two-nhs-numbers-on-one-person"
    BROKEN_CLUSTER = "broken-cluster"
    HELD_MERGE = "held-merge"
    HELD_LINK = "held-link"
    HELD_MOVE = "held-move"
    POSSIBLE_OVERLAY = "possible-overlay"
    REUSED_NUMBER = "reused-number"
    DELETED_NUMBER = "deleted-number"
    TRACE_CONFLICT = "trace-conflict"
    UNVERIFIED_NUMBER = "unverified-number"
    GATE_HOLD = "gate-hold"


class Sample(StrEnum):
    """Why a task stands in the queue that nobody asked: drawn at random among what was decided without a human.

    No page tells: a verdict measures the index only where the reviewer does not know. Stored: values never change.
    """

    LINK = "link"
    NON_LINK = "non-link"


NOT_BY = "not_by"
"""In the evidence of a task: names of accounts that may not answer it, for it asks about what they did themselves."""


class TaskState(StrEnum):
    """Where a task is. Stored: values never change.

    `second` waits for an independent second reader, `tie-break` for a third because two of them differed; `waiting`
    means that the site was asked.
    """

    OPEN = "open"
    SECOND = "second"
    TIE_BREAK = "tie-break"
    WAITING = "waiting"
    CLOSED = "closed"


TO_DECIDE = (TaskState.OPEN, TaskState.SECOND, TaskState.TIE_BREAK)
"""States in which a task is some reviewer's to decide now."""


class Verdict(StrEnum):
    """What a reviewer answers."""

    SAME = "same-person"
    DIFFERENT = "different-people"
    NOT_SURE = "not-sure"
    REUSED = "number-reused"
    """The number has been given to somebody else: only of updates that are held."""
    SPLIT = "split"
    """Some of one person's records are somebody else's: those that were chosen go."""
    CORRECT_SOURCE = "correct-source"
    """A hospital must put its record right first: it was told what to look at."""


ASKING = frozenset({Verdict.NOT_SURE, Verdict.CORRECT_SOURCE})
"""Answers after which a hospital has been asked, and the task waits."""


class ReasonCode(StrEnum):
    """Why a reviewer decided so, to be counted. Stored: values never change."""

    TYPING = "typing-error"
    NAME_CHANGED = "name-changed"
    MOVED = "moved-house"
    NUMBER_MISTYPED = "number-mistyped"
    SITE_CONFIRMED = "site-confirmed"
    TWIN = "twin-or-sibling"
    RELATIVE = "parent-or-child"
    HOUSEHOLD = "same-household"
    NAMESAKE = "namesake"
    WRONG_PATIENT = "wrong-patient-open"
    NUMBER_TWICE = "number-given-twice"
    TOO_LITTLE = "too-little-recorded"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of every task of one type.

    `risk` (1 to 9): how much harm it does while nobody answers; overlay comes before split. `days`: when an answer is
    due, counted from when it was asked. `pair`: it asks whether two records are one person, which is judged blind.
    """

    risk: int
    days: int
    pair: bool = True


KINDS: dict[TaskType, Kind] = {
    TaskType.POSSIBLE_OVERLAY: Kind(9, 1),
    TaskType.REUSED_NUMBER: Kind(9, 1),
    TaskType.NHS_NUMBER_TWO_PERSONS: Kind(8, 2),
    TaskType.BROKEN_CLUSTER: Kind(8, 2),
    TaskType.HELD_MERGE: Kind(7, 2),
    TaskType.HELD_MOVE: Kind(7, 2),
    TaskType.HELD_LINK: Kind(6, 2),
    TaskType.GATE_HOLD: Kind(6, 1, pair=False),
    TaskType.TWO_NHS_NUMBERS: Kind(5, 7),
    TaskType.TRACE_CONFLICT: Kind(5, 7, pair=False),
    TaskType.POSSIBLE_DUPLICATE: Kind(3, 14),
    TaskType.DELETED_NUMBER: Kind(2, 14, pair=False),
    TaskType.UNVERIFIED_NUMBER: Kind(1, 28, pair=False),
}


def priority(type_: TaskType, *, recent: bool, restricted: bool) -> int:
    """How far up a task stands: by the risk of its type, then whether its people are being seen now, then restricted.

    The weight has no part in it: the place in the queue must not tell what the index thinks.
    """
    return KINDS[type_].risk * 4 + 2 * recent + restricted


class Step(StrEnum):
    """What happens to a task."""

    DECIDED = "decided"
    FIRST_VOTE = "first of two votes"
    VOTES_DIFFER = "votes differ"
    NOT_SURE = "not sure"
    SETTLED = "settled by another decision"
    TAKEN_BACK = "answer taken back"
    CHANGED = "what it asks about has changed"


TRANSITIONS: dict[tuple[TaskState, Step], TaskState] = {
    (TaskState.OPEN, Step.DECIDED): TaskState.CLOSED,
    (TaskState.OPEN, Step.FIRST_VOTE): TaskState.SECOND,
    (TaskState.OPEN, Step.NOT_SURE): TaskState.WAITING,
    (TaskState.OPEN, Step.SETTLED): TaskState.CLOSED,
    (TaskState.SECOND, Step.DECIDED): TaskState.CLOSED,
    (TaskState.SECOND, Step.VOTES_DIFFER): TaskState.TIE_BREAK,
    (TaskState.SECOND, Step.CHANGED): TaskState.OPEN,
    (TaskState.SECOND, Step.NOT_SURE): TaskState.WAITING,
    (TaskState.SECOND, Step.SETTLED): TaskState.CLOSED,
    (TaskState.TIE_BREAK, Step.DECIDED): TaskState.CLOSED,
    (TaskState.TIE_BREAK, Step.VOTES_DIFFER): TaskState.TIE_BREAK,
    (TaskState.TIE_BREAK, Step.CHANGED): TaskState.OPEN,
    (TaskState.TIE_BREAK, Step.NOT_SURE): TaskState.WAITING,
    (TaskState.TIE_BREAK, Step.SETTLED): TaskState.CLOSED,
    (TaskState.WAITING, Step.DECIDED): TaskState.CLOSED,
    (TaskState.WAITING, Step.FIRST_VOTE): TaskState.SECOND,
    (TaskState.WAITING, Step.VOTES_DIFFER): TaskState.TIE_BREAK,
    (TaskState.WAITING, Step.NOT_SURE): TaskState.WAITING,
    (TaskState.WAITING, Step.SETTLED): TaskState.CLOSED,
    (TaskState.CLOSED, Step.TAKEN_BACK): TaskState.OPEN,
}


def next_state(state: TaskState, step: Step) -> TaskState:
    """The state after `step`; raises `Conflict` when a task in `state` does not take it."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise Conflict(f"a task that is {state.value} cannot be {step.value}") from None

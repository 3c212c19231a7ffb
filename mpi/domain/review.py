"""Review tasks: what a human is asked, the states a task passes, the verdicts a reviewer gives."""

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


class TaskState(StrEnum):
    """Where a task is. `waiting` means that the site was asked."""

    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What a reviewer answers."""

    SAME = "same-person"
    DIFFERENT = "different-people"
    NOT_SURE = "not-sure"
    REUSED = "number-reused"
    """The number has been given to somebody else: only of updates that are held."""


TRANSITIONS: dict[tuple[TaskState, Verdict], TaskState] = {
    (TaskState.OPEN, Verdict.SAME): TaskState.CLOSED,
    (TaskState.OPEN, Verdict.DIFFERENT): TaskState.CLOSED,
    (TaskState.OPEN, Verdict.REUSED): TaskState.CLOSED,
    (TaskState.OPEN, Verdict.NOT_SURE): TaskState.WAITING,
    (TaskState.WAITING, Verdict.SAME): TaskState.CLOSED,
    (TaskState.WAITING, Verdict.DIFFERENT): TaskState.CLOSED,
    (TaskState.WAITING, Verdict.REUSED): TaskState.CLOSED,
    (TaskState.WAITING, Verdict.NOT_SURE): TaskState.WAITING,
}


def next_state(state: TaskState, verdict: Verdict) -> TaskState:
    """The state after `verdict`; raises `Conflict` when a task in `state` takes none."""
    try:
        return TRANSITIONS[state, verdict]
    except KeyError:
        raise Conflict(f"a task that is {state.value} takes no verdict") from None

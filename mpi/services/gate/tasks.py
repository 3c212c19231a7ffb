"""The review task about a study: opened while a human must decide, closed when the study is decided.

It names no record: a question about a study is none about the identity of its person, and must not hold other studies.
"""

from collections.abc import Sequence

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.review import TaskType
from mpi.store.tasks import NewTask, StoredTask
from mpi.store.unit_of_work import UnitOfWork


def ask(
    unit: UnitOfWork,
    actor: Actor,
    study_uid: str,
    reason: str,
    *,
    failed: Sequence[str] = (),
    candidates: Sequence[str] = (),
) -> None:
    """Ask a human about a study; where one is asked already, the task says what is so now.

    `failed` are rules, `candidates` the enterprise ids of persons it could be.
    """
    evidence = {"why": reason, "failed": list(failed), "candidates": list(candidates)}
    task = NewTask(TaskType.GATE_HOLD, None, None, reason, evidence=evidence, study_uid=study_uid)
    event = AuditEvent(actor, Action.TASK_OPENED, study_uid=study_uid, detail={"type": task.type.value})
    known = open_task(unit, study_uid)
    if known is None:
        unit.tasks.open(task, event=event)
    elif known.evidence != evidence:
        unit.tasks.replace_evidence(known, evidence, event=event)


def settle(unit: UnitOfWork, actor: Actor, study_uid: str, reason: str) -> None:
    """Close the question about a study: it was decided."""
    known = open_task(unit, study_uid)
    if known is not None:
        event = AuditEvent(actor, Action.TASK_DECIDED, study_uid=study_uid, reason=reason)
        unit.tasks.settle(known, event=event)


def open_task(unit: UnitOfWork, study_uid: str) -> StoredTask | None:
    """The task about a study that is not closed; None when nobody is asked."""
    return unit.tasks.same_question(NewTask(TaskType.GATE_HOLD, None, None, "", study_uid=study_uid))

"""What becomes of a study that was checked: in doubt, cleared, detached, refused, let in again."""

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.study import GateDecision, StudyHeader
from mpi.domain.study_life import Doubt
from mpi.domain.study_override import OverrideStep
from mpi.services.gate import tasks
from mpi.services.gate.attached import speaks_of_another
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import UnitOfWork

_EVENTS = {
    OverrideStep.CONFIRM: Action.OVERRIDE_CONFIRMED,
    OverrideStep.EXPIRE: Action.OVERRIDE_EXPIRED,
    OverrideStep.REVOKE: Action.OVERRIDE_REVOKED,
}
_ALERTS = {
    Doubt.CONFLICT: "The study is attached, and an object of it names another patient.",
    Doubt.OVERRIDE: "The study is attached, and the override that it was attached by holds no longer.",
    Doubt.INDEX: "The study is attached, and what it stands on does not hold any more.",
}


def doubt(unit: UnitOfWork, actor: Actor, study: StoredStudy, header: StudyHeader, reasons: str) -> None:
    """Let an attached study wait, since a check of it does not attach; what waits for a human already stays so.

    Where the header is not the one that it was attached by, the objects speak of different patients: stop, and alert.
    """
    why = Doubt.CONFLICT if speaks_of_another(unit, study, header) else Doubt.INDEX
    if study.doubt in (Doubt.CONFLICT, Doubt.OVERRIDE, why):
        return
    event = AuditEvent(actor, Action.STUDY_DOUBTED, record_id=study.record_id, detail={"doubt": why.value})
    unit.studies.doubt(study, why, reasons, event=event)
    tasks.ask(unit, actor, study.study_uid, f"{_ALERTS[why]} {reasons}")


def end_override(unit: UnitOfWork, actor: Actor, study_uid: str, step: OverrideStep, reason: str) -> None:
    """Expire or revoke the override that a study stands on, if there is one."""
    found = unit.overrides.standing(study_uid)
    if found is not None:
        unit.overrides.close(found, step, reason, event=AuditEvent(actor, _EVENTS[step], reason=reason))


def let_fall(unit: UnitOfWork, actor: Actor, study: StoredStudy, step: OverrideStep, reason: str) -> None:
    """End an override because it holds no longer: what it attached waits for a human, and is moved nowhere."""
    end_override(unit, actor, study.study_uid, step, reason)
    if study.person_id is not None and study.doubt is not Doubt.CONFLICT:
        event = AuditEvent(actor, Action.STUDY_DOUBTED, record_id=study.record_id, detail={"doubt": "override"})
        unit.studies.doubt(study, Doubt.OVERRIDE, reason, event=event)
    tasks.ask(unit, actor, study.study_uid, f"{_ALERTS[Doubt.OVERRIDE] if study.person_id else ''} {reason}".strip())


def detach(unit: UnitOfWork, actor: Actor, study: StoredStudy, reason: str) -> None:
    """Take a study away from its person, and an override back: it is held, and only a human lets it in again."""
    end_override(unit, actor, study.study_uid, OverrideStep.REVOKE, reason)
    event = AuditEvent(actor, Action.STUDY_DETACHED)
    unit.studies.take_away(study, GateDecision.HOLD, reason, event=event)
    tasks.ask(unit, actor, study.study_uid, "The study was detached from its person: whose is it?")

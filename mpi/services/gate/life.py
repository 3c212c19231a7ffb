"""What becomes of a study that was checked: in doubt, cleared, detached, refused, let in again."""

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.study import StudyHeader
from mpi.domain.study_life import Doubt
from mpi.services.gate import tasks
from mpi.services.gate.evidence import header_of
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import UnitOfWork

_ALERTS = {
    Doubt.CONFLICT: "The study is attached, and an object of it names another patient.",
    Doubt.INDEX: "The study is attached, and what it stands on does not hold any more.",
}
_PATIENT = ("patient_id", "other_patient_ids", "family_name", "given_name", "birth_date", "sex", "several_patients")


def doubt(unit: UnitOfWork, actor: Actor, study: StoredStudy, header: StudyHeader, reasons: str) -> None:
    """Let an attached study wait, since a check of it does not attach; what waits for a human already stays so.

    Where the header is not the one that it was attached by, the objects speak of different patients: stop, and alert.
    """
    why = Doubt.CONFLICT if _speaks_of_another(unit, study, header) else Doubt.INDEX
    if study.doubt in (Doubt.CONFLICT, why):
        return
    event = AuditEvent(actor, Action.STUDY_DOUBTED, record_id=study.record_id, detail={"doubt": why.value})
    unit.studies.doubt(study, why, reasons, event=event)
    tasks.ask(unit, actor, study.study_uid, f"{_ALERTS[why]} {reasons}")


def _speaks_of_another(unit: UnitOfWork, study: StoredStudy, header: StudyHeader) -> bool:
    if study.check_id is None:
        return True
    attached_by = header_of(unit.studies.check(study.check_id).header)
    return any(getattr(attached_by, name) != getattr(header, name) for name in _PATIENT)

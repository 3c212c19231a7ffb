"""What may be done with the objects of a study now: go on in the name of a local patient, wait, or be turned away."""

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.study import GateDecision
from mpi.domain.study_life import Doubt, LocalPatient, Standing
from mpi.services.gate.attached import holding_override
from mpi.services.gate.known import known
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import Store, UnitOfWork

_REASONS = {
    GateDecision.HOLD: "It is held: a person must decide whose it is.",
    GateDecision.REFUSE: "It was refused.",
}
_DOUBTS = {
    Doubt.CONFLICT: "It is attached, and its objects speak of different patients: a person must settle it.",
    Doubt.OVERRIDE: "It is attached by an override that holds no longer: a person must look.",
    Doubt.INDEX: "It is attached, and the rules do not hold any more: a person must look.",
}


def standing(store: Store, config: Config, actor: Actor, study_uid: str, domain: str | None) -> Standing:
    """As `Gate.standing` says."""
    with store.reading() as unit:
        study = known(unit, actor, study_uid)
        found = _standing(unit, config, study, domain)
        if found.patient is not None:
            unit.audit(AuditEvent(actor, Action.STUDY_READ, person_id=study.person_id, study_uid=study_uid))
        return found


def _standing(unit: UnitOfWork, config: Config, study: StoredStudy, domain: str | None) -> Standing:
    patient, decision = None, study.decision
    if study.person_id is None:
        reason = _REASONS.get(decision, _REASONS[GateDecision.HOLD])
    elif study.doubt is not None:
        decision, reason = GateDecision.HOLD, _DOUBTS[study.doubt]
    elif not study.verified and holding_override(unit, study) is None:
        decision, reason = GateDecision.HOLD, _DOUBTS[Doubt.OVERRIDE]
    else:
        patient, reason = _patient(unit, config, study, domain)
        decision = GateDecision.ATTACH if patient else GateDecision.HOLD
    return Standing(
        study_uid=study.study_uid,
        decision=decision,
        patient=patient,
        verified=study.verified,
        readable=study.readable and decision is GateDecision.HOLD,
        origin=study.origin,
        reason=reason,
        cursor=unit.studies.last_step(study.study_uid),
    )


def _patient(
    unit: UnitOfWork, config: Config, study: StoredStudy, domain: str | None
) -> tuple[LocalPatient | None, str]:
    """Whom the objects are to name, and why nobody where that is so.

    A person may stand twice in a domain: then only the number that the study was attached by can be meant.
    """
    own = unit.records.get([study.record_id]).get(study.record_id) if study.record_id is not None else None
    record = unit.records.survivor(own) if own is not None else None
    if record is None or not _stands(record):
        return None, "The number it was attached by is not in use any more."
    link = unit.persons.current_link(record.id)
    holder = unit.persons.get([study.person_id or 0])[study.person_id or 0]
    if link is None or link.person_id != unit.persons.survivor(holder).id:
        return None, "The number it was attached by belongs to somebody else now."
    if domain is not None and domain != record.authority:
        members = unit.records.get(one.record_id for one in unit.persons.members([link.person_id]))
        there = [one for one in members.values() if one.authority == domain and _stands(one)]
        if len(there) != 1:
            found = "no number" if not there else "more than one number"
            return None, f"The person has {found} at {domain}."
        record = there[0]
    person = unit.persons.get([link.person_id])[link.person_id].enterprise_id
    authority = config.authority(record.authority)
    oid = authority.oid if authority else None
    patient = LocalPatient(person, record.authority, oid, record.local_id, record.recorded)
    return patient, "It is attached."


def _stands(record: StoredRecord) -> bool:
    return record.status == ACTIVE and not record.protected

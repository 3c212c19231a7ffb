"""Judging a study that is attached: by its numbers, or by the override that it stands on."""

from dataclasses import replace

from mpi.config import Config
from mpi.domain.study import NO_ARRIVAL, Arrival, GateDecision, StudyHeader, header_of
from mpi.domain.study_override import OverrideState
from mpi.matching.gate_policy import GatePolicy
from mpi.services.gate.judge import Judged, judge
from mpi.store.studies import StoredStudy
from mpi.store.study_overrides import StoredOverride
from mpi.store.unit_of_work import UnitOfWork

_PATIENT = ("patient_id", "other_patient_ids", "family_name", "given_name", "birth_date", "sex", "several_patients")


def holding_override(unit: UnitOfWork, study: StoredStudy) -> StoredOverride | None:
    """The override that a study stands on, if it holds now: confirmed, or open and its time not over.

    It holds for the person it was made for: where the number has gone to somebody else with the study, it does not.
    """
    found = unit.overrides.standing(study.study_uid)
    if found is None or (found.state is OverrideState.OPEN and found.holds_until <= unit.now):
        return None
    if study.person_id is not None and holder(unit, study.person_id) != holder(unit, found.person_id):
        return None
    return found


def holder(unit: UnitOfWork, person_id: int) -> int:
    """The person that stands for `person_id` now."""
    return unit.persons.survivor(unit.persons.get([person_id])[person_id]).id


def judge_study(
    unit: UnitOfWork, config: Config, policy: GatePolicy, header: StudyHeader, arrival: Arrival = NO_ARRIVAL
) -> Judged:
    """What `policy` says of an object of a study; one that is attached by an override is judged by what it covers.

    An override covers the very patient it was made for: an object that names its patient otherwise is judged without.
    """
    study = unit.studies.get(header.study_uid)
    override = holding_override(unit, study) if study is not None and study.person_id is not None else None
    if study is None or study.person_id is None or override is None or speaks_of_another(unit, study, header):
        return judge(unit, config, policy, header, arrival=arrival)
    judged = judge(unit, config, policy, header, chosen=holder(unit, study.person_id), arrival=arrival)
    if set(judged.unmet) <= set(override.rules):
        return replace(judged, decision=GateDecision.ATTACH, record_id=study.record_id, verified=study.verified)
    return judged


def speaks_of_another(unit: UnitOfWork, study: StoredStudy, header: StudyHeader) -> bool:
    """Whether a header names its patient otherwise than the one that the study was attached by."""
    if study.check_id is None:
        return True
    attached_by = header_of(unit.studies.check(study.check_id).header)
    return any(getattr(attached_by, name) != getattr(header, name) for name in _PATIENT)

"""One study on a page: its header beside the people it could belong to, the rules as they are judged now, the acts."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import NotAllowed, NotFound
from mpi.domain.roles import Permission, check_actor, permitted, reaches, role_of
from mpi.domain.study import GateDecision, StudyHeader, header_of
from mpi.domain.study_override import Override, OverrideState
from mpi.domain.study_view import Agreement, FieldAgainst, StudyAct, StudyView
from mpi.matching.fold import letters_and_digits
from mpi.matching.gate_overrides import allowance
from mpi.matching.gate_policy import KINDS, GatePolicy
from mpi.services import protected, views
from mpi.services.gate.judge import Judged, judge
from mpi.services.gate.known import known
from mpi.services.gate.overrides import Overrides
from mpi.services.studies.lists import line_of
from mpi.services.views import RecordView
from mpi.store.records import ACTIVE
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import Store, UnitOfWork

_SEXES = {"male": "M", "female": "F", "other": "O"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person that a study could belong to, with the records that the header is held against."""

    enterprise_id: str
    records: tuple[RecordView, ...]
    fields: tuple[FieldAgainst, ...]


@dataclass(frozen=True, slots=True)
class StudyPage:
    """A study and the people it could be of."""

    view: StudyView
    candidates: tuple[Candidate, ...]


class StudyViews:
    """Shows single studies. Every look at a person by way of a study is in the audit trail."""

    def __init__(self, store: Store, config: Config, policy: GatePolicy, overrides: Overrides) -> None:
        self._store = store
        self._config = config
        self._policy = policy
        self._overrides = overrides

    def study(self, actor: Actor, study_uid: str) -> StudyPage:
        """The page of a study; raises `NotFound`, and `NotAllowed` where its person is out of reach."""
        check_actor(actor, Permission.VIEW_STUDY)
        overrides = tuple(self._overrides.of_study(actor, study_uid))
        with self._store.reading() as unit:
            study = known(unit, actor, study_uid)
            last = unit.studies.latest_check(study_uid)
            if last is None:
                raise NotFound("the gate has not checked this study")
            check = unit.studies.check(study.check_id) if study.check_id is not None else last
            header = header_of(check.header)
            judged = judge(unit, self._config, self._policy, header, let_in=True)
            candidates = self._candidates(unit, actor, study, header, judged)
            view = StudyView(
                line_of(unit, study),
                header,
                judged.decision,
                judged.rules,
                tuple(unit.studies.history(study_uid)),
                overrides,
                self._acts(actor, study, judged, overrides),
                self._codes(actor, judged),
            )
            for one in candidates:
                person = unit.persons.by_enterprise_id(one.enterprise_id)
                person_id = person.id if person else None
                unit.audit(AuditEvent(actor, Action.STUDY_READ, person_id=person_id, study_uid=study_uid))
        return StudyPage(view, candidates)

    def _candidates(
        self, unit: UnitOfWork, actor: Actor, study: StoredStudy, header: StudyHeader, judged: Judged
    ) -> tuple[Candidate, ...]:
        ids: dict[str, None] = {}
        if study.person_id is not None:
            standing = unit.persons.survivor(unit.persons.get([study.person_id])[study.person_id])
            ids[standing.enterprise_id] = None
        ids.update(dict.fromkeys(judged.candidates))
        found = []
        for enterprise_id in ids:
            person = unit.persons.by_enterprise_id(enterprise_id)
            if person is None or protected.is_hidden(unit, person.id):
                continue
            members = [link.record_id for link in unit.persons.members([person.id])]
            if not reaches(actor, (record.authority for record in unit.records.get(members).values())):
                continue
            records = [one for one in views.records_of_person(unit, self._config, person.id) if one.status == ACTIVE]
            fields = tuple(_against(header, records))
            found.append(Candidate(enterprise_id, tuple(records), fields))
        return tuple(found)

    def _acts(
        self, actor: Actor, study: StoredStudy, judged: Judged, overrides: tuple[Override, ...]
    ) -> frozenset[StudyAct]:
        """What this actor may do with the study as it stands."""
        if not permitted(actor, Permission.DECIDE_STUDY):
            return frozenset()
        acts = set()
        standing = overrides[-1] if overrides else None
        state = standing.state if standing else None
        if study.person_id is None:
            if state is not OverrideState.OPEN:
                acts.add(StudyAct.RELEASE if judged.decision is GateDecision.ATTACH else StudyAct.OVERRIDE)
            if not (study.set_aside and study.decision is GateDecision.REFUSE):
                acts.add(StudyAct.REFUSE)
        else:
            acts.add(StudyAct.DETACH)
            if study.doubt is not None and judged.decision is GateDecision.ATTACH:
                acts.add(StudyAct.KEEP)
        if standing is not None and state is OverrideState.OPEN and standing.made_by != actor.name:
            acts.add(StudyAct.CONFIRM)
        if state is OverrideState.OPEN or (state is OverrideState.CONFIRMED and study.person_id is not None):
            acts.add(StudyAct.REVOKE)
        if StudyAct.OVERRIDE in acts and not self._codes(actor, judged):
            acts.discard(StudyAct.OVERRIDE)
        return frozenset(acts)

    def _codes(self, actor: Actor, judged: Judged) -> tuple[str, ...]:
        """The reason codes by which this role could override all that does not hold now, at some site."""
        failed = judged.unmet
        every = sorted({code for rule in self._policy.overrides for code in rule.reasons})
        return tuple(code for code in every if failed and self._allows(actor, failed, code))

    def _allows(self, actor: Actor, failed: list[str], code: str) -> bool:
        for authority in self._config.authorities:
            try:
                allowance(self._policy.overrides, KINDS, failed, role_of(actor), authority.code, code)
            except NotAllowed:
                continue
            return True
        return False


def _against(header: StudyHeader, records: list[RecordView]) -> list[FieldAgainst]:
    """Each field of the header beside what the records say."""
    number = header.patient_id
    issued = f"{number.value} ({number.issuer or number.issuer_oid or 'no issuer'})" if number else None
    said: list[tuple[str, str | None, list[str | None]]] = [
        ("Family name", header.family_name, [one.recorded.family_name for one in records]),
        ("Given name", header.given_name, [one.recorded.given_name for one in records]),
        ("Further given names", header.middle_name, [one.recorded.middle_names for one in records]),
        ("Date of birth", header.birth_date, [one.recorded.birth_date for one in records]),
        ("Sex", header.sex, [_SEXES.get(one.recorded.sex or "", one.recorded.sex) for one in records]),
        ("Number", issued, [f"{one.local_id} ({one.authority})" for one in records]),
        ("NHS number", _nhs(header), [one.nhs_number for one in records]),
    ]
    return [FieldAgainst(label, own, tuple((text, _agree(own, text)) for text in texts)) for label, own, texts in said]


def _nhs(header: StudyHeader) -> str | None:
    every = (*((header.patient_id,) if header.patient_id else ()), *header.other_patient_ids)
    return next((one.value for one in every if (one.issuer or "").upper() in ("NHS", "NH")), None)


def _agree(one: str | None, other: str | None) -> Agreement:
    if not one or not other:
        return Agreement.NOT_SAID
    return Agreement.SAME if letters_and_digits(one) == letters_and_digits(other) else Agreement.DIFFERENT

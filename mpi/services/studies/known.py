"""Where somebody's studies are: what sites have told of, and what the gate has attached.

Whose a study is follows from the number it was told of, at the moment of the question: merges, links, moves and their
undoing need no step of their own. What is in doubt is counted and not told.
"""

import json
from collections.abc import Iterable, Sequence

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, NotFound
from mpi.domain.known_study import KnownStudies, KnownStudy, StudyFilter, StudyState
from mpi.domain.person import Demographics, Identifier
from mpi.domain.roles import Permission, check_actor, reaches
from mpi.domain.text import storable
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.rules import clearly_another
from mpi.services import identity, protected
from mpi.services.query import rows_of
from mpi.store.crosswalk import CrosswalkRow
from mpi.store.known_studies import StoredKnownStudy
from mpi.store.persons import StoredPerson
from mpi.store.studies import StoredStudy
from mpi.store.unit_of_work import Store, UnitOfWork

GATE = "gate"


class PriorStudies:
    """Answers where a person's studies are. Every answer is in the audit trail."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def of_person(
        self, actor: Actor, enterprise_id: str, wanted: StudyFilter, limit: int = 100, offset: int = 0
    ) -> KnownStudies:
        """The studies of a person by enterprise id; of the person that stands for it now. Raises `NotFound`."""
        check_actor(actor, Permission.LIST_STUDIES)
        with self._store.reading() as unit:
            asked = unit.persons.by_enterprise_id(storable(enterprise_id))
            if asked is None:
                raise NotFound("no person has this enterprise id")
            person = unit.persons.survivor(asked)
            protected.check_shown(unit, person.id)
            return self._answer(unit, actor, person, wanted, limit, offset)

    def by_number(
        self, actor: Actor, authority: str, value: str, wanted: StudyFilter, limit: int = 100, offset: int = 0
    ) -> KnownStudies:
        """The studies of whoever has this number. Raises `BadInput` for an unknown authority, and `NotFound`."""
        check_actor(actor, Permission.LIST_STUDIES)
        known = self._config.authority(authority)
        if known is None:
            raise BadInput("the assigning authority is not known", field="authority", code="unknown-authority")
        with self._store.reading() as unit:
            persons = {row.person_id for row in rows_of(unit, self._config, Identifier(known.code, value))}
            if not persons:
                raise NotFound("the identifier is not known")
            if len(persons) > 1:
                raise BadInput(
                    "the number stands on more than one person; a reviewer must look",
                    field="value",
                    code="several-persons",
                )
            person = unit.persons.get(persons)[persons.pop()]
            return self._answer(unit, actor, person, wanted, limit, offset)

    def _answer(
        self, unit: UnitOfWork, actor: Actor, person: StoredPerson, wanted: StudyFilter, limit: int, offset: int
    ) -> KnownStudies:
        rows = unit.crosswalks.of_persons([person.id])
        if not reaches(actor, {row.authority for row in rows}):
            raise NotFound("the person is not known")
        restricted = any(row.restricted for row in rows) or bool(unit.records.restricted_persons({person.id}))
        found, withheld = self._told(unit, person.id, rows)
        every_attached = unit.studies.of_persons([person.id])
        attached = [one for one in every_attached if one.doubt is None and one.verified]
        withheld += len(every_attached) - len(attached)
        every = [*found, *(self._attached(unit, one) for one in attached)]
        if restricted:
            every = [one for one in every if one.site in (actor.sites or ())]
            withheld = 0
        chosen = sorted((one for one in every if _fits(one, wanted)), key=_newest, reverse=True)
        page = tuple(chosen[offset : offset + limit])
        detail = {"told": [one.study_uid for one in page], "withheld": withheld, "restricted": restricted}
        unit.audit(AuditEvent(actor, Action.STUDIES_READ, person_id=person.id, detail=detail))
        return KnownStudies(person.enterprise_id, page, len(chosen), withheld, restricted)

    def _told(self, unit: UnitOfWork, person_id: int, rows: Sequence[CrosswalkRow]) -> tuple[list[KnownStudy], int]:
        """What sites have told of this person's numbers, and of how many studies it is in doubt whose they are."""
        numbers = {row.record_id: Identifier(row.authority, row.local_id) for row in rows}
        stored = unit.known_studies.of_records(numbers.items())
        standing = [one for one in stored if one.state is not StudyState.WITHDRAWN]
        doubtful = self._disputed(unit, person_id, standing) | self._of_another(unit, numbers, standing)
        told = [_known(one) for one in standing if one.study_uid not in doubtful]
        return told, len(doubtful)

    def _disputed(self, unit: UnitOfWork, person_id: int, standing: Iterable[StoredKnownStudy]) -> set[str]:
        """The studies that are told of somebody else too, or that the gate attached to somebody else."""
        uids = {one.study_uid for one in standing}
        others = [one for one in unit.known_studies.with_uids(uids) if one.state is not StudyState.WITHDRAWN]
        whose = {one.study_uid for one in others if self._person_of(unit, one) != person_id}
        for uid in uids - whose:
            study = unit.studies.get(uid)
            if study is not None and study.person_id is not None:
                holder = unit.persons.survivor(unit.persons.get([study.person_id])[study.person_id])
                if holder.id != person_id:
                    whose.add(uid)
        return whose

    def _person_of(self, unit: UnitOfWork, one: StoredKnownStudy) -> int | None:
        record = (
            unit.records.get([one.record_id]).get(one.record_id)
            if one.record_id is not None
            else unit.records.find(one.authority, one.local_id)
        )
        return identity.person_of(unit, unit.records.survivor(record).id) if record else None

    def _of_another(
        self, unit: UnitOfWork, numbers: dict[int, Identifier], standing: Iterable[StoredKnownStudy]
    ) -> set[str]:
        """The studies whose message describes somebody else than the record that they would go to."""
        by_number = {number: record_id for record_id, number in numbers.items()}
        records = unit.records.get(numbers)
        doubtful = set()
        for one in standing:
            record_id = one.record_id or by_number.get(Identifier(one.authority, one.local_id))
            record = records.get(record_id) if record_id is not None else None
            if record is None:
                doubtful.add(one.study_uid)
                continue
            said = _prepared(self._config, one)
            survivor = Prepared.from_json(unit.records.survivor(record).prepared)
            if clearly_another(said, Prepared.from_json(record.prepared)) or clearly_another(said, survivor):
                doubtful.add(one.study_uid)
        return doubtful

    def _attached(self, unit: UnitOfWork, study: StoredStudy) -> KnownStudy:
        """A study from outside that the gate attached, at the site whose number it got."""
        check = unit.studies.check(study.check_id) if study.check_id is not None else None
        header = json.loads(check.header) if check else {}
        record = unit.records.get([study.record_id]).get(study.record_id) if study.record_id is not None else None
        return KnownStudy(
            study.study_uid,
            record.authority if record else "",
            record.local_id if record else "",
            StudyState.AVAILABLE,
            header.get("study_date"),
            header.get("modality"),
            None,
            header.get("accession_number"),
            None,
            study.updated_at,
            GATE,
        )


def _prepared(config: Config, one: StoredKnownStudy) -> Prepared:
    said = Demographics(**json.loads(one.patient))
    return prepare(said, allow_test_numbers=config.admits_test_numbers(one.authority))[0]


def _known(one: StoredKnownStudy) -> KnownStudy:
    return KnownStudy(
        one.study_uid,
        one.authority,
        one.local_id,
        one.state,
        one.study_date,
        one.modality,
        one.description,
        one.accession_number,
        one.accession_issuer,
        one.updated_at,
        one.source,
    )


def _fits(one: KnownStudy, wanted: StudyFilter) -> bool:
    if wanted.study_uids and one.study_uid not in wanted.study_uids:
        return False
    if wanted.modalities and (one.modality or "").upper() not in wanted.modalities:
        return False
    if wanted.site and one.site != wanted.site:
        return False
    date = one.study_date
    if wanted.since and (date is None or date < wanted.since):
        return False
    return not (wanted.until and (date is None or date > wanted.until))


def _newest(one: KnownStudy) -> tuple[str, str, str]:
    return one.study_date or "", one.updated_at, one.study_uid

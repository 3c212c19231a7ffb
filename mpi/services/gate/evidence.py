"""Gathering what the gate's rules are judged on, inside the caller's unit of work."""

from collections.abc import Iterable
from datetime import date

from mpi.config import Authority, Config
from mpi.domain.person import NHS, NOT_A_PERSONS_NUMBER
from mpi.domain.study import NO_ARRIVAL, Arrival, PatientId, StudyHeader, header_of
from mpi.domain.study_life import Doubt
from mpi.matching import nhs_number
from mpi.matching.gate_evidence import (
    Evidence,
    KnownPerson,
    KnownRecord,
    Number,
    NumberState,
    describe_two_people,
)
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.services import numbers
from mpi.services.gate import own
from mpi.store.persons import DECISION
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.unit_of_work import UnitOfWork

TRUSTED_KINDS = ("hospital", "national")


def gather(
    unit: UnitOfWork,
    config: Config,
    header: StudyHeader,
    chosen: int | None = None,
    arrival: Arrival = NO_ARRIVAL,
) -> Evidence:
    """The evidence about `header`: where its numbers lead, what is known of the person and of the study.

    `chosen` is the person a human says it is; None: whom the numbers lead to.
    """
    followed = tuple(_follow(unit, config, one) for one in _ids(header))
    study = unit.studies.get(header.study_uid)
    holder = _survivors(unit, [study.person_id]) if study and study.person_id is not None else frozenset()
    return Evidence(
        header=header,
        numbers=followed,
        person=_person(unit, followed) if chosen is None else _known(unit, chosen),
        chosen=chosen is not None,
        arrival=arrival,
        own_sign=own.sign_of(unit, config, header),
        own_persons=own.made_of(unit, config, header.study_uid),
        study_person=next(iter(holder), None),
        earlier_persons=_survivors(unit, unit.studies.persons_of_checks(header.study_uid)),
        today=date.fromisoformat(unit.now[:10]),
        earlier_headers=tuple(header_of(text) for text in unit.studies.headers(header.study_uid)),
        set_aside=study is not None and (study.set_aside or study.doubt is Doubt.CONFLICT),
    )


def hinted(unit: UnitOfWork, config: Config, header: StudyHeader) -> frozenset[int]:
    """Persons whom the header's numbers without an issuer could mean, for the human who handles a hold; no evidence."""
    found: set[int] = set()
    for one in _ids(header):
        value = one.value.strip()
        if one.issuer or one.issuer_oid or not value.isprintable():
            continue
        for authority in config.authorities:
            record = unit.records.find(authority.code, value)
            if record is not None:
                found |= _persons_of(unit, [record])
    return frozenset(found)


def _ids(header: StudyHeader) -> list[PatientId]:
    every = ([header.patient_id] if header.patient_id else []) + list(header.other_patient_ids)
    return list(dict.fromkeys(one for one in every if one.value.strip()))


def _follow(unit: UnitOfWork, config: Config, one: PatientId) -> Number:
    if one.type_code and one.type_code.strip().upper() in NOT_A_PERSONS_NUMBER:
        return Number(NumberState.NOT_A_PERSONS)
    spellings = [text.strip() for text in (one.issuer, one.issuer_oid) if text and text.strip()]
    if not spellings:
        return _unissued(unit, config, one.value, NumberState.NO_ISSUER)
    found = [_authority(config, spelling) for spelling in spellings]
    authority = found[0]
    if authority is None and not any(found):
        return _unissued(unit, config, one.value, NumberState.UNKNOWN_ISSUER)
    if authority is None or any(other is not authority for other in found):
        return Number(NumberState.UNCLEAR_ISSUER)
    if authority.code == NHS:
        return _national(unit, config, one.value)
    return _local(unit, authority, one.value.strip())


def _authority(config: Config, spelling: str) -> Authority | None:
    found = config.authority(spelling)
    if found is None or spelling.isascii():
        return found
    # Capitals are compared; some letters outside ASCII become an ASCII letter by that, and then one name is another.
    return found if spelling in (found.code, *found.aliases) else None


def _unissued(unit: UnitOfWork, config: Config, value: str, state: NumberState) -> Number:
    """A number without a known issuer: whose NHS number it would be may speak against a person, never for one."""
    read = nhs_number.read(value, allow_test_numbers=config.any_test_authority)
    if read.number is None:
        return Number(state)
    number, records = _with_nhs_number(unit, config, read.number)
    return Number(state, value=number, persons=_persons_of(unit, records))


def _national(unit: UnitOfWork, config: Config, value: str) -> Number:
    read = nhs_number.read(value, allow_test_numbers=config.any_test_authority)
    if read.number is None:
        placeholder = read.problem == "placeholder"
        return Number(NumberState.PLACEHOLDER if placeholder else NumberState.UNREADABLE, NHS, trustworthy=True)
    number, records = _with_nhs_number(unit, config, read.number)
    persons = _persons_of(unit, records)
    standing = [record.id for record in records if record.status == ACTIVE]
    return Number(
        NumberState.FOUND if persons else NumberState.NOT_IN_INDEX,
        NHS,
        trustworthy=True,
        value=number,
        persons=persons,
        record_id=standing[0] if standing else None,
    )


def _with_nhs_number(unit: UnitOfWork, config: Config, asked: str) -> tuple[str, list[StoredRecord]]:
    """The number that stands for `asked` now, and the records that carry it.

    A number of the test range counts only on records of a test authority.
    """
    found = numbers.carriers(unit, asked)
    records = list(found.records)
    if nhs_number.range_of(found.number) is nhs_number.Range.TEST:
        records = [record for record in records if config.admits_test_numbers(record.authority)]
    return found.number, records


def _local(unit: UnitOfWork, authority: Authority, value: str) -> Number:
    trustworthy = authority.kind in TRUSTED_KINDS
    if not value.isprintable():
        return Number(NumberState.UNREADABLE, authority.code, trustworthy)
    record = unit.records.find(authority.code, value)
    persons = _persons_of(unit, [record]) if record else frozenset()
    if record is None or not persons:
        return Number(NumberState.NOT_IN_INDEX, authority.code, trustworthy)
    standing = unit.records.survivor(record)
    return Number(NumberState.FOUND, authority.code, trustworthy, persons=persons, record_id=standing.id)


def _persons_of(unit: UnitOfWork, records: Iterable[StoredRecord]) -> frozenset[int]:
    """The persons that stand for these records now; merged records and persons lead to their survivors."""
    standing = [unit.records.survivor(record) for record in records]
    ids = {record.id for record in standing if record.status == ACTIVE and not record.protected}
    links = (unit.persons.current_link(record_id) for record_id in sorted(ids))
    return _survivors(unit, [link.person_id for link in links if link is not None])


def _survivors(unit: UnitOfWork, person_ids: Iterable[int]) -> frozenset[int]:
    return frozenset(unit.persons.survivor(person).id for person in unit.persons.get(person_ids).values())


def _person(unit: UnitOfWork, followed: Iterable[Number]) -> KnownPerson | None:
    leads = [number.persons for number in followed if number.state is NumberState.FOUND]
    common = frozenset.intersection(*leads) if leads else frozenset()
    return _known(unit, next(iter(common))) if len(common) == 1 else None


def _known(unit: UnitOfWork, person_id: int) -> KnownPerson:
    linked = [link.record_id for link in unit.persons.members([person_id])]
    records = [record for record in unit.records.get(linked).values() if record.status == ACTIVE]
    # What was merged into these records may carry a restriction, a task or a do-not-link of its own.
    absorbed = unit.records.absorbed([record.id for record in records])
    every = [record.id for record in (*records, *absorbed)]
    return KnownPerson(
        person_id=person_id,
        records=tuple(
            KnownRecord(r.id, r.authority, r.recorded, Prepared.from_json(r.prepared), r.problems) for r in records
        ),
        restricted=any(record.restricted for record in (*records, *absorbed)),
        # What was drawn at random to measure the index is no sign of a doubt.
        open_tasks=sum(task.sample is None for task in unit.tasks.open_of(every, shown=True)),
        kept_apart=any(DECISION in unit.persons.kept_apart_how(record_id).values() for record_id in every),
        used_again=any(_used_again(unit, record) for record in records),
    )


def _used_again(unit: UnitOfWork, record: StoredRecord) -> bool:
    """Whether a record said of somebody else what it now says of this person."""
    now = Prepared.from_json(record.prepared)
    # Whether test numbers count makes no difference to names and birth dates.
    earlier = (prepare(version.recorded, allow_test_numbers=True)[0] for version in unit.records.versions(record)[:-1])
    return any(describe_two_people(before, now) for before in earlier)

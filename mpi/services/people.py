"""Looking people up: search, the person page, the crosswalk. Every look is in the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mpi.config import Authority, Config
from mpi.domain.asof import past_moment
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, NotFound
from mpi.domain.person import NHS, Demographics
from mpi.domain.roles import Permission, check_actor, reaches
from mpi.domain.survivorship import Chosen
from mpi.domain.text import storable
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.model import LinkageModel
from mpi.matching.nhs_number import normalise
from mpi.matching.prepare import prepare
from mpi.services import glass, identity, numbers, preview, protected, scope, survivorship, views
from mpi.services.glass import Opened
from mpi.services.preview import ChangeView
from mpi.services.views import HistoryLine, RecordView, TaskSummary
from mpi.store import audit
from mpi.store.clock import stamp
from mpi.store.moments import PastRecord
from mpi.store.persons import StoredPerson
from mpi.store.records import ACTIVE, StoredRecord
from mpi.store.unit_of_work import Store, UnitOfWork

MOST_FOUND = 50


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """A person in a list: the enterprise id and the records that are this person."""

    enterprise_id: str
    records: tuple[RecordView, ...]


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person's page. `merged_from` is the id that was asked for, when another person stands for it now."""

    enterprise_id: str
    merged_from: str | None
    records: tuple[RecordView, ...]
    history: tuple[HistoryLine, ...]
    tasks: tuple[TaskSummary, ...]
    changes: tuple[ChangeView, ...] = ()
    """What was decided of these records, newest first; each can be taken back."""
    golden: tuple[Chosen, ...] = ()
    """Of each field the value shown first, with its record and why; the records' own values stand beside it."""
    opened: Opened | None = None
    """By whom and until when the glass is broken for this session: what is restricted is shown. None: it is not."""


@dataclass(frozen=True, slots=True)
class CrosswalkEntry:
    """One identifier of a person. `kind` is `local` or `national`; `status` is `active`, `merged` or `superseded`."""

    authority: str
    value: str
    kind: str
    verified: bool
    status: str


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The identifiers of one person; `at` is the instant of the past that was asked for, None for now.

    Of a restricted person only national numbers and those of the authority that was asked about: which other sites
    know the person is withheld.
    """

    enterprise_id: str
    identifiers: tuple[CrosswalkEntry, ...]
    at: str | None = None
    superseded_by: str | None = None
    """The NHS number that stands for the one asked about now; None: that one stands for itself, or is none."""
    restricted: bool = False


class People:
    """Answers questions about people."""

    def __init__(self, store: Store, config: Config, model: LinkageModel) -> None:
        self._store = store
        self._config = config
        self._model = model

    def search(
        self,
        actor: Actor,
        *,
        nhs_number: str | None = None,
        local_id: str | None = None,
        authority: str | None = None,
        family_name: str | None = None,
        birth_date: str | None = None,
    ) -> list[PersonSummary]:
        """The persons found by NHS number, or by local number, or by family name and birth date (at most 50).

        Raises `BadInput` naming the field when nothing usable was asked for.
        """
        check_actor(actor, Permission.SEARCH)
        with self._store.reading() as unit:
            if nhs_number:
                records = self._by_nhs_number(unit, nhs_number)
                how = "nhs_number"
            elif local_id:
                records = self._by_local_id(unit, storable(local_id.strip()), authority)
                how = "local_id"
            else:
                records = self._by_name(unit, family_name, birth_date)
                how = "name"
            found = self._summaries(unit, actor, records)
            unit.audit(
                AuditEvent(actor, Action.SEARCHED, detail={"by": how, "found": [one.enterprise_id for one in found]})
            )
        return found

    def _by_nhs_number(self, unit: UnitOfWork, text: str) -> list[int]:
        number = normalise(storable(text))
        if number is None:
            raise BadInput("Enter a 10 digit NHS number", field="nhs_number")
        return [record.id for record in numbers.carriers(unit, number).records]

    def _by_local_id(self, unit: UnitOfWork, local_id: str, authority: str | None) -> list[int]:
        if authority:
            known = self._config.authority(authority)
            if known is None:
                raise BadInput("This organisation is not known", field="authority")
            record = unit.records.find(known.code, local_id)
            return [record.id] if record and not record.protected else []
        return [record.id for record in unit.records.with_local_id(local_id) if not record.protected]

    def _by_name(self, unit: UnitOfWork, family_name: str | None, birth_date: str | None) -> list[int]:
        if not family_name or not family_name.strip():
            raise BadInput(
                "Enter an NHS number, a local number, or a family name and date of birth", field="family_name"
            )
        prepared, _ = prepare(Demographics(family_name=family_name, birth_date=birth_date), allow_test_numbers=True)
        if prepared.family is None:
            raise BadInput("Enter a family name that can be searched for", field="family_name")
        if prepared.birth is None:
            raise BadInput("Enter a whole date of birth", field="birth_date")
        ids, _ = unit.records.block(blocking_keys(prepared), BLOCK_LIMIT * 5)
        return ids

    def _summaries(self, unit: UnitOfWork, actor: Actor, record_ids: Sequence[int]) -> list[PersonSummary]:
        persons: dict[int, None] = {}
        for record in unit.records.get(record_ids).values():
            current = unit.persons.current_link(unit.records.survivor(record).id)
            if current is not None and scope.reached(unit, actor, [current.person_id]):
                persons[current.person_id] = None
            if len(persons) >= MOST_FOUND:
                break
        rows = unit.persons.get(persons)
        return [
            PersonSummary(rows[p].enterprise_id, tuple(views.records_of_person(unit, self._config, p))) for p in persons
        ]

    def person(self, actor: Actor, enterprise_id: str) -> PersonView:
        """The person's page; raises `NotFound`, and `NotAllowed` for nobody of the actor's sites."""
        check_actor(actor, Permission.VIEW_PERSON)
        with self._store.reading() as unit:
            asked = unit.persons.by_enterprise_id(storable(enterprise_id))
            if asked is None:
                raise NotFound("no person has this enterprise id")
            person = unit.persons.survivor(asked)
            protected.check_shown(unit, person.id)
            scope.check_person(unit, actor, person.id)
            opened = glass.opened(unit, actor, person.id)
            records = tuple(views.records_of_person(unit, self._config, person.id, revealed=opened is not None))
            ids = [r.record_id for r in records]
            lines = protected.shown_lines(unit, person.id, audit.of_person(unit.connection, person.id, ids))
            withheld = opened is None and any(r.restricted for r in records)
            history = views.history_lines(unit, lines, restricted=withheld)
            tasks = tuple(views.task_summary(unit, self._config, task) for task in unit.tasks.open_of(ids, shown=True))
            changes = tuple(preview.changes_of(unit, person.id))
            golden = survivorship.golden_record(unit, self._config, records)
            detail = {"break-glass": opened.event} if opened is not None else {}
            unit.audit(AuditEvent(actor, Action.PERSON_READ, person_id=person.id, detail=detail))
        merged_from = asked.enterprise_id if asked.id != person.id else None
        return PersonView(person.enterprise_id, merged_from, records, history, tasks, changes, golden, opened)

    def crosswalk(
        self, actor: Actor, authority: str, value: str, *, target: Sequence[str] = (), at: str | None = None
    ) -> Crosswalk:
        """The identifiers of the person whom `authority` knows by `value`; `target` narrows the authorities.

        `at` (see `mpi.domain.asof.past_moment`) asks for the answer as it was at a moment of the past: with the person,
        the links, the merges and the numbers of then. Raises `BadInput` for an unknown authority or an unreadable
        moment, and `NotFound`.
        """
        check_actor(actor, Permission.QUERY_CROSSWALK)
        known = self._config.authority(authority)
        if known is None:
            raise BadInput("the assigning authority is not known", field="authority", code="unknown-authority")
        wanted = set()
        for name in target:
            domain = self._config.authority(name)
            if domain is None:
                raise BadInput("a target authority is not known", field="target", code="unknown-authority")
            wanted.add(domain.code)
        moment = stamp(past_moment(at, datetime.now(UTC))) if at is not None else None
        with self._store.reading() as unit:
            if moment is None:
                person = self._person_by_identifier(unit, known, storable(value))
                found, persons = _identifiers(unit, person.id), {person.id}
            else:
                person, found, persons = _as_of(unit, known.code, storable(value), moment)
            if not reaches(actor, (entry.authority for entry in found if entry.kind == "local")):
                raise NotFound("the identifier is not known")
            survivor = unit.numbers.survivor(normalise(value)) if known.code == NHS and moment is None else None
            restricted = bool(unit.records.restricted_persons(persons))
            unit.audit(
                AuditEvent(
                    actor,
                    Action.CROSSWALK_READ,
                    person_id=person.id,
                    detail={"authority": known.code, "target": sorted(wanted)} | ({"at": moment} if moment else {}),
                )
            )
        entries = tuple(e for e in found if not wanted or e.authority in wanted)
        if restricted:
            entries = tuple(e for e in entries if e.kind == "national" or e.authority == known.code)
        superseded_by = survivor if survivor != normalise(value) else None
        return Crosswalk(person.enterprise_id, entries, moment, superseded_by, restricted)

    def _person_by_identifier(self, unit: UnitOfWork, authority: Authority, value: str) -> StoredPerson:
        if authority.code == NHS:
            records = list(numbers.carriers(unit, normalise(value)).records)
        else:
            record = unit.records.find(authority.code, value)
            records = [record] if record else []
            if not records and authority.kind == "national":
                records = list(unit.records.get(unit.records.with_number(authority.code, value)).values())
        persons = set()
        records = [record for record in records if not record.protected]
        for record in records:
            current = unit.persons.current_link(unit.records.survivor(record).id)
            if current is not None:
                persons.add(current.person_id)
        person_id = _the_one(persons)
        return unit.persons.get([person_id])[person_id]


def _the_one(persons: set[int]) -> int:
    if not persons:
        raise NotFound("the identifier is not known")
    if len(persons) > 1:
        raise BadInput(
            "the number stands on more than one person; a reviewer must look", field="value", code="several-persons"
        )
    return next(iter(persons))


def _as_of(
    unit: UnitOfWork, authority: str, value: str, at: str
) -> tuple[StoredPerson, list[CrosswalkEntry], set[int]]:
    """The person that an identifier led to at an instant, all identifiers that led there, and whose they are now.

    Raises `NotFound` where that person is an identity that was left behind, though the number is somebody's who is not.
    """
    moments = unit.moments
    number: str | None = value
    if authority == NHS and (number := normalise(value)):
        number = moments.stands_for(number, at)
    asked = moments.with_number(authority, number, at) if number else []
    if authority != NHS:
        asked = asked or moments.with_local_id(authority, value, at)  # a number may have been somebody else's before
    shown = [r.id for r in moments.records(asked, at).values() if not r.protected]
    person_id = _the_one(moments.persons(moments.survivors(shown, at), at))
    person = unit.persons.get([person_id])[person_id]
    if protected.is_hidden(unit, person_id) or protected.is_hidden(unit, unit.persons.survivor(person).id):
        raise NotFound("the identifier is not known")
    tree = [record for record in moments.tree(person_id, at) if not record.protected]
    entries = _past_entries(unit, tree, at)
    persons = {now for r in tree if (now := identity.person_of(unit, r.id)) is not None}
    return person, sorted(entries, key=lambda e: (e.authority, e.value)), persons | {person_id}


def _past_entries(unit: UnitOfWork, tree: Sequence[PastRecord], at: str) -> list[CrosswalkEntry]:
    """The identifiers of these records at an instant, each under the local number that it had then."""
    numbers_then = unit.moments.numbers((r.id for r in tree), at)
    own = {(r.id, r.authority) for r in tree}
    called = {(n.record_id, n.authority): n.value for n in numbers_then if (n.record_id, n.authority) in own}
    entries = [
        CrosswalkEntry(r.authority, called.get((r.id, r.authority), r.local_id), "local", False, r.status) for r in tree
    ]
    carried: dict[tuple[str, str], bool] = {}
    for found in numbers_then:
        if (found.record_id, found.authority) not in own:
            key = found.authority, found.value
            carried[key] = carried.get(key, False) or found.verified
    entries += [CrosswalkEntry(*key, "national", verified, ACTIVE) for key, verified in carried.items()]
    replaced = [old for code, value in carried if code == NHS for old in unit.moments.replaced_by(value, at)]
    return entries + [CrosswalkEntry(NHS, old, "national", False, "superseded") for old in replaced]


def _identifiers(unit: UnitOfWork, person_id: int) -> list[CrosswalkEntry]:
    active = list(unit.records.get(link.record_id for link in unit.persons.members([person_id])).values())
    every: list[StoredRecord] = active + unit.records.absorbed([record.id for record in active])
    entries = [CrosswalkEntry(r.authority, r.local_id, "local", False, r.status) for r in every]
    carried: dict[tuple[str, str], bool] = {}
    for row in unit.records.identifiers_of([record.id for record in every]):
        carried[row[1:3]] = carried.get(row[1:3], False) or row.verified
    entries += [CrosswalkEntry(*key, "national", verified, ACTIVE) for key, verified in carried.items()]
    for authority, value in carried:
        old = unit.numbers.replaced_by(value) if authority == NHS else ()
        entries += [CrosswalkEntry(NHS, one.old_number, "national", False, "superseded") for one in old]
    return sorted(entries, key=lambda e: (e.authority, e.value))

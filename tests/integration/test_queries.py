"""The services behind PIX and PDQ: whom they find, what they tell, and what stands in the audit afterwards."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.domain.audit import SYSTEM, Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, NotFound
from mpi.domain.person import Demographics, Identifier
from mpi.domain.queries import (
    Asker,
    Found,
    IdentifierQuery,
    PersonAnswer,
    PersonKeys,
    PersonQuery,
    PersonRefusal,
    QueryFault,
)
from mpi.domain.roles import Role
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.matching.probability import probability
from mpi.matching.weigh import judge
from mpi.services import query_criteria
from mpi.services.continuation import Continuations, Hit
from mpi.services.identity import keys_of
from mpi.store.records import DELETED
from mpi.store.tables import audit_event, source_record
from tests.builders import nhs_number
from tests.effort import repeats
from tests.golden import queries
from tests.index import MACHINE, open_index, persons_of, register
from tests.invariants import check_index

ALL = frozenset({"RXX", "RYY", "RZZ", "NHS"})
ASKER = Asker("PACS", "RXX", ALL)


@pytest.fixture
def world(migrated_url: str) -> Iterator[App]:
    """The index of the golden queries."""
    app = queries.open_world(migrated_url)
    yield app
    check_index(app.store)
    app.close()


def pix(authority: str, value: str, *, asker: Asker = ASKER) -> IdentifierQuery:
    return IdentifierQuery(asker, "T", Identifier(authority, value), asker.domains)


def pdq(asker: Asker = ASKER, **said: str) -> PersonQuery:
    return PersonQuery(asker, "T", PersonKeys(None, Demographics(**said)), asker.domains, repr(said))


def events(app: App, action: str) -> list[tuple[str, int | None, dict]]:
    """Actor, person and detail of each event of this kind."""
    with app.store.reading() as unit:
        rows = unit.connection.execute(select(audit_event).where(audit_event.c.action == action))
        return [(row.actor, row.person_id, json.loads(row.body).get("detail", {})) for row in rows]


def test_answers_are_those_of_the_crosswalk(world: App) -> None:
    with world.store.reading() as unit:
        rows = unit.connection.execute(select(source_record.c.authority, source_record.c.local_id)).all()
    asked = [(row.authority, row.local_id) for row in rows]
    asked += [("NHS", queries.NUMBER), ("NHS", queries.SHARED_NUMBER), ("RXX", "never"), ("NHS", "never")]
    answers = world.identifier_queries.answer([pix(*one) for one in asked])

    for (authority, value), answer in zip(asked, answers, strict=True):
        if answer.found is not Found.ONE:
            with pytest.raises(NotFound if answer.found is Found.NOBODY else BadInput):
                world.people.crosswalk(MACHINE, authority, value)
            continue
        known = world.people.crosswalk(MACHINE, authority, value)
        others = {(one.authority, one.value) for one in known.identifiers if one.status == "active"}
        assert {(one.authority, one.value) for one in answer.identifiers} == others - {(authority, value)}


def test_an_identity_that_was_left_behind_is_found_by_nothing(world: App) -> None:
    register(world, "RXX", "5001", family_name="Before", birth_date="1991-01-01", nhs_number=nhs_number(50))
    register(world, "RXX", "5002", family_name="After", birth_date="1991-01-01", nhs_number=nhs_number(51))
    old, new = persons_of(world, ("RXX", "5001"), ("RXX", "5002"))
    world.protected.hide(Actor("ivo", Role.IG_AUDITOR.value), old, new, "a new number")

    answers = world.identifier_queries.answer(
        [pix("RXX", "5001"), pix("NHS", nhs_number(50)), pix("RXX", "5002"), pix("NHS", nhs_number(51))]
    )
    assert [one.found for one in answers] == [Found.NOBODY, Found.NOBODY, Found.ONE, Found.ONE]
    people = world.person_queries.answer(
        [pdq(family_name="Before"), pdq(family_name="Before", birth_date="1991-01-01"), pdq(family_name="After")]
    )
    assert [one.total for one in people] == [0, 0, 1]
    by_number = PersonQuery(ASKER, "T", PersonKeys(Identifier("RXX", "5001")), ALL, "q")
    assert world.person_queries.answer([by_number])[0].total == 0


def test_a_superseded_number_leads_to_the_one_that_stands_for_it(world: App) -> None:
    with world.store.writing() as unit:
        event = AuditEvent(SYSTEM, Action.RECORD_UPDATED)
        unit.numbers.supersede(nhs_number(70), queries.NUMBER, "test", event=event)
    (answer,) = world.identifier_queries.answer([pix("NHS", nhs_number(70))])

    assert answer.found is Found.ONE
    assert Identifier("NHS", queries.NUMBER) in answer.identifiers


def test_a_deleted_number_leads_nowhere_and_is_not_told(world: App) -> None:
    with world.store.writing() as unit:
        record = unit.records.find("RYY", "2002")
        keys = keys_of(record)
        event = AuditEvent(SYSTEM, Action.RECORD_UPDATED)
        unit.records.set_status(record, DELETED, None, keys, event=event)
    answers = world.identifier_queries.answer([pix("RYY", "2002"), pix("RYY", "2001")])

    assert [one.found for one in answers] == [Found.NOBODY, Found.ONE]
    assert {(one.authority, one.value) for one in answers[1].identifiers} == {
        ("RXX", "1001"), ("RZZ", "9001"), ("NHS", queries.NUMBER)
    }  # fmt: skip


def test_each_look_up_is_audited_with_whom_it_told_of(world: App) -> None:
    world.identifier_queries.answer([pix("RXX", "1001"), pix("RXX", "never"), pix("NHS", queries.SHARED_NUMBER)])

    actors, persons, details = zip(*events(world, "crosswalk.read"), strict=True)
    assert set(actors) == {"PACS|RXX"}
    assert [person is not None for person in persons] == [True, False, False]
    assert [detail["found"] for detail in details] == ["one", "nobody", "several"]
    assert details[0]["answered"] == ["NHS", "RYY", "RZZ"]


def test_each_person_of_a_search_is_audited_and_nobody_else(world: App) -> None:
    (answer,) = world.person_queries.answer([replace(pdq(family_name="Okafor"), page=2)])

    assert isinstance(answer, PersonAnswer)
    ((actor, _, detail),) = events(world, "search.made")
    assert actor == "PACS|RXX"
    assert (detail["asked"], detail["total"]) == (["family_name"], 5)
    assert [person for _, person, _ in events(world, "person.read")] == detail["persons"]
    assert len(detail["persons"]) == 2


def test_confidence_is_the_models_probability_best_first(world: App) -> None:
    said = {"family_name": "Okafor", "given_name": "Amara", "birth_date": "1980-04-11"}
    (by_all,) = world.person_queries.answer([pdq(**said)])
    (by_name,) = world.person_queries.answer([pdq(family_name="Okafor")])

    asked = prepare(Demographics(**said), allow_test_numbers=True)[0]
    best = by_all.persons[0]
    stored = prepare(best.recorded, allow_test_numbers=True)[0]
    assert best.recorded.given_name == "Amara"
    assert best.confidence == pytest.approx(100 * probability(world.model, judge(world.model, asked, stored)))
    assert best.confidence > 50 > by_name.persons[0].confidence
    confidences = [one.confidence for one in by_all.persons]
    assert confidences == sorted(confidences, reverse=True)


def test_a_number_on_two_people_names_both_by_half(world: App) -> None:
    keys = PersonKeys(Identifier("NHS", queries.SHARED_NUMBER))
    (answer,) = world.person_queries.answer([PersonQuery(ASKER, "T", keys, ALL, "q")])

    assert [(one.recorded.family_name, one.confidence) for one in answer.persons] == [("Crow", 50.0), ("Daw", 50.0)]


def test_pages_name_everybody_once(world: App) -> None:
    query, told = replace(pdq(family_name="Okafor"), page=2), []
    for _ in range(3):
        (answer,) = world.person_queries.answer([query])
        told += [one.recorded.given_name for one in answer.persons]
        query = replace(query, pointer=answer.pointer)

    assert query.pointer is None
    assert sorted(told) == ["Amara", "Chidi", "Emeka", "Ngozi", "Obinna"]


def test_a_page_shows_people_as_they_are_now(world: App) -> None:
    query = replace(pdq(replace(ASKER, own=frozenset({"RXX"})), family_name="Okafor"), page=4)
    (first,) = world.person_queries.answer([query])
    queries.restrict(world, "3005")
    (last,) = world.person_queries.answer([replace(query, pointer=first.pointer)])

    assert last.persons[0].recorded.given_name == "Obinna"
    assert last.persons[0].recorded.address_line is None


@pytest.mark.parametrize(
    ("said", "fault", "field"),
    [
        ({"birth_date": "1968-03-24"}, QueryFault.TOO_LITTLE, None),
        ({"family_name": "*"}, QueryFault.TOO_LITTLE, "family_name"),
        ({"family_name": "Ashworth", "birth_date": "1968-13-24"}, QueryFault.UNUSABLE, "birth_date"),
    ],
    ids=["birth date alone", "any name", "month 13"],
)
def test_question_that_has_no_answer(world: App, said: dict[str, str], fault: QueryFault, field: str | None) -> None:
    assert world.person_queries.answer([pdq(**said)]) == [PersonRefusal(fault, field)]


def test_too_many_are_not_answered_in_part(world: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_criteria, "MOST_RECORDS", 3)

    assert world.person_queries.answer([pdq(family_name="Okafor")]) == [PersonRefusal(QueryFault.TOO_MANY)]


VALUES = {
    "family_name": ["Smith", "Smyth", "O'Brien", "De La Cruz", "Smith-Jones", "Ashe"],
    "given_name": ["Ann", "Anne", "William", "Mary Ann"],
    "birth_date": ["1980-01-02", "1980-02-01", "1951-06-30", "1980", "1951-06", None],
    "sex": ["male", "female", None],
    "address_line": ["14 High Street", "Flat 2, 14 High Street", None],
    "town": ["Exampleton", None],
    "postcode": ["EX1 1AA", "EX1 1AB", "EX9 9ZZ", None],
    "phone": ["01632 960001", "07700 900123", None, None],
    "email": ["a@example.org", None, None],
}
BEGINNINGS = {"family_name": ["Sm*", "O'B*", "De La*", "As*"], "given_name": ["An*", "Will*"], "postcode": ["EX1*"]}


def test_a_search_finds_at_least_all_who_have_everything_that_is_asked(migrated_url: str) -> None:
    chance = random.Random(20261122)
    app = open_index(migrated_url)
    people: dict[str, Prepared] = {}
    for number in range(60):
        said = {name: chance.choice(values) for name, values in VALUES.items()}
        register(app, "RXX", str(number), **said)
        people[str(number)] = prepare(Demographics(**said), allow_test_numbers=True)[0]
    answered = found = 0
    for _ in range(repeats(3000)):
        names = chance.sample(list(VALUES), chance.randint(1, 4))
        said = {name: chance.choice([v for v in VALUES[name] if v] + BEGINNINGS.get(name, [])) for name in names}
        (answer,) = app.person_queries.answer([pdq(**said)])
        if isinstance(answer, PersonRefusal):
            assert answer.fault is QueryFault.TOO_LITTLE
            assert not {"family_name", "given_name", "postcode", "phone", "email"} & said.keys()
            continue
        told = {number.value for one in answer.persons for number in one.identifiers}
        criteria = query_criteria.criteria_of(PersonKeys(None, Demographics(**said)))
        exact = {
            number for number, prepared in people.items() if criteria.matches(prepared) and _has_key(prepared, said)
        }
        assert exact <= told, sorted(said)
        answered, found = answered + 1, found + len(exact)
    app.close()
    assert answered > 100
    assert found > 100


def _has_key(p: Prepared, said: dict[str, str]) -> bool:
    """Whether the index has a way to the record: without a birth date there is none by the given name alone."""
    if p.birth or said.keys() & {"phone", "email", "family_name"} or "given_name" not in said:
        return True
    return not said.get("postcode", "*").endswith("*")


def test_every_name_that_begins_so_sounds_so() -> None:
    names = [
        "Smith",
        "Schmidt",
        "Pfister",
        "Ashcroft",
        "Tymczak",
        "Lloyd",
        "O'Brien",
        "De La Cruz",
        "Whhite",
        "Aa",
        "Jackson",
    ]
    for name, length in itertools.product(names, range(1, 9)):
        folded = name.upper().replace("'", "")
        whole = query_criteria.sound(folded)
        assert whole.startswith(query_criteria._sound_beginning(folded[:length].strip())), (name, length)


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


HITS = tuple(Hit(n, n, 50.0) for n in range(5))


def test_continuations_are_bounded_and_end() -> None:
    clock = Clock()
    kept = Continuations(most=3, seconds=10, clock=clock)
    pointers = [kept.begin("A", str(n), "q", HITS, 2) for n in range(4)]

    assert len(kept) == 3
    assert kept.at("A", "q", pointers[0]) is None, "the oldest made room"
    assert kept.at("A", "q", pointers[3]) == (HITS, 2)
    clock.now = 11.0
    assert kept.at("A", "q", pointers[3]) is None
    assert len(kept) == 0


def test_a_pointer_is_for_its_asker_its_question_and_a_page_that_was_given() -> None:
    kept = Continuations()
    pointer = kept.begin("A", "T", "q", HITS, 2)
    token = pointer.partition("-")[0]

    assert kept.at("B", "q", pointer) is None
    assert kept.at("A", "other", pointer) is None
    for wrong in ("", "-", token, f"{token}-", f"{token}-3", f"{token}--2", f"{token}-٢", "x-2"):
        assert kept.at("A", "q", wrong) is None
    assert kept.at("A", "q", kept.further(pointer, 4)) == (HITS, 4)
    kept.forget("B", "T")
    assert kept.at("A", "q", pointer) == (HITS, 2)
    kept.forget("A", "T")
    assert kept.at("A", "q", pointer) is None

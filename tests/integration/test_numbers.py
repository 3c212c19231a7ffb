"""NHS numbers beside other national numbers, and what one number on two people and two on one person bring about."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mpi.bootstrap import App, build
from mpi.config import Authority
from mpi.domain.person import NHS, Demographics, Identifier
from mpi.domain.review import TaskType
from mpi.hl7.adt import receive
from mpi.matching.prepare import prepare
from tests.builders import a_record, nhs_number
from tests.index import MACHINE, REVIEWER, config_for, merge, persons_of, register, send
from tests.invariants import check_index

ONE, TWO = nhs_number(1), nhs_number(2)
CHI = "0101800007"


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    config = config_for(migrated_url)
    national = (Authority("CHI", "Community Health Index", "national"), Authority("HSC", "H&C number", "national"))
    app = build(replace(config, authorities=config.authorities + national))
    yield app
    check_index(app.store)
    app.close()


def known(app: App, authority: str, value: str) -> set[tuple[str, str, str]]:
    return {(e.authority, e.value, e.kind) for e in app.people.crosswalk(MACHINE, authority, value).identifiers}


def open_tasks(app: App) -> Counter[TaskType]:
    return Counter(task.type for task in app.review.queue(REVIEWER).tasks)


def test_a_chi_number_stands_beside_an_nhs_number_and_is_not_compared_with_one(app: App) -> None:
    number = {"nhs_number": ONE, "nhs_number_status": "01"}
    send(app, replace(a_record("RXX", "1", **number), national=(Identifier("CHI", CHI),)))
    send(app, replace(a_record("RYY", "2", **number), national=(Identifier("HSC", "3200000007"),)))
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "2")))) == 1
    assert known(app, "CHI", CHI) == {
        ("CHI", CHI, "national"),
        ("HSC", "3200000007", "national"),
        (NHS, ONE, "national"),
        ("RXX", "1", "local"),
        ("RYY", "2", "local"),
    }
    assert open_tasks(app) == {}


def test_the_same_digits_under_two_authorities_are_two_numbers(app: App) -> None:
    send(app, replace(a_record("RXX", "1"), national=(Identifier("CHI", ONE),)))
    stranger = {"family_name": "Brackenbury", "given_name": "Noor", "birth_date": "1991-11-02", "postcode": "EX4 9ZZ"}
    register(app, "RYY", "2", **stranger, nhs_number=ONE, nhs_number_status="01")
    one, two = persons_of(app, ("CHI", ONE), (NHS, ONE))
    assert one != two
    assert open_tasks(app) == {}


def test_a_chi_number_is_replaced_kept_and_carried_over(app: App) -> None:
    send(app, replace(a_record("RXX", "1"), national=(Identifier("CHI", CHI),)))
    register(app, "RXX", "1")
    assert ("CHI", CHI, "national") in known(app, "RXX", "1"), "what was not sent stays"
    send(app, replace(a_record("RXX", "1"), national=(Identifier("CHI", "0101800015"),)))
    assert {value for authority, value, _ in known(app, "RXX", "1") if authority == "CHI"} == {"0101800015"}
    merge(app, "1", "1-new")
    assert ("CHI", "0101800015", "national") in known(app, "RXX", "1-new")


def test_a_message_brings_a_chi_number(app: App) -> None:
    raw = (
        "MSH|^~\\&|PAS|RXX|MPI|MPI|20260101||ADT^A28^ADT_A05|C1|P|2.5\rEVN|A28|20260101\r"
        f"PID|||1^^^RXX^MR~{CHI}^^^CHI^NI~{ONE}^^^NHS^NH||Ashworth^Maria||19680324|F\r"
    )
    app.inbox.process([receive(raw.encode(), "test", app.config).inbound])
    assert known(app, "RXX", "1") >= {("CHI", CHI, "national"), (NHS, ONE, "national")}


@pytest.mark.parametrize("text", ["ABCD 123/4", "XKTN123", "YZAB 12 3", "123/45:6"])
def test_an_old_style_number_is_kept_and_never_matched(text: str) -> None:
    prepared, problems = prepare(Demographics(nhs_number=text), allow_test_numbers=True)
    assert prepared.nhs is None
    assert [problem.problem for problem in problems] == ["old-style"]


STRANGER = {"family_name": "Brackenbury", "given_name": "Noor", "birth_date": "1991-11-02", "postcode": "EX4 9ZZ"}


def test_an_update_that_brings_another_persons_number_asks(app: App) -> None:
    register(app, "RXX", "1", nhs_number=ONE, nhs_number_status="01")
    register(app, "RYY", "2", **STRANGER)
    assert open_tasks(app) == {}
    register(app, "RYY", "2", **STRANGER, nhs_number=ONE, nhs_number_status="01")
    assert open_tasks(app) == {TaskType.NHS_NUMBER_TWO_PERSONS: 1}
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "2")))) == 2


def test_a_new_record_with_another_persons_number_asks(app: App) -> None:
    register(app, "RXX", "1", nhs_number=ONE)
    register(app, "RYY", "2", **STRANGER, nhs_number=ONE)
    assert open_tasks(app) == {TaskType.NHS_NUMBER_TWO_PERSONS: 1}


@pytest.mark.parametrize("status", ["01", None], ids=["verified", "unverified"])
def test_an_update_that_gives_a_person_a_second_number_asks(app: App, status: str | None) -> None:
    said = {"nhs_number_status": status}
    register(app, "RXX", "1", nhs_number=ONE, **said)
    register(app, "RYY", "2", nhs_number=ONE, **said)
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "2")))) == 1
    register(app, "RYY", "2", nhs_number=TWO, **said)
    assert open_tasks(app).total() == 1


def test_when_a_number_was_verified_outlives_updates_of_its_status(app: App) -> None:
    register(app, "RXX", "1", nhs_number=ONE)
    register(app, "RXX", "1", nhs_number=ONE, nhs_number_status="01")
    with app.store.reading() as unit:
        record = unit.records.find("RXX", "1")
        assert record is not None
        first = unit.records.identifiers_of([record.id])[0]
    register(app, "RXX", "1", nhs_number=ONE, nhs_number_status="01", postcode="EX4 9ZZ")
    with app.store.reading() as unit:
        later = unit.records.identifiers_of([record.id])[0]
    assert (first.status, first.verified_at is not None) == ("01", True)
    assert later == first

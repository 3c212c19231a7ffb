"""Restricted people: nothing that is asked or shown says where they live, or which hospitals know them."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from mpi.bootstrap import App, build
from mpi.config import Subscriber
from mpi.domain.decision import Outcome
from mpi.domain.person import NHS, Identifier
from mpi.domain.review import Verdict
from mpi.services.decisions import Decision, Operation
from mpi.store import audit
from tests.builders import a_record, demographics, nhs_number
from tests.index import MACHINE, REVIEWER, config_for, open_index, persons_of, register, send
from tests.invariants import check_index
from tests.notified import Taker, tell

HOME = {"address_line": "9 Hidden Close", "town": "Secretham", "postcode": "ZE1 0AA", "phone": "01595 496000"}
ELSEWHERE = {"address_line": "1 Open Road", "town": "Exampleton", "postcode": "LS1 1AA", "phone": "0113 496 0001"}
WHO = {"family_name": "Okonkwo", "given_name": "Adaeze", "birth_date": "1990-05-05", "sex": "female"}


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    app = open_index(migrated_sqlite_url)
    send(app, replace(a_record("RXX", "A9001", **WHO, **HOME), restricted=True))
    yield app
    check_index(app.store)
    app.close()


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(WHO, id="the-very-person"),
        pytest.param({**WHO, "given_name": "Ada"}, id="a-short-form"),
        pytest.param({**WHO, "birth_date": "1990-05-06"}, id="a-day-later"),
        pytest.param({**WHO, "given_name": "Chidi", "sex": "male"}, id="a-twin"),
        pytest.param({**WHO, "birth_date": "1965-01-31", "given_name": "Ngozi"}, id="the-mother"),
        pytest.param({"family_name": "Okonkwo"}, id="the-name-alone"),
        pytest.param({"birth_date": "1990-05-05"}, id="the-birth-date-alone"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_match_answers_alike_whether_the_home_is_right_or_wrong(app: App, who: dict[str, str]) -> None:
    nobody = dict.fromkeys(WHO)
    right, wrong = (
        app.matcher.match(MACHINE, demographics(**{**nobody, **who, **home}), authority="RYY")
        for home in (HOME, ELSEWHERE)
    )
    assert (right.outcome, right.candidates, right.compared) == (wrong.outcome, wrong.candidates, wrong.compared)


def test_others_at_the_same_home_are_still_weighed_with_it(app: App) -> None:
    register(app, "RYY", "1", **{**WHO, "family_name": "Brackenbury", "given_name": "Noor", "sex": None}, **HOME)
    asked = {**WHO, "family_name": "Brackenbury", "given_name": "Noor"}
    right, wrong = (app.matcher.match(MACHINE, demographics(**{**asked, **home})) for home in (HOME, ELSEWHERE))
    assert right.outcome is Outcome.LINK
    assert right.candidates[0].weight > wrong.candidates[0].weight


def test_reasons_and_rules_do_not_say_that_homes_agree(app: App) -> None:
    register(app, "RYY", "B9001", **{**WHO, "given_name": "Adanna"}, **HOME)
    tasks = app.review.queue(REVIEWER).tasks
    for task in tasks:
        seen = json.dumps(asdict(app.review.task(REVIEWER, task.id)), default=str)
        assert "twins" not in seen
        assert "household" not in seen
        assert "home" not in seen.replace("without_home", "")
    [person] = persons_of(app, ("RXX", "A9001"))
    view = app.people.person(REVIEWER, person)
    for secret in (*HOME.values(), "A9001", "home"):
        assert secret not in json.dumps(asdict(view), default=str)
    own = json.dumps(asdict(replace(view, tasks=())), default=str)  # the other side of a task is somebody else
    for secret in ("RXX", "PAS"):
        assert secret not in own
    assert tasks


def test_every_look_is_audited_the_queue_too(app: App) -> None:
    register(app, "RYY", "B9001", **{**WHO, "birth_date": "1990-06-05"}, **ELSEWHERE)
    [person] = persons_of(app, ("RXX", "A9001"))
    looks = (
        lambda: app.review.queue(REVIEWER),
        lambda: app.people.person(REVIEWER, person),
        lambda: app.people.search(REVIEWER, local_id="A9001"),
        lambda: app.people.crosswalk(MACHINE, "RXX", "A9001"),
        lambda: app.matcher.match(MACHINE, demographics(**WHO)),
    )
    for look in looks:
        with app.store.reading() as unit:
            before = audit.verify(unit.connection)[0]
        look()
        with app.store.reading() as unit:
            assert audit.verify(unit.connection)[0] == before + 1


def test_changes_that_people_made_name_no_site(app: App) -> None:
    register(app, "RYY", "B9001", **{**WHO, "birth_date": "1990-06-05"}, **ELSEWHERE)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "same card")
    [person] = set(persons_of(app, ("RXX", "A9001"), ("RYY", "B9001")))
    view = app.people.person(REVIEWER, person)
    assert view.changes
    assert all(record.restricted for record in view.records)
    page = json.dumps(asdict(view), default=str)
    for secret in ("A9001", "B9001", "RXX", "RYY", "PAS|"):
        assert secret not in page


def test_the_crosswalk_names_no_site_but_the_one_that_was_asked_about(app: App) -> None:
    number = {"nhs_number": nhs_number(5), "nhs_number_status": "01"}
    register(app, "RXX", "A9001", **WHO, **HOME, **number)
    register(app, "RYY", "B9001", **WHO, **number)
    assert len(set(persons_of(app, ("RXX", "A9001"), ("RYY", "B9001")))) == 1
    for authority, value, told in (
        ("RXX", "A9001", {"RXX", NHS}),
        ("RYY", "B9001", {"RYY", NHS}),
        (NHS, nhs_number(5), {NHS}),
    ):
        found = app.people.crosswalk(MACHINE, authority, value)
        assert found.restricted
        assert {entry.authority for entry in found.identifiers} == told
    assert app.people.crosswalk(MACHINE, "RXX", "A9001", target=("RYY",)).identifiers == ()


def test_the_past_names_no_other_site_either(migrated_url: str) -> None:
    app = open_index(migrated_url)
    register(app, "RZZ", "9", family_name="Brackenbury", given_name="Noor", birth_date="1991-11-02")
    number = {"nhs_number": nhs_number(5), "nhs_number_status": "01"}
    for authority, value in (("RXX", "A9001"), ("RYY", "B9001")):
        send(app, replace(a_record(authority, value, **WHO, **HOME, **number), restricted=True))
    with app.store.reading() as unit:
        stored = unit.records.find("RYY", "B9001")
        assert stored is not None
        then = stored.created_at
    # The person of then stands no more: who its records belong to now is still restricted.
    app.decisions.do(
        REVIEWER, Decision(Operation.LINK, Identifier("RXX", "A9001"), Identifier("RZZ", "9")), "same card"
    )
    found = app.people.crosswalk(MACHINE, "RXX", "A9001", at=then)
    assert found.restricted
    assert {entry.authority for entry in found.identifiers} == {"RXX", NHS}
    check_index(app.store)
    app.close()


def test_neither_a_preview_nor_the_golden_record_tells_the_sites(migrated_sqlite_url: str) -> None:
    subscribers = tuple(Subscriber(f"laboratory at {code}", "h", 1, (code,)) for code in ("RXX", "RYY"))
    config = replace(config_for(migrated_sqlite_url), subscribers=subscribers, golden_sources=("RYY",))
    app = build(config)
    number = {"nhs_number": nhs_number(5), "nhs_number_status": "01"}
    send(app, replace(a_record("RXX", "A9001", **WHO, **number, middle_names="Ada"), restricted=True))
    send(app, replace(a_record("RYY", "B9001", **WHO, **number, middle_names="Ama"), restricted=True))
    effect = app.decisions.preview(REVIEWER, Decision(Operation.UNLINK, Identifier("RXX", "A9001")))
    assert effect.identifiers
    assert (effect.sites, effect.subscribers) == ((), ())
    [person] = set(persons_of(app, ("RXX", "A9001"), ("RYY", "B9001")))
    middle = next(one for one in app.people.person(REVIEWER, person).golden if one.field == "middle_names")
    assert "trusted" not in middle.because
    app.close()


def test_a_twin_at_the_same_home_is_not_told_that_it_is_the_same(app: App) -> None:
    register(app, "RYY", "B9001", **{**WHO, "given_name": "Chidimma"}, **HOME)
    assert [task.rule for task in app.review.queue(REVIEWER).tasks] == [None]
    [person] = persons_of(app, ("RYY", "B9001"))
    view = app.people.person(REVIEWER, person)
    assert view.records[0].recorded.postcode == HOME["postcode"]
    told = json.dumps([asdict(line) for line in view.history])
    assert "Review asked for" in told
    assert "home" not in told
    assert "twins" not in told


def test_a_held_update_of_a_twin_does_not_say_that_the_home_agrees(app: App) -> None:
    send(app, a_record("RXX", "A9001", **{**WHO, "given_name": "Chidimma"}, **HOME))
    [task] = app.review.queue(REVIEWER).tasks
    [person] = persons_of(app, ("RXX", "A9001"))
    for view in (app.review.task(REVIEWER, task.id), app.people.person(REVIEWER, person)):
        page = json.dumps(asdict(view), default=str)
        assert "Update held back" in page or "Review asked for" in page
        assert "home" not in page.replace("without_home", "")
        assert "twin" not in page


def test_what_waits_for_a_subscriber_is_withdrawn_when_the_person_becomes_restricted(migrated_url: str) -> None:
    app = open_index(migrated_url)
    subscriber = Subscriber("laboratory", "h", 1, ("RXX", "RYY"))
    number = {"nhs_number": nhs_number(5), "nhs_number_status": "01"}
    register(app, "RXX", "A9001", **WHO, **number)
    with app.store.writing(identities=False) as unit:
        unit.outbox.enrol("laboratory", 0)
    taker = Taker()
    tell(app, taker, subscriber)
    register(app, "RYY", "B9001", **WHO, **number)
    with app.store.writing(identities=False) as unit:
        stored = unit.outbox.subscriber("laboratory")
        assert stored is not None
        assert unit.outbox.take(stored, "a courier")
    app.outbox.look(subscriber, "a courier")  # it waits to be sent, and the laboratory is away
    with app.store.writing(identities=False) as unit:
        unit.outbox.release("laboratory", "a courier")
    send(app, replace(a_record("RXX", "A9001", **WHO, **number), restricted=True))
    tell(app, taker, subscriber)
    assert [one.told.identifiers for one in taker.taken] == [(("RXX", "A9001"),)]

    send(app, replace(a_record("RXX", "A9001", **WHO, **number, town="Exampleton"), restricted=False))
    app.outbox.again(REVIEWER, "laboratory")
    tell(app, taker, subscriber)
    assert [len(one.told.identifiers) for one in taker.taken] == [1, 2]
    check_index(app.store)
    app.close()


def test_an_update_that_is_held_restricts_at_once(migrated_url: str) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "A9001", **WHO, **HOME)
    another = {"family_name": "Brackenbury", "given_name": "Omar", "birth_date": "1950-01-01", "sex": "male"}
    send(app, replace(a_record("RXX", "A9001", **another, **ELSEWHERE), restricted=True))
    [task] = app.review.queue(REVIEWER).tasks
    [person] = persons_of(app, ("RXX", "A9001"))
    for view in (app.people.person(REVIEWER, person), app.review.task(REVIEWER, task.id)):
        page = json.dumps(asdict(view), default=str)
        for secret in (*HOME.values(), *ELSEWHERE.values(), "A9001"):
            assert secret not in page
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "their new name")
    assert app.people.person(REVIEWER, person).records[0].recorded.family_name == "Brackenbury"
    check_index(app.store)
    app.close()

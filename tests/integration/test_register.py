"""Registering: who is linked, who is not, what is asked, what history says."""

import pytest

from mpi.bootstrap import App
from mpi.domain.errors import NotFound
from mpi.domain.messages import AckCode
from mpi.domain.person import SourceRecord
from mpi.domain.review import TaskType, Verdict
from tests.builders import demographics, nhs_number
from tests.index import MACHINE, REVIEWER, merge, persons_of, register, send

N1, N2 = nhs_number(11), nhs_number(12)
VERIFIED = {"nhs_number": N1, "nhs_number_status": "01"}
TUNDE = {
    "family_name": "Oyelaran",
    "given_name": "Tunde",
    "birth_date": "1999-11-02",
    "sex": "male",
    "address_line": "3 Mill Lane",
    "town": "Otherby",
    "postcode": "M13 9PL",
}


def types_of_open_tasks(app: App) -> list[str]:
    return sorted(task.type.value for task in app.review.queue(REVIEWER).tasks)


def release_held_updates(app: App) -> None:
    for task in app.review.queue(REVIEWER, type_=TaskType.POSSIBLE_OVERLAY).tasks:
        app.review.decide(REVIEWER, task.id, Verdict.SAME, "the site confirmed by telephone")


def test_the_same_person_at_two_hospitals_is_one_person(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", **VERIFIED)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == other
    found = app.people.crosswalk(MACHINE, "NHS", N1)
    assert [(e.authority, e.value) for e in found.identifiers] == [("NHS", N1), ("RXX", "1"), ("RYY", "77")]


def test_two_verified_numbers_are_never_linked_and_a_human_is_asked(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other
    assert types_of_open_tasks(app) == [TaskType.TWO_NHS_NUMBERS.value]


def test_a_third_record_does_not_bridge_two_verified_numbers(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    register(app, "INS", "5")
    persons = set(persons_of(app, ("RXX", "1"), ("RYY", "77"), ("INS", "5")))
    assert len(persons) == 3, "a record that reaches link with two persons joins nobody"


def test_another_person_stays_apart_without_a_question(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(
        app,
        "RYY",
        "77",
        family_name="Oyelaran",
        given_name="Tunde",
        birth_date="1999-11-02",
        sex="male",
        address_line="3 Mill Lane",
        town="Otherby",
        postcode="M13 9PL",
    )
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other and types_of_open_tasks(app) == []


def test_an_update_leaves_absent_fields_and_erases_empty_ones(app: App) -> None:
    register(app, "RXX", "1", phone="01134960000")
    send(app, SourceRecord("RXX", "1", {"phone": "", "postcode": "LS7 1AA"}))
    [summary] = app.people.search(REVIEWER, local_id="1", authority="RXX")
    recorded = summary.records[0].recorded
    assert (recorded.phone, recorded.postcode, recorded.family_name) == (None, "LS7 1AA", "Ashworth")


def test_an_update_keeps_what_was_said_before(app: App) -> None:
    outcome = register(app, "RXX", "1")
    send(app, SourceRecord("RXX", "1", {"family_name": "Ashworth-Bell"}))
    assert outcome.record_id is not None
    with app.store.reading() as unit:
        versions = unit.records.versions(unit.records.get([outcome.record_id])[outcome.record_id])
    assert [v.recorded.family_name for v in versions] == ["Ashworth", "Ashworth-Bell"]
    assert versions[0].valid_to == versions[1].valid_from and versions[1].valid_to is None


def test_an_update_that_changes_nothing_writes_no_version(app: App) -> None:
    first = register(app, "RXX", "1")
    again = register(app, "RXX", "1")
    assert again.record_id == first.record_id
    assert first.record_id is not None
    with app.store.reading() as unit:
        assert len(unit.records.versions(unit.records.get([first.record_id])[first.record_id])) == 1


def test_a_poor_record_joins_when_an_update_completes_it(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", birth_date=None, postcode=None, address_line=None, town=None, sex=None)
    before = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert before[0] != before[1]
    register(app, "RYY", "77", **VERIFIED)
    after = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert after == [before[0], before[0]]
    view = app.people.person(REVIEWER, before[1])
    assert (view.enterprise_id, view.merged_from) == (before[0], before[1]), "the old enterprise id still leads there"


def test_an_update_that_describes_somebody_else_never_moves_a_record_by_itself(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(
        app,
        "RYY",
        "77",
        family_name="Oyelaran",
        given_name="Tunde",
        birth_date="1999-11-02",
        sex="male",
        address_line="3 Mill Lane",
        town="Otherby",
        postcode="M13 9PL",
    )
    register(app, "RYY", "77", **VERIFIED)
    assert types_of_open_tasks(app) == [TaskType.POSSIBLE_OVERLAY.value]
    release_held_updates(app)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other
    assert types_of_open_tasks(app) == [TaskType.POSSIBLE_DUPLICATE.value]


def test_a_record_that_becomes_somebody_else_step_by_step_does_not_move_by_itself(app: App) -> None:
    register(app, "RXX", "1", **(TUNDE | VERIFIED))
    register(app, "RYY", "77")
    send(app, SourceRecord("RYY", "77", dict.fromkeys(demographics().as_dict(), "")))
    register(app, "RYY", "77", **(TUNDE | VERIFIED))
    assert types_of_open_tasks(app) == [TaskType.POSSIBLE_OVERLAY.value]
    release_held_updates(app)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other
    assert types_of_open_tasks(app) == [TaskType.POSSIBLE_DUPLICATE.value]


def test_a_record_whose_verified_number_changes_does_not_move_by_itself(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    register(app, "RYY", "77", **VERIFIED)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other


def test_nobody_joins_a_person_whose_records_are_in_doubt(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77")
    register(app, "RYY", "77", **TUNDE)
    release_held_updates(app)
    register(app, "RXX", "8", **TUNDE)
    doubtful, new = persons_of(app, ("RYY", "77"), ("RXX", "8"))
    assert doubtful != new
    assert sorted(t.rule or "" for t in app.review.queue(REVIEWER).tasks) == ["", "person-in-doubt"]


def test_an_update_that_breaks_a_person_makes_a_task_and_no_silent_split(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == other
    assert types_of_open_tasks(app) == [TaskType.BROKEN_CLUSTER.value]


def test_the_same_question_is_asked_once(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    for phone in ("01134960001", "01134960002", "01134960003"):
        register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01", phone=phone)
    assert types_of_open_tasks(app) == [TaskType.TWO_NHS_NUMBERS.value]


@pytest.mark.parametrize(
    ("verdict", "together"), [(Verdict.SAME, True), (Verdict.DIFFERENT, False), (Verdict.NOT_SURE, False)]
)
def test_a_verdict_is_carried_out(app: App, verdict: Verdict, together: bool) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, verdict, "looked at both charts")
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert (one == other) is together


def test_different_people_stay_apart_whatever_comes_later(app: App) -> None:
    register(app, "RXX", "1", given_name="Maria", nhs_number=N1)
    register(app, "RYY", "77", given_name="Maria", nhs_number=N2)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two sisters-in-law")
    register(app, "RYY", "77", **VERIFIED)
    register(app, "RXX", "1", **VERIFIED)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != other
    assert types_of_open_tasks(app) == []


def test_a_reviewers_link_is_not_moved_by_an_update(app: App) -> None:
    register(app, "RXX", "1", **VERIFIED)
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "two numbers, one person")
    register(app, "RYY", "77", family_name="Oyelaran", given_name="Tunde", birth_date="1999-11-02", sex="male")
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == other


def test_a_number_that_was_merged_away_takes_no_update(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    refused = register(app, "RXX", "1", phone="01134960000")
    assert refused.ack is AckCode.ERROR
    assert app.overview.counts().messages["AE"] == 1


def test_an_unknown_number_has_no_crosswalk(app: App) -> None:
    with pytest.raises(NotFound):
        app.people.crosswalk(MACHINE, "RXX", "none")


def test_a_placeholder_person_is_linked_to_nobody(app: App) -> None:
    for number in ("1", "2"):
        register(
            app,
            "RXX",
            number,
            family_name="UNKNOWN",
            given_name="MALE",
            birth_date="1900-01-01",
            address_line=None,
            town=None,
            postcode=None,
        )
    one, other = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert one != other and types_of_open_tasks(app) == []


def test_test_numbers_are_out_of_matching_where_the_authority_is_not_marked(app: App) -> None:
    outcome = send(app, SourceRecord("LIVE", "1", {"nhs_number": N1, "family_name": "Ashworth"}))[0]
    assert [(e.field, e.severity) for e in outcome.errors] == [("nhs_number", "W")]

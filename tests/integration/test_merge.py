"""A40: the subsumed number leads to the survivor, with history; what looks wrong is held for a human."""

from dataclasses import replace

import pytest

from mpi.bootstrap import App
from mpi.domain.errors import Conflict, NotFound
from mpi.domain.messages import AckCode, Merge, MergePair
from mpi.domain.person import Identifier, SourceRecord
from mpi.domain.review import TaskType, Verdict
from tests.builders import a_record, nhs_number
from tests.index import MACHINE, REVIEWER, merge, message, persons_of, register, send

N1, N2 = nhs_number(21), nhs_number(22)
TUNDE = {
    "family_name": "Oyelaran",
    "given_name": "Tunde",
    "birth_date": "1999-11-02",
    "sex": "male",
    "address_line": "3 Mill Lane",
    "town": "Otherby",
    "postcode": "M13 9PL",
}


def held(app: App) -> list[tuple[int, str]]:
    return [(t.id, t.reason) for t in app.review.queue(REVIEWER, type_=TaskType.HELD_MERGE).tasks]


def test_the_subsumed_number_leads_to_the_survivor(app: App) -> None:
    register(app, "RXX", "1", postcode="LS7 1AA")
    register(app, "RXX", "2")
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    one, two = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert one == two and held(app) == []


def test_a_person_left_without_records_still_leads_to_the_survivor(app: App) -> None:
    register(app, "RXX", "1", birth_date=None, address_line=None, postcode=None, town=None, sex=None)
    register(app, "RXX", "2")
    before, survivor = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert before != survivor
    merge(app, "1", "2")
    assert app.people.person(REVIEWER, before).enterprise_id == survivor


def test_a_chain_of_merges_is_followed_to_its_end(app: App) -> None:
    for number in ("1", "2", "3", "4"):
        register(app, "RXX", number)
    for subsumed, surviving in (("1", "2"), ("2", "3"), ("3", "4")):
        assert merge(app, subsumed, surviving).ack is AckCode.ACCEPTED
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "3"), ("RXX", "4")))) == 1
    assert held(app) == []


def test_a_merge_sent_twice_changes_nothing_the_second_time(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    assert held(app) == []


def test_an_unknown_subsumed_number_changes_nothing_and_is_no_error(app: App) -> None:
    register(app, "RXX", "2")
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    with pytest.raises(NotFound):
        persons_of(app, ("RXX", "1"))


def test_an_unknown_surviving_number_makes_it_a_change_of_identifier(app: App) -> None:
    register(app, "RXX", "1")
    [person] = persons_of(app, ("RXX", "1"))
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    assert persons_of(app, ("RXX", "1"), ("RXX", "2")) == [person, person]
    register(app, "RXX", "2", phone="01134960000")
    assert persons_of(app, ("RXX", "2")) == [person], "a later registration of the survivor is an update"


def circular(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    merge(app, "2", "1")


def into_itself(app: App) -> None:
    register(app, "RXX", "1")
    merge(app, "1", "1")


def across_authorities(app: App) -> None:
    register(app, "RXX", "1", **TUNDE)
    register(app, "RYY", "2")
    merge(app, "1", "2", other="RYY")


def verified_numbers_differ(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "2", nhs_number=N2, nhs_number_status="01")
    merge(app, "1", "2")


def verified_number_of_another_record_of_the_person_differs(app: App) -> None:
    register(app, "RYY", "7", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "2", **(TUNDE | {"nhs_number": N2, "nhs_number_status": "01"}))
    merge(app, "1", "2")


def clearly_different_people(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    merge(app, "1", "2")


def survivor_was_merged_before(app: App) -> None:
    for number in ("1", "2", "3"):
        register(app, "RXX", number)
    merge(app, "2", "3")
    merge(app, "1", "2")


def kept_apart_by_a_reviewer(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RXX", "2", nhs_number=N2)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two people")
    merge(app, "1", "2")


def kept_apart_from_another_record_of_the_person(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "7", nhs_number=N2)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two people")
    register(app, "RXX", "2", nhs_number=N2, nhs_number_status="01")
    send(app, SourceRecord("RXX", "1", {"nhs_number": ""}))
    merge(app, "1", "2")


def number_merged_into_it_before_was_another_verified_one(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    register(app, "RXX", "3", nhs_number=N2, nhs_number_status="01")
    merge(app, "3", "2")


@pytest.mark.parametrize(
    "story",
    [
        circular,
        into_itself,
        across_authorities,
        verified_numbers_differ,
        verified_number_of_another_record_of_the_person_differs,
        clearly_different_people,
        survivor_was_merged_before,
        kept_apart_by_a_reviewer,
        kept_apart_from_another_record_of_the_person,
        number_merged_into_it_before_was_another_verified_one,
    ],
)
def test_a_merge_that_looks_wrong_is_held_and_not_applied(app: App, story) -> None:  # type: ignore[no-untyped-def]
    story(app)
    assert len(held(app)) == 1, held(app)


def test_a_held_merge_is_applied_when_a_reviewer_says_same_person(app: App) -> None:
    verified_numbers_differ(app)
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    one, two = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert one == two and held(app) == []


def test_a_held_merge_across_authorities_joins_the_persons_when_released(app: App) -> None:
    across_authorities(app)
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "one person, two hospitals")
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    assert one == two


def test_a_held_merge_stays_undone_when_a_reviewer_says_different_people(app: App) -> None:
    clearly_different_people(app)
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "another patient was meant")
    one, two = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert one != two
    merge(app, "1", "2")
    assert len(held(app)) == 1, "sent again, it is held again"


def test_people_kept_apart_are_not_merged_by_releasing_a_held_merge(app: App) -> None:
    kept_apart_by_a_reviewer(app)
    [(task, _)] = held(app)
    with pytest.raises(Conflict):
        app.review.decide(REVIEWER, task, Verdict.SAME, "one person after all")
    one, two = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert one != two


def test_a_second_held_merge_of_the_same_numbers_loses_none_of_its_pairs(app: App) -> None:
    clearly_different_people(app)
    register(app, "RXX", "3")
    register(app, "RXX", "4", postcode="LS7 1AA")
    pairs = (
        MergePair(Identifier("RXX", "4"), Identifier("RXX", "3")),
        MergePair(Identifier("RXX", "2"), Identifier("RXX", "1")),
    )
    app.inbox.process([message(Merge(pairs))])
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed both")
    with app.store.reading() as unit:
        found = [unit.records.find("RXX", number) for number in ("1", "3")]
    assert [record.status for record in found if record] == ["merged", "merged"]


def test_of_two_held_merges_in_opposite_directions_the_latest_counts(app: App) -> None:
    clearly_different_people(app)
    merge(app, "2", "1")
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    with app.store.reading() as unit:
        surviving = unit.records.find("RXX", "1")
    assert surviving is not None and surviving.status == "active"


def test_a_merge_is_held_whose_number_the_same_message_made(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    pairs = (
        MergePair(Identifier("RXX", "9"), Identifier("RXX", "1")),
        MergePair(Identifier("RXX", "2"), Identifier("RXX", "9")),
    )
    assert app.inbox.process([message(Merge(pairs))])[0].ack is AckCode.ACCEPTED
    [(task, _)] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "9")))) == 1


def test_a_number_that_was_merged_away_still_speaks_against_a_link(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    register(app, "RYY", "7", nhs_number=N2, nhs_number_status="01")
    one, other = persons_of(app, ("RXX", "2"), ("RYY", "7"))
    assert one != other
    assert [t.type for t in app.review.queue(REVIEWER).tasks] == [TaskType.TWO_NHS_NUMBERS]


def test_an_nhs_number_goes_with_a_change_of_number_and_can_be_put_right(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    merge(app, "1", "2")
    register(app, "RXX", "2", nhs_number=N2, nhs_number_status="01")
    [person] = persons_of(app, ("RXX", "1"))
    shown = app.people.crosswalk(MACHINE, "RXX", "2").identifiers
    assert [entry.value for entry in shown if entry.authority == "NHS"] == [N2]
    register(app, "RYY", "7", nhs_number=N2, nhs_number_status="01")
    assert persons_of(app, ("RYY", "7")) == [person]


def test_a_restricted_number_stays_restricted_under_the_survivor(app: App) -> None:
    send(app, replace(a_record("RXX", "1"), restricted=True))
    register(app, "RXX", "2", address_line="1 Another Road")
    merge(app, "1", "2")
    [person] = persons_of(app, ("RXX", "2"))
    shown = app.people.person(REVIEWER, person).records
    assert [(r.status, r.local_id, r.restricted, r.recorded.address_line) for r in shown] == [
        ("active", "withheld", True, None),
        ("merged", "withheld", True, None),
    ]


def test_pairs_of_one_message_are_merged_all_or_none(app: App) -> None:
    register(app, "RXX", "1", postcode="LS7 1AA")
    register(app, "RXX", "2")
    register(app, "RXX", "3", **TUNDE)
    pairs = (
        MergePair(Identifier("RXX", "2"), Identifier("RXX", "1")),
        MergePair(Identifier("RXX", "2"), Identifier("RXX", "3")),
    )
    app.inbox.process([message(Merge(pairs))])
    assert len(held(app)) == 1
    with app.store.reading() as unit:
        first = unit.records.find("RXX", "1")
    assert first is not None
    assert first.status == "active", "the first pair was not applied either"


def test_the_other_records_of_the_subsumed_person_are_asked_about(app: App) -> None:
    register(app, "RXX", "1", **TUNDE)
    register(app, "RYY", "9", **TUNDE)
    poorer = TUNDE | dict.fromkeys(("postcode", "address_line", "town", "sex", "birth_date"))
    register(app, "RXX", "2", **poorer)
    before = persons_of(app, ("RXX", "1"), ("RYY", "9"), ("RXX", "2"))
    assert before[0] == before[1] != before[2]
    assert merge(app, "1", "2").ack is AckCode.ACCEPTED
    after = persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RYY", "9"))
    assert after == [before[2], before[2], before[0]]
    assert any("merged a number" in t.reason for t in app.review.queue(REVIEWER).tasks)

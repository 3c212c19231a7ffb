"""The firewall: an update that describes somebody else waits for a human, with all that belongs to it."""

import time
from dataclasses import replace

import pytest

from mpi.bootstrap import App, build
from mpi.config import Source
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, NotAllowed
from mpi.domain.messages import AckCode, Delete, Link, Merge, MergePair, Move, Outcome, Register
from mpi.domain.person import Demographics, Identifier, SourceRecord
from mpi.domain.review import TaskState, TaskType, Verdict
from mpi.domain.roles import Role
from tests.builders import nhs_number
from tests.index import MACHINE, REVIEWER, config_for, merge, message, persons_of, register, send
from tests.invariants import check_index

SENIOR = Actor("sam", Role.SENIOR_REVIEWER.value)
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


def held(app: App, *types: TaskType) -> list[int]:
    wanted = types or (TaskType.POSSIBLE_OVERLAY,)
    return [task.id for task in app.review.queue(REVIEWER).tasks if task.type in wanted]


def says(app: App, authority: str, number: str) -> Demographics:
    with app.store.reading() as unit:
        stored = unit.records.find(authority, number)
    assert stored is not None
    return stored.recorded


def is_held(outcome: Outcome) -> bool:
    return any("Held" in error.text for error in outcome.errors)


def test_a_held_update_changes_nothing_until_a_human_lets_it_through(app: App) -> None:
    register(app, "RXX", "1")
    [person] = persons_of(app, ("RXX", "1"))
    outcome = register(app, "RXX", "1", **TUNDE)
    assert (outcome.ack, is_held(outcome)) == (AckCode.ACCEPTED, True)
    assert says(app, "RXX", "1").given_name == "Maria"
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the clerk had registered the wrong person at first")
    assert says(app, "RXX", "1").given_name == "Tunde"
    assert persons_of(app, ("RXX", "1")) == [person]
    assert held(app) == []


def test_a_dropped_update_is_gone_and_the_next_one_is_held_again(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "the clerk had opened the wrong patient")
    assert says(app, "RXX", "1").given_name == "Maria"
    assert held(app) == []
    register(app, "RXX", "1", **TUNDE)
    assert len(held(app)) == 1


def test_what_was_let_through_once_is_not_held_for_what_was_before(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    app.review.decide(REVIEWER, held(app)[0], Verdict.SAME, "the site confirmed by telephone")
    outcome = register(app, "RXX", "1", **(TUNDE | {"birth_date": "1999-12-02", "phone": "01632960001"}))
    assert not is_held(outcome)
    assert says(app, "RXX", "1").birth_date == "1999-12-02"


def test_a_task_that_waits_for_the_site_still_holds(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.NOT_SURE, "asked the site")
    assert is_held(send(app, SourceRecord("RXX", "1", {"family_name": "Oyelaran", "phone": "01632960009"}))[0])
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    assert (says(app, "RXX", "1").given_name, says(app, "RXX", "1").phone) == ("Tunde", "01632960009")


def test_later_updates_join_the_held_one_and_are_let_through_together(app: App) -> None:
    register(app, "RXX", "1")
    assert is_held(send(app, SourceRecord("RXX", "1", TUNDE))[0])
    for changes in ({"given_name": "Tunde", "phone": "01632960001"}, {"postcode": "M14 1AA"}):
        assert is_held(send(app, SourceRecord("RXX", "1", changes))[0])
    assert not is_held(send(app, SourceRecord("RXX", "1", {"given_name": "Maria", "email": "m@example.org"}))[0])
    [task] = held(app)
    seen = app.review.task(REVIEWER, task)
    assert seen.summary.right is not None
    assert seen.summary.right.recorded.phone == "01632960001"
    assert seen.comparisons
    assert {f.field for f in seen.fields if f.left != f.right} >= {"family_name", "given_name", "birth_date"}
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    now = says(app, "RXX", "1")
    assert (now.given_name, now.phone, now.postcode, now.email) == ("Tunde", "01632960001", "M14 1AA", "m@example.org")


def test_a_restricted_person_stays_so_beside_the_held_update(app: App) -> None:
    register(app, "RXX", "1")
    send(app, replace(SourceRecord("RXX", "1", TUNDE), restricted=True))
    [task] = app.review.queue(REVIEWER).tasks
    assert task.right is not None
    assert (task.right.restricted, task.right.recorded.postcode, task.weight) == (True, None, None)


def test_a_verified_number_that_changes_with_the_person_is_held(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    assert is_held(register(app, "RXX", "1", nhs_number=N2, nhs_number_status="01", sex="male"))


def test_a_verified_number_that_changes_alone_is_applied(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    assert not is_held(register(app, "RXX", "1", nhs_number=N2, nhs_number_status="01"))


def test_the_same_verified_number_hides_no_overlay(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    assert is_held(register(app, "RXX", "1", **(TUNDE | {"nhs_number": N1, "nhs_number_status": "01"})))


def test_father_and_son_of_one_name_are_two_people(app: App) -> None:
    register(app, "RXX", "1", sex="male", given_name="John", birth_date="1948-03-24")
    assert is_held(register(app, "RXX", "1", sex="male", given_name="John", birth_date="1975-06-02"))


@pytest.mark.parametrize(
    "step",
    [
        {"given_name": "Mary"},
        {"family_name": "Greenwood"},
        {"birth_date": "1968-03-25"},
        {"birth_date": "1968-05-14"},
        {"sex": "male"},
        {"address_line": "2 Sea View", "town": "Whitby", "postcode": "YO21 1AA"},
        {"family_name": "Greenwood", "address_line": "2 Sea View", "town": "Whitby", "postcode": "YO21 1AA"},
        {"phone": "01632960001", "email": "m@example.org", "gp_practice": "B86001"},
        {"given_name": None, "sex": None},
        {"given_name": "Ashworth", "family_name": "Maria"},
    ],
    ids=lambda step: " and ".join(step),
)
def test_a_correction_is_no_overlay(app: App, step: dict[str, str | None]) -> None:
    register(app, "RXX", "1")
    assert not is_held(register(app, "RXX", "1", **step))


def test_a_drift_to_somebody_else_is_held_before_it_is_complete(app: App) -> None:
    register(app, "RXX", "1")
    steps = [{"sex": "male"}, {"family_name": "Oyelaran"}, {"birth_date": "1967-11-02"}, {"given_name": "Tunde"}]
    said: dict[str, str] = {}
    outcomes = []
    for step in steps:
        said |= step
        outcomes.append(register(app, "RXX", "1", **said))
    assert is_held(outcomes[-1])
    assert says(app, "RXX", "1").given_name == "Maria"


def test_a_sender_that_reads_its_errors_is_told_ae(migrated_url: str) -> None:
    config = config_for(migrated_url)
    app = build(replace(config, sources=(Source("PAS", "RXX", "RXX", test=True, held="AE"),)))
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    for outcome in (register(app, "RXX", "1", **TUNDE), merge(app, "1", "2")):
        assert (outcome.ack, [int(e.code) for e in outcome.errors if "Held" in e.text]) == (AckCode.ERROR, [206])
    assert len(held(app, TaskType.POSSIBLE_OVERLAY, TaskType.HELD_MERGE)) == 2
    check_index(app.store)
    app.close()


def test_a_merge_is_released_only_after_the_held_update(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    register(app, "RXX", "1", **TUNDE)
    assert is_held(merge(app, "1", "2"))
    [overlay], [held_merge] = held(app), held(app, TaskType.HELD_MERGE)
    with pytest.raises(Conflict):
        app.review.decide(REVIEWER, held_merge, Verdict.SAME, "one person")
    app.review.decide(REVIEWER, overlay, Verdict.DIFFERENT, "the wrong patient was open")
    app.review.decide(REVIEWER, held_merge, Verdict.SAME, "one person")
    assert held(app, TaskType.HELD_MERGE) == []
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 1


@pytest.mark.parametrize(("verdict", "given_name"), [(Verdict.SAME, "Tunde"), (Verdict.DIFFERENT, "Maria")])
def test_a_number_used_again_after_its_merge(app: App, verdict: Verdict, given_name: str) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    assert is_held(register(app, "RXX", "1", **TUNDE))
    [task] = held(app, TaskType.REUSED_NUMBER)
    app.review.decide(REVIEWER, task, verdict, "the site confirmed by telephone")
    assert says(app, "RXX", "2").given_name == given_name
    assert says(app, "RXX", "1").given_name == "Maria"


def test_a_deleted_number_matches_nobody_until_it_is_used_again(app: App) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Delete(Identifier("RXX", "1")))])
    register(app, "RYY", "7")
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "7"))
    assert one != other
    register(app, "RXX", "1", phone="01632960001")
    assert held(app, TaskType.DELETED_NUMBER) == []
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "7")))) == 1


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.SAME, "deleted"), (Verdict.DIFFERENT, "active")])
def test_a_human_says_whether_a_number_was_rightly_deleted(app: App, verdict: Verdict, status: str) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Delete(Identifier("RXX", "1")))])
    [task] = held(app, TaskType.DELETED_NUMBER)
    app.review.decide(REVIEWER, task, verdict, "asked the site")
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.status == status


def test_a_deleted_number_used_again_by_somebody_else_is_held(app: App) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Delete(Identifier("RXX", "1")))])
    assert is_held(register(app, "RXX", "1", **TUNDE))


@pytest.mark.parametrize(("verdict", "together"), [(Verdict.SAME, True), (Verdict.DIFFERENT, False)])
def test_a_held_link_is_decided(app: App, verdict: Verdict, together: bool) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    app.inbox.process([message(Link(Identifier("RXX", "1"), Identifier("RXX", "2")))])
    [task] = held(app, TaskType.HELD_LINK)
    app.review.decide(REVIEWER, task, verdict, "the site confirmed by telephone")
    assert (len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 1) is together


def test_a_held_move_takes_only_its_number_along(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "7")
    register(app, "RXX", "3", **TUNDE)
    pair = MergePair(Identifier("RXX", "3"), Identifier("RXX", "1"))
    app.inbox.process([message(Move((pair,)))])
    [task] = held(app, TaskType.HELD_MOVE)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    one, seven, three = persons_of(app, ("RXX", "1"), ("RYY", "7"), ("RXX", "3"))
    assert one == three != seven


def test_a_source_does_not_unlink_what_a_reviewer_linked(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "2", nhs_number=N2, nhs_number_status="01")
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "one number was replaced")
    unlink = Link(Identifier("RXX", "1"), Identifier("RXX", "2"), apart=True)
    assert is_held(app.inbox.process([message(unlink)])[0])
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 1
    assert len(held(app, TaskType.BROKEN_CLUSTER)) == 1


def test_what_a_link_brought_together_parts_as_it_was(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "8")
    poorer = dict.fromkeys(("birth_date", "address_line", "town", "postcode", "sex"))
    register(app, "RXX", "2", **poorer)
    before = persons_of(app, ("RXX", "1"), ("RYY", "8"), ("RXX", "2"))
    both = Identifier("RXX", "2"), Identifier("RXX", "1")
    app.inbox.process([message(Link(*both))])
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "8"), ("RXX", "2")))) == 1
    app.inbox.process([message(Link(*both, apart=True))])
    assert persons_of(app, ("RXX", "1"), ("RYY", "8"), ("RXX", "2")) == before


def test_a_chain_of_a_hundred_merges_leads_to_its_end(app: App) -> None:
    register(app, "RXX", "0")
    for number in range(100):
        pair = MergePair(Identifier("RXX", str(number + 1)), Identifier("RXX", str(number)))
        assert app.inbox.process([message(Merge((pair,)))])[0].ack is AckCode.ACCEPTED
    first, last = persons_of(app, ("RXX", "0"), ("RXX", "100"))
    assert first == last
    pair = MergePair(Identifier("RXX", "0"), Identifier("RXX", "100"))
    assert is_held(app.inbox.process([message(Merge((pair,)))])[0]), "the circle is seen from its far end"
    shown = app.people.crosswalk(MACHINE, "RXX", "50").identifiers
    assert len([entry for entry in shown if entry.authority == "RXX"]) == 101


def test_a_clock_that_is_years_ahead_stops_no_later_update(app: App) -> None:
    app.inbox.process([message(Register(SourceRecord("RXX", "1", {"family_name": "Ashworth"}, said_at="20991231")))])
    [outcome] = app.inbox.process(
        [message(Register(SourceRecord("RXX", "1", {"phone": "01632960001"}, said_at="20261101")))]
    )
    assert not outcome.errors
    assert says(app, "RXX", "1").phone == "01632960001"


def test_an_older_update_may_restrict_a_person_and_never_unrestrict(app: App) -> None:
    def sent(said_at: str, restricted: bool | None) -> None:
        record = SourceRecord("RXX", "1", {"family_name": "Ashworth"}, said_at=said_at, restricted=restricted)
        app.inbox.process([message(Register(record))])

    sent("20261101120000", None)
    sent("20261101110000", True)
    sent("20261101100000", False)
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.restricted


def test_an_unchanged_update_still_moves_the_clock(app: App) -> None:
    def sent(given_name: str, said_at: str) -> None:
        record = SourceRecord("RXX", "1", {"family_name": "Ashworth", "given_name": given_name}, said_at=said_at)
        app.inbox.process([message(Register(record))])

    sent("Maria", "20261101090000")
    sent("Maria", "20261101110000")
    sent("Mary", "20261101100000")
    assert says(app, "RXX", "1").given_name == "Maria"


def test_a_released_update_can_be_taken_back_and_spares_what_came_since(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    send(app, SourceRecord("RXX", "1", TUNDE | {"nhs_number": N2, "nhs_number_status": "01"}))
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site confirmed by telephone")
    send(app, SourceRecord("RXX", "1", {"phone": "01632960001", "town": "Thirdby"}))
    with pytest.raises(NotAllowed):
        app.review.reopen(REVIEWER, task, "the site was wrong")
    app.review.reopen(SENIOR, task, "the site was wrong")
    now = says(app, "RXX", "1")
    assert (now.given_name, now.nhs_number, now.nhs_number_status) == ("Maria", N1, "01")
    assert (now.phone, now.town) == ("01632960001", "Thirdby")
    assert held(app) == [task]
    assert is_held(send(app, SourceRecord("RXX", "1", TUNDE))[0])
    app.review.decide(REVIEWER, task, Verdict.SAME, "right after all")
    assert says(app, "RXX", "1").given_name == "Tunde"


def test_a_dropped_update_can_be_taken_back(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "the wrong patient was open")
    app.review.reopen(SENIOR, task, "it was the right one")
    app.review.decide(REVIEWER, task, Verdict.SAME, "it was the right one")
    assert says(app, "RXX", "1").given_name == "Tunde"
    app.review.reopen(SENIOR, task, "no, it was not")
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "the wrong patient was open")
    assert is_held(register(app, "RXX", "1", **TUNDE)), "what was taken back lets nobody through"
    with pytest.raises(Conflict):
        app.review.reopen(SENIOR, task, "another update is held now")


@pytest.mark.parametrize(("verdict", "after"), [(Verdict.SAME, "deleted"), (Verdict.DIFFERENT, "deleted")])
def test_the_answer_about_a_deletion_can_be_taken_back(app: App, verdict: Verdict, after: str) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Delete(Identifier("RXX", "1")))])
    [task] = held(app, TaskType.DELETED_NUMBER)
    app.review.decide(REVIEWER, task, verdict, "asked the site")
    app.review.reopen(SENIOR, task, "asked the site once more")
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.status == after
    assert held(app, TaskType.DELETED_NUMBER) == [task]


def test_an_answer_that_changed_identities_is_taken_back_elsewhere(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    merge(app, "1", "2")
    [task] = held(app, TaskType.HELD_MERGE)
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "two people")
    with pytest.raises(Conflict):
        app.review.reopen(SENIOR, task, "one after all")


@pytest.mark.parametrize("merged", [False, True], ids=["in use", "merged before"])
def test_a_number_that_was_given_to_somebody_else_is_theirs_and_can_be_taken_back(app: App, merged: bool) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    if merged:
        merge(app, "1", "2")
    register(app, "RYY", "7", **TUNDE)
    first, second, other = persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RYY", "7"))
    send(app, SourceRecord("RXX", "1", TUNDE))
    [task] = held(app, TaskType.POSSIBLE_OVERLAY, TaskType.REUSED_NUMBER)
    app.review.decide(REVIEWER, task, Verdict.REUSED, "the ward gives its numbers out again")
    check_index(app.store)
    assert persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RYY", "7")) == [other, second, other]
    assert says(app, "RXX", "1").given_name == "Tunde"
    assert not is_held(send(app, SourceRecord("RXX", "1", {"phone": "01632960001"}))[0])
    shown = app.people.person(REVIEWER, first)
    assert any(record.local_id.startswith("1 (until ") for record in shown.records)
    app.review.reopen(SENIOR, task, "the ward was wrong")
    assert persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RYY", "7")) == [first, second, other]
    assert says(app, "RXX", "1").given_name == "Maria"
    assert held(app, TaskType.POSSIBLE_OVERLAY, TaskType.REUSED_NUMBER) == [task]


def test_the_only_number_of_a_person_can_be_given_to_somebody_else(app: App) -> None:
    register(app, "RXX", "1")
    [first] = persons_of(app, ("RXX", "1"))
    register(app, "RXX", "1", **TUNDE)
    app.review.decide(REVIEWER, held(app)[0], Verdict.REUSED, "the ward gives its numbers out again")
    [second] = persons_of(app, ("RXX", "1"))
    assert first != second
    assert app.people.person(REVIEWER, first).enterprise_id == first


def test_whose_a_number_was_is_known_when_it_has_gone_to_somebody_else(app: App) -> None:
    register(app, "RXX", "1")
    [first] = persons_of(app, ("RXX", "1"))
    with app.store.reading() as unit:
        before = unit.now
    time.sleep(0.01)
    register(app, "RXX", "1", **TUNDE)
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.REUSED, "the ward gives its numbers out again")
    [second] = persons_of(app, ("RXX", "1"))
    with app.store.reading() as unit:
        between = unit.now
    time.sleep(0.01)
    app.review.reopen(SENIOR, task, "the ward was wrong")
    assert app.people.crosswalk(MACHINE, "RXX", "1", at=before).enterprise_id == first
    assert app.people.crosswalk(MACHINE, "RXX", "1", at=between).enterprise_id == second
    assert app.people.crosswalk(MACHINE, "RXX", "1").enterprise_id == first


def test_only_a_held_update_can_be_somebody_elses(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    merge(app, "1", "2")
    with pytest.raises(Conflict):
        app.review.decide(REVIEWER, held(app, TaskType.HELD_MERGE)[0], Verdict.REUSED, "a mistake")


def test_nothing_is_asked_of_a_closed_queue(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = held(app)
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "the wrong patient was open")
    assert app.review.task(REVIEWER, task).summary.state is TaskState.CLOSED

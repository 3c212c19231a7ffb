"""Stories that go round what is compared, to put two people under one identity or to lose a word of theirs."""

import time
from dataclasses import replace

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import SYSTEM, Actor
from mpi.domain.errors import Conflict
from mpi.domain.messages import Command, Link, Merge, MergePair, Move, Rename
from mpi.domain.person import Identifier, SourceRecord
from mpi.domain.review import TaskType, Verdict
from mpi.domain.roles import Role
from mpi.services.trace_import import TraceRow
from tests.builders import a_record, demographics, nhs_number
from tests.history import last_change
from tests.index import MACHINE, REVIEWER, merge, message, persons_of, register, send

SENIOR = Actor("sam", Role.SENIOR_REVIEWER.value)
N1, N2, N3 = (nhs_number(n) for n in (21, 22, 23))
TUNDE = {
    "family_name": "Oyelaran",
    "given_name": "Tunde",
    "birth_date": "1999-11-02",
    "sex": "male",
    "address_line": "3 Mill Lane",
    "town": "Otherby",
    "postcode": "M13 9PL",
}


def _pair(lose: str, keep: str) -> MergePair:
    return MergePair(Identifier("RXX", keep), Identifier("RXX", lose))


@pytest.mark.parametrize("command", [Merge((_pair("1", "3"),)), Rename(_pair("1", "3"))], ids=["merge", "rename"])
def test_nobody_joins_a_person_through_a_number_of_which_only_a_link_is_known(app: App, command: Command) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    app.inbox.process([message(Link(Identifier("RXX", "3"), Identifier("RXX", "2")))])
    app.inbox.process([message(command)])
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 2


def test_nobody_joins_a_person_through_a_number_of_which_little_is_known(app: App) -> None:
    register(app, "RXX", "1", given_name="Peter", birth_date="1940-04-04", sex="male", postcode="E1 1AA")
    register(app, "RXX", "2")
    send(app, SourceRecord("RXX", "3", {"family_name": "Ashworth"}))
    app.inbox.process([message(Link(Identifier("RXX", "3"), Identifier("RXX", "2")))])
    merge(app, "1", "3")
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 2


def test_nobody_joins_a_person_through_a_number_whose_values_were_erased(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "3", **TUNDE)
    send(app, SourceRecord("RXX", "3", dict.fromkeys(TUNDE, "")))
    merge(app, "1", "3")
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 2


def test_what_is_told_after_a_move_of_the_number_that_it_went_to_may_part_them(app: App) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Move((_pair("1", "3"),)))])
    register(app, "RXX", "3", **TUNDE)
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "3")))) == 2


def test_an_older_update_about_somebody_else_gives_them_no_number(app: App) -> None:
    send(app, replace(a_record("RXX", "1"), said_at="20261101090000"))
    late = SourceRecord("RXX", "1", TUNDE | {"nhs_number": N1, "phone": "01632960001"}, said_at="20261101080000")
    send(app, late)
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.recorded == demographics()


def test_an_older_whole_picture_erases_nothing(app: App) -> None:
    send(app, replace(a_record("RXX", "1"), said_at="20261101090000"))
    send(app, replace(a_record("RXX", "1", phone="01632960001"), said_at="20261101080000"))
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.recorded == demographics(phone="01632960001")


def _numbers(app: App, local_id: str) -> set[str]:
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", local_id)
        assert stored is not None
        return {row.value for row in unit.records.identifiers_of([stored.id])}


def test_a_held_update_brings_its_other_national_numbers_when_it_is_released(app: App) -> None:
    register(app, "RXX", "1")
    send(app, SourceRecord("RXX", "1", TUNDE, national=(Identifier("CHI", "0101011234"),)))
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "the first clerk was wrong")
    assert _numbers(app, "1") == {"0101011234"}
    app.review.reopen(SENIOR, task.id, "it was not so")
    assert _numbers(app, "1") == set()
    app.review.decide(REVIEWER, task.id, Verdict.REUSED, "the number was given out again")
    assert _numbers(app, "1") == {"0101011234"}


def test_whose_a_number_was_that_was_given_away_twice(app: App) -> None:
    def moment() -> str:
        with app.store.reading() as unit:
            now = unit.now
        time.sleep(0.01)
        return now

    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = app.review.queue(REVIEWER).tasks
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        app.review.decide(REVIEWER, task.id, Verdict.REUSED, "the ward gives its numbers out again")
        seen += [(moment(), *persons_of(app, ("RXX", "1")))]
        app.review.reopen(SENIOR, task.id, "the ward was wrong")
        seen += [(moment(), *persons_of(app, ("RXX", "1")))]
    assert [app.people.crosswalk(MACHINE, "RXX", "1", at=at).enterprise_id for at, _ in seen] == [p for _, p in seen]


@pytest.mark.parametrize("said", [{}, {"nhs_number": N1}], ids=["found by tracing", "replaced by another before"])
def test_a_restored_number_is_restored_on_all_who_came_by_it(app: App, said: dict[str, str]) -> None:
    def answer(local_id: str, outcome: str, number: str) -> None:
        with app.store.reading() as unit:
            stored = unit.records.find("RXX", local_id)
        assert stored is not None
        row = TraceRow(2, f"R{stored.id}-{stored.version}", outcome, number)
        app.trace_import.take(SYSTEM, [row], "answers.csv")

    register(app, "RXX", "1", **said)
    register(app, "RXX", "2", nhs_number=N2, **TUNDE)
    answer("1", "superseded" if said else "verified", N2)
    answer("2", "superseded", N3)
    assert _numbers(app, "1") == _numbers(app, "2") == {N3}
    app.trace_import.restore(SYSTEM, N2, "tracing was wrong")
    assert _numbers(app, "1") == _numbers(app, "2") == {N2}


ZED = {"family_name": "Quux", "given_name": "Zed", "birth_date": "1931-05-05", "sex": "female", "postcode": "L1 1AA"}


@pytest.mark.parametrize("command", [Merge, Move])
def test_an_answer_about_two_numbers_joins_nobody_else_of_the_same_message(
    app: App, command: type[Merge] | type[Move]
) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "3", **ZED)
    register(app, "RXX", "4", family_name="Brown", given_name="Ada", birth_date="1950-01-01", postcode="N1 1AA")
    app.inbox.process([message(command((_pair("1", "2"), _pair("3", "4"))))])
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "the site confirmed by telephone")
    persons = persons_of(app, *(("RXX", number) for number in "1234"))
    assert persons[0] == persons[1]
    assert persons[2] != persons[3]
    [other] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, other.id, Verdict.SAME, "the site confirmed by telephone")
    assert len(set(persons_of(app, ("RXX", "3"), ("RXX", "4")))) == 1


@pytest.mark.parametrize("command", [Merge, Move])
def test_what_else_a_rejected_message_asked_for_is_not_lost(app: App, command: type[Merge] | type[Move]) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "3", **ZED)
    register(app, "RXX", "4", **ZED | dict.fromkeys(("birth_date", "postcode", "sex")))
    pairs = (_pair("1", "2"), _pair("3", "4"), _pair("4", "2"))
    app.inbox.process([message(command(pairs))])
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "the site confirmed by telephone")
    persons = persons_of(app, *(("RXX", number) for number in "1234"))
    assert len(set(persons)) == 3
    assert persons[2] == persons[3]
    [other] = app.review.queue(REVIEWER).tasks
    assert other.type.value.startswith("held-")


def test_a_second_held_move_of_the_same_numbers_loses_none_of_its_pairs(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "3")
    register(app, "RXX", "4", **dict.fromkeys(("birth_date", "address_line", "town", "postcode", "sex")))
    app.inbox.process([message(Move((_pair("1", "2"),)))])
    app.inbox.process([message(Move((_pair("3", "4"), _pair("1", "2"))))])
    [task] = [one for one in app.review.queue(REVIEWER).tasks if one.type is TaskType.HELD_MOVE]
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "the site confirmed by telephone")
    assert len(set(persons_of(app, ("RXX", "3"), ("RXX", "4")))) == 1


def test_a_held_move_to_a_number_that_is_not_known_is_done_when_it_is_released(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    app.inbox.process([message(Move((_pair("1", "3"),)))])
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "the site confirmed by telephone")
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "3")))) == 1


def _two_verified_numbers(app: App) -> None:
    """Number 2 says no NHS number itself, and had one merged into it; number 3 is alike and has another."""
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RXX", "2")
    merge(app, "1", "2")
    register(app, "RXX", "3", nhs_number=N2, nhs_number_status="01")
    assert len(set(persons_of(app, ("RXX", "2"), ("RXX", "3")))) == 2


def test_an_update_does_not_bring_two_verified_numbers_together_of_which_one_was_merged_away(app: App) -> None:
    _two_verified_numbers(app)
    register(app, "RXX", "2", phone="01632960001", middle_names="Ann")
    assert len(set(persons_of(app, ("RXX", "2"), ("RXX", "3")))) == 2


@pytest.mark.parametrize(
    "command",
    [
        Link(Identifier("RXX", "2"), Identifier("RXX", "3")),
        Link(Identifier("RXX", "3"), Identifier("RXX", "2")),
        Move((_pair("2", "3"),)),
        Move((_pair("3", "2"),)),
        Merge((_pair("2", "3"),)),
    ],
    ids=["link", "link the other way", "move", "move the other way", "merge"],
)
def test_a_source_does_not_bring_them_together_either(app: App, command: Command) -> None:
    _two_verified_numbers(app)
    app.inbox.process([message(command)])
    assert len(set(persons_of(app, ("RXX", "2"), ("RXX", "3")))) == 2


def test_an_update_is_not_taken_back_from_the_number_that_its_own_was_merged_into(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", **TUNDE)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "the first clerk was wrong")
    register(app, "RXX", "2", **TUNDE)
    merge(app, "1", "2")
    with pytest.raises(Conflict):
        app.review.reopen(SENIOR, task.id, "it was not so")
    app.undo.do(SENIOR, last_change(app), "not merged", keep_apart=False)
    app.inbox.process([message(Rename(_pair("1", "3")))])
    app.review.reopen(SENIOR, task.id, "it was not so")
    with app.store.reading() as unit:
        names = [found.recorded.given_name for n in "23" if (found := unit.records.find("RXX", n))]
    assert names == ["Tunde", "Maria"]


def test_the_numbers_of_the_past_are_those_that_led_there_then(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    row = TraceRow(2, f"R{stored.id}-{stored.version}", "superseded", N2)
    app.trace_import.take(SYSTEM, [row], "answers.csv")
    with app.store.reading() as unit:
        then = unit.now
    shown = app.people.crosswalk(MACHINE, "NHS", N1)
    time.sleep(0.01)
    app.trace_import.restore(SYSTEM, N1, "tracing was wrong")
    register(app, "RXX", "1", **TUNDE)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.REUSED, "the ward gives its numbers out again")
    past = app.people.crosswalk(MACHINE, "NHS", N1, at=then)
    assert (past.enterprise_id, past.identifiers) == (shown.enterprise_id, shown.identifiers)


def test_a_change_of_number_does_not_make_forgotten_what_the_record_said(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    send(app, SourceRecord("RXX", "2", dict.fromkeys(TUNDE, "")))
    app.inbox.process([message(Rename(_pair("2", "3")))])
    app.inbox.process([message(Rename(_pair("3", "4")))])
    send(app, SourceRecord("RXX", "4", TUNDE))
    assert [task.type for task in app.review.queue(REVIEWER, type_=TaskType.POSSIBLE_OVERLAY).tasks]
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "4")
    assert stored is not None
    assert stored.recorded.given_name is None

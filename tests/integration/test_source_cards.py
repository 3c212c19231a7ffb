"""Scorecards of the sources: what is found, what counts as mended, who is left out of the list."""

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed, NotFound
from mpi.domain.messages import Register
from mpi.domain.person import SourceRecord
from mpi.domain.roles import Role
from mpi.matching.defects import Fault
from mpi.services.quality.sources import Looked
from mpi.services.quality.workload import working_minutes
from tests.builders import nhs_number
from tests.index import message, register

ADMIN = Actor("ada", Role.ADMINISTRATOR.value)
GOOD = {"nhs_number": nhs_number(41), "nhs_number_status": "01", "postcode": "YO1 7HH", "sex": "female"}


def faults(app: App, authority: str) -> dict[tuple[str, str], int]:
    return {
        (defect.field, defect.fault.value): n
        for card in app.source_cards.cards(ADMIN).cards
        if card.authority == authority
        for defect, n in card.faults
    }


def looked(app: App) -> Looked:
    found = app.source_cards.look(ADMIN)
    assert found is not None
    return found


def test_faults_are_found_and_what_is_mended_counts_as_mended(app: App) -> None:
    register(app, "RXX", "1", **{**GOOD, "birth_date": "1980-02-31", "postcode": None})
    assert looked(app).records == 1
    assert faults(app, "RXX") == {("birth_date", "impossible"): 1, ("postcode", "missing"): 1}
    register(app, "RXX", "1", **{**GOOD, "birth_date": "1980-02-28", "postcode": None})
    done = looked(app)
    assert (done.listed, done.fixed) == (0, 1)
    assert faults(app, "RXX") == {("postcode", "missing"): 1}
    assert app.source_cards.cards(ADMIN).cards[0].fixed == 1


def test_a_look_that_is_broken_off_counts_for_nothing_and_is_made_anew(app: App) -> None:
    register(app, "RXX", "1", **{**GOOD, "birth_date": "1980-02-31"})
    assert app.source_cards.look_due(ADMIN, lambda: False) is None
    assert app.source_cards.cards(ADMIN).at is None
    done = app.source_cards.look_due(ADMIN)
    assert done is not None
    assert done.records == 1
    assert faults(app, "RXX") == {("birth_date", "impossible"): 1}


def test_a_fault_that_comes_back_is_listed_again(app: App) -> None:
    for postcode in (None, "YO1 7HH", None):
        register(app, "RXX", "1", **{**GOOD, "postcode": postcode or ""})
        app.source_cards.look(ADMIN)
    assert ("postcode", "missing") in faults(app, "RXX")


def test_two_numbers_of_one_hospital_for_one_person_are_a_duplicate_of_both(app: App) -> None:
    for number in ("1", "2"):
        register(app, "RXX", number, **GOOD)
    register(app, "RYY", "9", **GOOD)
    app.source_cards.look(ADMIN)
    assert faults(app, "RXX")["local_id", "duplicate"] == 2
    assert faults(app, "RYY") == {}
    card = app.source_cards.cards(ADMIN).cards[0]
    assert card.per_thousand(Fault.DUPLICATE) == 1000.0


def test_records_of_one_person_that_differ_are_in_conflict_also_the_one_that_did_not_change(app: App) -> None:
    register(app, "RXX", "1", **GOOD)
    app.source_cards.look(ADMIN)
    assert faults(app, "RXX") == {}
    register(app, "RYY", "9", **{**GOOD, "birth_date": "1968-03-25"})
    app.source_cards.look(ADMIN)
    assert faults(app, "RXX") == faults(app, "RYY") == {("birth_date", "conflicting"): 1}


def test_an_unverified_number_is_a_fault(app: App) -> None:
    register(app, "RXX", "1", **{**GOOD, "nhs_number_status": "02"})
    app.source_cards.look(ADMIN)
    assert faults(app, "RXX") == {("nhs_number", "unverified"): 1}


def test_the_list_leaves_restricted_people_out_and_says_how_many_lines(app: App) -> None:
    said = {**GOOD, "family_name": "Quillfeather", "given_name": "Odette", "birth_date": "1971-03-04"}
    register(app, "RXX", "1", **{**said, "postcode": ""})
    values = {k: v for k, v in said.items() if v} | {"nhs_number": nhs_number(42), "family_name": "Thistlewood"}
    app.inbox.process([message(Register(SourceRecord("RXX", "2", values | {"postcode": ""}, restricted=True)))])
    app.source_cards.look(ADMIN)
    found = app.source_cards.fix_list(ADMIN, "RXX")
    assert [line.local_id for line in found.lines] == ["1"]
    assert found.withheld == 1


def test_an_unknown_authority_has_no_list(app: App) -> None:
    with pytest.raises(NotFound):
        app.source_cards.fix_list(ADMIN, "NOPE")


def test_only_some_roles_see_scorecards_and_take_the_list(app: App) -> None:
    for role in Role:
        actor = Actor("somebody", role.value)
        if role not in (Role.ADMINISTRATOR, Role.SENIOR_REVIEWER):
            for refused in (app.source_cards.cards, app.workloads.now):
                with pytest.raises(NotAllowed):
                    refused(actor)
            with pytest.raises(NotAllowed):
                app.source_cards.fix_list(actor, "RXX")


def test_a_look_is_due_once_a_day(app: App) -> None:
    assert app.source_cards.look_due(ADMIN) is not None
    assert app.source_cards.look_due(ADMIN) is None
    assert app.source_cards.trend(ADMIN, "RXX") == ()


def test_the_queue_shows_what_waits_and_how_long_answers_take(app: App) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(31))
    register(app, "RYY", "77", nhs_number=nhs_number(32))
    before = app.workloads.now(ADMIN)
    assert sum(one.total for one in before.backlog) == 1
    assert before.flow[-1].opened == 1
    assert before.turnaround == ()
    assert before.minutes is None


def test_minutes_for_a_task_come_from_one_readers_sitting() -> None:
    verdicts = [("rita", f"2026-03-02T10:{n * 3:02}:00.000000Z") for n in range(12)]
    verdicts += [("rita", "2026-03-03T09:00:00.000000Z"), ("omar", "2026-03-02T10:01:00.000000Z")]
    assert working_minutes(verdicts) == 3.0
    assert working_minutes(verdicts[:5]) is None

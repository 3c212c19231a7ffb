"""A study after the gate's first word: its standing, its history, what a human decides; on both databases."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, MpiError, NotAllowed, NotFound
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study import Arrival, GateDecision, Origin, PatientId
from tests.gate_world import MARIA, OPERATOR, OTHER_STUDY, STUDY, World, a_header, rxx

ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE
WHY = "seen on the referral letter"
_events = text("SELECT actor, person_id FROM audit_event WHERE action = 'study.read'")


@pytest.fixture
def world(migrated_url: str) -> Iterator[World]:
    built = World(migrated_url)
    yield built
    built.close()


def test_an_attached_study_goes_on_in_the_name_of_the_number_it_was_attached_by(world: World) -> None:
    world.check(a_header())
    found = world.standing()
    assert (found.decision, found.verified, found.readable) == (ATTACH, True, False)
    assert found.patient is not None
    assert (found.patient.authority, found.patient.authority_oid, found.patient.value) == ("RXX", "2.999.1", "100")
    assert found.patient.person == world.eid(world.maria)
    assert found.patient.demographics.family_name == "Ashworth"


def test_a_study_can_go_on_in_the_name_of_another_hospitals_number(world: World) -> None:
    world.record(world.maria, "RYY", "900", MARIA)
    world.check(a_header())
    found = world.standing("RYY").patient
    assert found is not None
    assert (found.authority, found.value) == ("RYY", "900")


def test_where_the_person_has_no_number_or_two_in_a_domain_nothing_goes_on(world: World) -> None:
    world.check(a_header())
    assert (world.standing("RYY").decision, world.standing("RYY").patient) == (HOLD, None)
    world.record(world.maria, "RYY", "900", MARIA)
    world.record(world.maria, "RYY", "901", MARIA)
    assert (world.standing("RYY").decision, world.standing("RYY").patient) == (HOLD, None)


@pytest.mark.parametrize(("header", "decision"), [({"birth_date": None}, HOLD), ({"veterinary": True}, REFUSE)])
def test_what_is_held_or_refused_has_no_patient(header: dict[str, Any], decision: GateDecision, world: World) -> None:
    world.check(a_header(**header))
    assert (world.standing().decision, world.standing().patient) == (decision, None)


def test_a_study_that_the_gate_never_saw_has_no_standing(world: World) -> None:
    with pytest.raises(NotFound):
        world.standing()
    with pytest.raises(NotFound):
        world.gate.history(OPERATOR, STUDY)


def test_every_look_at_the_patient_of_a_study_is_audited(world: World) -> None:
    world.check(a_header())
    world.standing()
    with world.store.reading() as unit:
        rows = unit.connection.execute(_events).all()
    assert [(row.actor, row.person_id) for row in rows] == [(OPERATOR.name, world.maria)]


def test_an_object_of_another_patient_stops_the_whole_study(world: World) -> None:
    world.check(a_header())
    assert world.check(a_header(patient_id=rxx("101"), given_name="MARTA")).decision is REFUSE
    assert (world.standing().decision, world.standing().patient) == (HOLD, None)
    assert world.steps() == ["attached", "doubted"]
    # Nor does another object of the right patient let it go on.
    assert world.check(a_header()).decision is HOLD
    assert world.standing().decision is HOLD
    assert world.steps() == ["attached", "doubted"]


def test_a_human_lets_a_stopped_study_go_on_where_it_was(world: World) -> None:
    world.check(a_header())
    world.check(a_header(patient_id=rxx("101"), given_name="MARTA"))
    world.decisions.keep(OPERATOR, STUDY, WHY)
    assert world.standing().decision is ATTACH
    assert world.steps() == ["attached", "doubted", "cleared"]
    assert world.check(a_header()).decision is ATTACH


def test_a_stopped_study_is_not_kept_where_the_rules_do_not_hold_any_more(world: World) -> None:
    world.check(a_header())
    world.check(a_header(patient_id=rxx("101"), given_name="MARTA"))
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    with pytest.raises(Conflict, match="birth-date"):
        world.decisions.keep(OPERATOR, STUDY, WHY)
    assert world.standing().decision is HOLD


def test_a_detached_study_is_nobodys_and_no_check_attaches_it_again(world: World) -> None:
    world.check(a_header())
    world.decisions.detach(OPERATOR, STUDY, WHY)
    assert (world.standing().decision, world.standing().patient) == (HOLD, None)
    answer = world.check(a_header())
    assert (answer.decision, answer.person) == (HOLD, None)
    assert world.steps() == ["attached", "detached"]


def test_a_human_lets_a_detached_study_in_again_and_all_of_it_is_history(world: World) -> None:
    world.check(a_header())
    world.decisions.detach(OPERATOR, STUDY, WHY)
    world.decisions.release(OPERATOR, STUDY, "detached by mistake")
    assert world.standing().decision is ATTACH
    assert world.steps() == ["attached", "detached", "attached", "released"]
    steps = world.gate.history(OPERATOR, STUDY)
    assert [one.reason for one in steps] == [None, WHY, None, "detached by mistake"]
    assert {one.by for one in steps} == {OPERATOR.name}
    assert world.check(a_header()).decision is ATTACH


def test_a_refused_study_stays_refused_by_a_human_until_a_human_lets_it_in(world: World) -> None:
    world.check(a_header(birth_date=None))
    world.decisions.refuse(OPERATOR, STUDY, WHY)
    assert world.standing().decision is REFUSE
    assert world.check(a_header()).decision is HOLD
    world.decisions.release(OPERATOR, STUDY, "the sender mended it")
    assert world.standing().decision is ATTACH


def test_a_study_is_released_only_where_every_rule_holds(world: World) -> None:
    world.check(a_header(birth_date=None))
    with pytest.raises(Conflict, match="birth-date"):
        world.decisions.release(OPERATOR, STUDY, WHY)
    assert world.standing().decision is HOLD
    assert world.steps() == ["held"]


def _detach(world: World, actor: Actor, reason: str) -> None:
    world.decisions.detach(actor, STUDY, reason)


def _refuse(world: World, actor: Actor, reason: str) -> None:
    world.decisions.refuse(actor, STUDY, reason)


def _release(world: World, actor: Actor, reason: str) -> None:
    world.decisions.release(actor, STUDY, reason)


def _keep(world: World, actor: Actor, reason: str) -> None:
    world.decisions.keep(actor, STUDY, reason)


DECISIONS: list[Callable[[World, Actor, str], None]] = [_detach, _refuse, _release, _keep]


@pytest.mark.parametrize("do", DECISIONS, ids=lambda do: do.__name__[1:])
def test_a_decision_needs_a_role_a_reason_and_a_study_in_the_right_state(
    do: Callable[[World, Actor, str], None], world: World
) -> None:
    with pytest.raises(NotFound):
        do(world, OPERATOR, WHY)
    attached = do in (_refuse, _release, _keep)
    world.check(a_header() if attached else a_header(birth_date=None))
    before = world.steps()
    for role in Role:
        actor = Actor("somebody", role.value)
        expected: type[MpiError] = Conflict if can(role, Permission.DECIDE_STUDY) else NotAllowed
        with pytest.raises(expected):
            do(world, actor, WHY)
    with pytest.raises(BadInput):
        do(world, OPERATOR, "  ")
    assert world.steps() == before


def test_what_is_known_first_of_how_a_study_came_is_kept(world: World) -> None:
    world.check(a_header())
    world.check(a_header(), Arrival(Origin.DISC, "READER1"))
    assert world.standing().origin is Origin.DISC
    world.check(a_header(), Arrival(Origin.LOCAL, "CT1"))
    assert world.standing().origin is Origin.DISC


def test_a_later_object_that_names_its_patient_otherwise_is_held_though_its_own_header_is_right(world: World) -> None:
    stranger = a_header(patient_id=PatientId("5", "ELSEWHERE"), family_name="HOLT", given_name="EVE")
    assert world.check(stranger).decision is HOLD
    answer = world.check(a_header())
    assert answer.decision is HOLD
    assert [r.rule for r in answer.rules if r.result == "failed"] == ["earlier-checks-agree"]


def test_who_follows_all_studies_misses_no_step(world: World) -> None:
    world.check(a_header())
    first = world.gate.changes(OPERATOR, 0)
    assert [(one.study_uid, one.step) for one in first] == [(STUDY, "attached")]
    world.check(a_header(study_uid=OTHER_STUDY, birth_date=None))
    world.decisions.detach(OPERATOR, STUDY, WHY)
    later = world.gate.changes(OPERATOR, first[-1].cursor)
    assert [(one.study_uid, one.step) for one in later] == [(OTHER_STUDY, "held"), (STUDY, "detached")]
    assert world.gate.changes(OPERATOR, later[-1].cursor) == []
    assert world.standing().cursor == later[-1].cursor
    assert [one.cursor for one in world.gate.changes(OPERATOR, 0, 1)] == [first[0].cursor]


def test_a_cursor_that_this_index_never_gave_is_a_conflict(world: World) -> None:
    with pytest.raises(Conflict):
        world.gate.changes(OPERATOR, 1)
    with pytest.raises(BadInput):
        world.gate.changes(OPERATOR, 0, 0)


def test_a_study_that_goes_with_its_number_to_another_person_has_that_in_its_history(world: World) -> None:
    other = world.person()
    world.record(other, "RYY", "98", MARIA | {"nhs_number": None})
    world.check(a_header(patient_id=PatientId("98", "RYY")))
    with world.store.writing() as unit:
        unit.persons.take_studies(world.id_of("RYY", "98"), world.maria)
        unit.persons.take_studies(world.id_of("RYY", "98"), world.maria)
    assert world.steps() == ["attached", "moved"]
    moved = world.gate.history(OPERATOR, STUDY)[-1]
    assert (moved.person_id, moved.record_id) == (world.maria, world.id_of("RYY", "98"))


def test_a_human_is_asked_about_a_held_study_until_it_is_decided(world: World) -> None:
    world.check(a_header(birth_date=None))
    task = world.task()
    assert task is not None
    assert task.evidence["failed"] == ["birth-date"]
    assert task.evidence["candidates"] == [world.eid(world.maria)]
    world.check(a_header(birth_date=None, family_name=None))
    again = world.task()
    assert again is not None
    assert (again.id, again.evidence["failed"]) == (task.id, ["birth-date", "family-name"])
    world.check(a_header())
    assert world.task() is None


def test_a_question_about_a_study_does_not_hold_another_study_of_the_person(world: World) -> None:
    world.check(a_header(birth_date=None))
    assert world.task() is not None
    assert world.check(a_header(study_uid=OTHER_STUDY)).decision is ATTACH


def test_a_stopped_or_detached_study_is_asked_about_until_a_human_has_decided(world: World) -> None:
    world.check(a_header())
    assert world.task() is None
    world.check(a_header(patient_id=rxx("101"), given_name="MARTA"))
    assert world.task() is not None
    world.decisions.keep(OPERATOR, STUDY, WHY)
    assert world.task() is None
    world.decisions.detach(OPERATOR, STUDY, WHY)
    assert world.task() is not None
    world.decisions.refuse(OPERATOR, STUDY, WHY)
    assert world.task() is None


def test_an_account_of_another_site_sees_and_decides_nothing_of_a_persons_study(world: World) -> None:
    world.check(a_header())
    there = Actor("of another site", OPERATOR.role, frozenset({"RYY"}))
    for do in (world.gate.standing, world.gate.history):
        with pytest.raises(NotAllowed):
            do(there, STUDY)
    with pytest.raises(NotAllowed):
        world.decisions.detach(there, STUDY, WHY)
    with pytest.raises(NotAllowed):
        world.gate.changes(there, 0)
    here = Actor("of this site", OPERATOR.role, frozenset({"RXX"}))
    assert world.gate.standing(here, STUDY).decision is ATTACH
    world.decisions.detach(here, STUDY, WHY)
    with pytest.raises(NotAllowed):
        world.decisions.release(there, STUDY, WHY)

"""Overrides: who may, what they attach, who confirms, how they end; on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, MpiError, NotAllowed, NotFound
from mpi.domain.roles import Role
from mpi.domain.study import GateDecision, PatientId
from tests.gate_world import MARIA, OPERATOR, STUDY, World, a_header, rxx

ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE
WHY = "rang the sending hospital"
SECOND = Actor("second operator", Role.GATE_OPERATOR.value)
SENIOR = Actor("senior", Role.SENIOR_REVIEWER.value)
OTHER_NAME = {"family_name": "HOLT"}
"""Fails `family-name`, which an operator may override alone."""
OTHER_GIVEN = {"given_name": "MARY"}
"""Fails `given-name`, which a second person must confirm first."""
NO_NUMBER = {"patient_id": PatientId("5", "ELSEWHERE")}


@pytest.fixture
def world(migrated_url: str) -> Iterator[World]:
    built = World(migrated_url)
    yield built
    built.close()


def _open(world: World, code: str = "name-changed", actor: Actor = OPERATOR, value: str = "100") -> None:
    world.overrides.open(actor, STUDY, "RXX", value, code, WHY)


def _states(world: World) -> list[str]:
    return [one.state.value for one in world.overrides.of_study(OPERATOR, STUDY)]


def _let_time_pass(world: World) -> None:
    with world.store.writing() as unit:
        unit.connection.execute(text("UPDATE study_override SET holds_until = '2020-01-01T00:00:00.000000Z'"))


def test_an_override_attaches_at_once_and_marked_until_a_second_person_has_confirmed(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    found = world.standing()
    assert (found.decision, found.verified) == (ATTACH, False)
    assert found.patient is not None
    assert found.patient.person == world.eid(world.maria)
    assert world.task() is not None
    world.overrides.confirm(SECOND, STUDY, "the letter says so")
    assert (world.standing().decision, world.standing().verified) == (ATTACH, True)
    assert (_states(world), world.task()) == (["confirmed"], None)
    assert world.steps() == ["held", "released", "verified"]


def test_where_two_must_agree_nothing_is_attached_before_the_second_has_confirmed(world: World) -> None:
    world.check(a_header(**OTHER_GIVEN))
    _open(world, "spelling")
    assert world.standing().decision is HOLD
    world.overrides.confirm(SECOND, STUDY, WHY)
    assert (world.standing().decision, world.standing().verified) == (ATTACH, True)


def test_nobody_confirms_their_own(world: World) -> None:
    world.check(a_header(**OTHER_GIVEN))
    _open(world, "spelling")
    with pytest.raises(NotAllowed, match="own"):
        world.overrides.confirm(OPERATOR, STUDY, WHY)
    with pytest.raises(NotAllowed, match="own"):
        world.overrides.confirm(Actor(OPERATOR.name, SENIOR.role), STUDY, WHY)
    assert world.standing().decision is HOLD


def test_a_study_without_a_known_number_goes_to_whom_a_human_names(world: World) -> None:
    world.check(a_header(**NO_NUMBER))
    _open(world, "patient-present")
    world.overrides.confirm(SENIOR, STUDY, WHY)
    found = world.standing().patient
    assert found is not None
    assert (found.authority, found.value) == ("RXX", "100")


@pytest.mark.parametrize(
    ("header", "value", "error"),
    [
        pytest.param({"veterinary": True}, "100", NotAllowed, id="an animal"),
        pytest.param({"several_patients": True}, "100", NotAllowed, id="several patients"),
        pytest.param({"other_patient_ids": (rxx("200"),)}, "100", NotAllowed, id="numbers of two people"),
        pytest.param({}, "200", NotAllowed, id="another person than the number leads to"),
        pytest.param({}, "101", NotAllowed, id="the twin instead of whom the number leads to"),
        pytest.param(NO_NUMBER | {"birth_date": None}, "100", NotAllowed, id="neither number nor birth date"),
        pytest.param(
            {"family_name": "X", "given_name": "Y", "birth_date": None}, "100", NotAllowed, id="nothing but a number"
        ),
        pytest.param({"birth_date": "19680325"}, "100", NotAllowed, id="a rule that the role may not override"),
        pytest.param(OTHER_NAME, "12345", NotFound, id="a number that is not in the index"),
    ],
)
def test_what_nobody_may_override_is_not(
    header: dict[str, object], value: str, error: type[MpiError], world: World
) -> None:
    world.check(a_header(study_date=None) if not header else a_header(**header))
    with pytest.raises(error):
        _open(world, "sender-confirmed", value=value)
    assert world.standing().patient is None
    assert _states(world) == []


def test_a_reason_that_the_policy_does_not_list_is_no_reason(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    with pytest.raises(NotAllowed, match="name-changed"):
        _open(world, "in a hurry")
    with pytest.raises(BadInput):
        world.overrides.open(OPERATOR, STUDY, "RXX", "100", "name-changed", " ")


def test_a_study_that_needs_no_override_or_has_one_gets_none(world: World) -> None:
    with pytest.raises(NotFound):
        _open(world)
    world.check(a_header())
    with pytest.raises(Conflict):
        _open(world)
    world.decisions.detach(OPERATOR, STUDY, WHY)
    world.check(a_header(**OTHER_GIVEN))
    with pytest.raises(NotAllowed):
        _open(world, "spelling")  # the rule not-set-aside fails too, and has other reasons


def test_only_one_override_of_a_study_is_open(world: World) -> None:
    world.check(a_header(**OTHER_GIVEN))
    _open(world, "spelling")
    with pytest.raises(Conflict):
        _open(world, "spelling", SECOND)


def test_the_other_objects_of_an_overridden_study_follow_it(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    answer = world.check(a_header(**OTHER_NAME))
    assert (answer.decision, answer.verified, answer.person) == (ATTACH, False, world.eid(world.maria))
    assert world.standing().decision is ATTACH


def test_an_object_of_another_name_is_not_covered_by_the_override(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    assert world.check(a_header(family_name="FEATHERSTONE")).decision is HOLD
    assert world.standing().decision is HOLD


def test_what_nobody_confirms_in_time_waits_again_and_a_human_is_asked(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    assert world.overrides.expire() == 0
    _let_time_pass(world)
    assert world.standing().decision is HOLD  # before any job has run
    with pytest.raises(Conflict):
        world.overrides.confirm(SECOND, STUDY, WHY)
    assert world.overrides.expire() == 1
    assert world.overrides.expire() == 0
    assert (_states(world), world.standing().decision) == (["expired"], HOLD)
    assert world.steps()[-1] == "doubted"
    assert world.task() is not None
    world.decisions.detach(OPERATOR, STUDY, WHY)
    assert world.steps()[-1] == "detached"


def test_an_override_that_waited_for_a_second_person_expires_and_nothing_was_attached(world: World) -> None:
    world.check(a_header(**OTHER_GIVEN))
    _open(world, "spelling")
    _let_time_pass(world)
    assert world.overrides.expire() == 1
    with pytest.raises(NotFound):
        world.overrides.confirm(SECOND, STUDY, WHY)
    assert world.standing().decision is HOLD
    assert world.steps() == ["held"]


@pytest.mark.parametrize("confirmed", [False, True], ids=["open", "confirmed"])
def test_an_override_is_taken_back_and_what_it_attached_is_nobodys(confirmed: bool, world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    if confirmed:
        world.overrides.confirm(SECOND, STUDY, WHY)
    world.overrides.revoke(SECOND, STUDY, "it was her sister")
    assert (_states(world), world.standing().decision, world.standing().patient) == (["revoked"], HOLD, None)
    assert world.steps()[-1] == "detached"


def test_detaching_takes_the_override_back(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    world.decisions.detach(SENIOR, STUDY, WHY)
    assert _states(world) == ["revoked"]


def test_the_data_agree_later_and_the_override_closes_by_itself(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    world.change("RXX", "100", MARIA | {"family_name": "Holt"})
    world.look_again()
    assert (_states(world), world.standing().verified) == (["confirmed"], True)
    assert world.overrides.of_study(OPERATOR, STUDY)[0].closed_by == "gate"


@pytest.mark.parametrize("code", ["name-changed", "spelling"])
def test_an_override_falls_when_what_it_was_made_on_changes(code: str, world: World) -> None:
    world.check(a_header(**(OTHER_NAME if code == "name-changed" else OTHER_GIVEN)))
    _open(world, code)
    world.change("RXX", "100", MARIA | {"birth_date": "1986-04-23"})
    if code == "spelling":
        with pytest.raises(Conflict, match="birth-date"):
            world.overrides.confirm(SECOND, STUDY, WHY)
    world.look_again()
    assert _states(world) == ["revoked"]
    assert world.standing().decision is HOLD
    assert world.task() is not None


def test_a_confirmed_override_does_not_cover_what_fails_later(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    world.overrides.confirm(SECOND, STUDY, WHY)
    world.change("RXX", "100", MARIA | {"phone": "0113 496 0001"})
    world.look_again()
    assert world.standing().decision is ATTACH
    world.change("RXX", "100", MARIA | {"sex": "male"})
    world.look_again()
    assert world.standing().decision is HOLD


def test_an_override_is_not_for_whoever_gets_the_number_later(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    _open(world)
    world.overrides.confirm(SECOND, STUDY, WHY)
    world.move("RXX", "100", world.person())
    assert world.standing().decision is HOLD
    assert "doubted" in world.steps()


def test_an_account_of_another_site_overrides_nothing_here(world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    with pytest.raises(NotAllowed):
        _open(world, actor=Actor("elsewhere", OPERATOR.role, frozenset({"RYY"})))


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_only_roles_of_the_table_override_and_confirm(role: Role, world: World) -> None:
    world.check(a_header(**OTHER_NAME))
    actor = Actor("somebody", role.value)
    if role in (Role.GATE_OPERATOR, Role.SENIOR_REVIEWER):
        _open(world, actor=actor)
        return
    with pytest.raises(NotAllowed):
        _open(world, actor=actor)
    _open(world)
    for do in (world.overrides.confirm, world.overrides.revoke):
        with pytest.raises(NotAllowed):
            do(actor, STUDY, WHY)
    assert _states(world) == ["open"]

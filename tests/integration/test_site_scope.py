"""Site scope: an account of one hospital reaches its people with what is linked to them, and nobody else."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mpi.bootstrap import App
from mpi.domain.errors import MpiError, NotAllowed, NotFound
from mpi.domain.person import Identifier
from mpi.domain.review import Verdict
from mpi.domain.roles import Role
from mpi.services.decisions import Decision, Operation
from tests.builders import demographics, nhs_number
from tests.index import MACHINE, REVIEWER, SENIOR, persons_of, register

OTHER = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02", "sex": "male"}
HERE, THERE = frozenset({"RXX"}), frozenset({"RYY"})
HIDDEN = (NotFound, NotAllowed)


@dataclass(frozen=True)
class World:
    """`ours` is known at RXX alone, `shared` at RXX and RYY, `theirs` at RYY alone."""

    app: App
    ours: str
    shared: str
    theirs: str


@pytest.fixture
def world(app: App) -> World:
    third = {"family_name": "Quillfeather", "given_name": "Isolde", "birth_date": "1977-03-09", "sex": "female"}
    register(app, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01")
    for authority, value in (("RXX", "A2"), ("RYY", "B2")):
        register(app, authority, value, nhs_number=nhs_number(2), nhs_number_status="01", **OTHER)
    register(app, "RYY", "B3", nhs_number=nhs_number(3), nhs_number_status="01", **third)
    ours, shared, again, theirs = persons_of(app, ("RXX", "A1"), ("RXX", "A2"), ("RYY", "B2"), ("RYY", "B3"))
    assert shared == again
    return World(app, ours, shared, theirs)


def test_a_search_finds_people_of_the_site_with_all_their_records(world: World) -> None:
    here = replace(REVIEWER, sites=HERE)
    search = world.app.people.search
    assert [one.enterprise_id for one in search(here, local_id="A1")] == [world.ours]
    [shared] = search(here, nhs_number=nhs_number(2))
    assert {record.local_id for record in shared.records} == {"A2", "B2"}
    assert [one.enterprise_id for one in search(here, local_id="B2")] == [world.shared]
    assert search(here, nhs_number=nhs_number(3)) == []
    assert search(here, family_name="Quillfeather", birth_date="1977-03-09") == []
    assert [one.enterprise_id for one in search(REVIEWER, nhs_number=nhs_number(3))] == [world.theirs]


def test_a_person_page_opens_for_the_sites_that_know_the_person(world: World) -> None:
    for sites, names in ((HERE, {world.ours, world.shared}), (THERE, {world.shared, world.theirs})):
        for person in (world.ours, world.shared, world.theirs):
            if person in names:
                assert world.app.people.person(replace(REVIEWER, sites=sites), person).enterprise_id == person
            else:
                with pytest.raises(NotAllowed):
                    world.app.people.person(replace(REVIEWER, sites=sites), person)


def test_a_number_merged_into_another_goes_on_showing_its_person_to_its_site(app: App) -> None:
    register(app, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01")
    register(app, "RXX", "A2", **OTHER)
    person, other = persons_of(app, ("RXX", "A1"), ("RXX", "A2"))
    merging = Decision(Operation.MERGE, Identifier("RXX", "A2"), Identifier("RXX", "A1"))
    app.decisions.do(replace(SENIOR, sites=HERE), merging, "one card")
    assert app.people.person(replace(SENIOR, sites=HERE), other).enterprise_id == person
    with pytest.raises(NotAllowed):
        app.people.person(replace(SENIOR, sites=THERE), other)


def test_the_crosswalk_of_a_bound_token_knows_nobody_of_other_sites(world: World) -> None:
    here = replace(MACHINE, sites=HERE)
    found = world.app.people.crosswalk(here, "RYY", "B2")
    assert {("RXX", "A2"), ("RYY", "B2")} <= {(one.authority, one.value) for one in found.identifiers}
    for at in (None, "2999-01-01"):
        with pytest.raises(MpiError) as unknown:
            world.app.people.crosswalk(here, "RYY", "no such number", at=at)
        with pytest.raises(MpiError) as elsewhere:
            world.app.people.crosswalk(here, "RYY", "B3", at=at)
        assert str(elsewhere.value) == str(unknown.value)
    with pytest.raises(NotFound):
        world.app.people.crosswalk(here, "NHS", nhs_number(3))


def test_a_dry_run_weighs_people_of_the_site_only(world: World) -> None:
    asked = demographics(**OTHER, nhs_number=nhs_number(2), nhs_number_status="01")
    match = world.app.matcher.match
    assert [one.enterprise_id for one in match(replace(MACHINE, sites=THERE), asked).candidates] == [world.shared]
    elsewhere = match(replace(MACHINE, sites=frozenset({"RZZ"})), asked)
    assert (elsewhere.candidates, elsewhere.compared, elsewhere.outcome.value) == ((), 0, "apart")


def decided(world: World, *records: tuple[str, str]) -> int:
    one, other = (Identifier(*record) for record in records)
    return world.app.decisions.do(SENIOR, Decision(Operation.LINK, one, other), "same person").change_id


@pytest.mark.parametrize("operation", [Operation.LINK, Operation.KEEP_APART])
def test_nobody_decides_about_people_of_other_sites(world: World, operation: Operation) -> None:
    here = replace(SENIOR, sites=HERE)
    for one, other in ((("RXX", "A1"), ("RYY", "B3")), (("RYY", "B3"), ("RXX", "A1"))):
        decision = Decision(operation, Identifier(*one), Identifier(*other))
        with pytest.raises(NotFound):
            world.app.decisions.preview(here, decision)
        with pytest.raises(NotFound):
            world.app.decisions.do(here, decision, "because")
    unlinking = Decision(Operation.UNLINK, Identifier("RYY", "B3"))
    with pytest.raises(NotFound):
        world.app.decisions.do(here, unlinking, "because")


UNDO_LOOKS: list[object] = [
    pytest.param(lambda app, actor, change: app.undo.change(actor, change), id="the change"),
    pytest.param(lambda app, actor, change: app.undo.keeps_apart(actor, change), id="whether it keeps apart"),
    pytest.param(lambda app, actor, change: app.undo.preview(actor, change), id="what taking it back touches"),
    pytest.param(lambda app, actor, change: app.undo.do(actor, change, "wrong"), id="taking it back"),
]


@pytest.mark.parametrize("look", UNDO_LOOKS)
def test_changes_are_for_the_sites_of_the_records_they_touched(
    world: World, look: Callable[[App, object, int], object]
) -> None:
    change = decided(world, ("RXX", "A1"), ("RYY", "B3"))
    with pytest.raises(NotAllowed):
        look(world.app, replace(SENIOR, sites=frozenset({"RZZ"})), change)
    assert look(world.app, replace(SENIOR, sites=THERE), change) is not None


def test_changes_of_a_number_elsewhere_are_not_listed(world: World) -> None:
    decided(world, ("RXX", "A1"), ("RYY", "B3"))
    assert world.app.undo.changes(replace(SENIOR, sites=HERE), "RYY", "B3")
    with pytest.raises(NotFound):
        world.app.undo.changes(replace(SENIOR, sites=frozenset({"RZZ"})), "RYY", "B3")


def test_a_question_is_for_the_sites_of_both_sides(app: App) -> None:
    child = {"family_name": "Brathwaite", "birth_date": "2011-06-30", "address_line": "3 Mill Lane", "sex": "male"}
    register(app, "RXX", "A3", given_name="Oliver", nhs_number=nhs_number(3), postcode="BD1 1AA", **child)
    register(app, "RYY", "B4", given_name="Olivier", nhs_number=nhs_number(4), postcode="BD1 1AA", **child)
    [task] = app.review.queue(REVIEWER).tasks
    elsewhere = replace(REVIEWER, sites=frozenset({"RZZ"}))
    with pytest.raises(NotAllowed):
        app.review.task(elsewhere, task.id)
    with pytest.raises(NotAllowed):
        app.review.decide(elsewhere, task.id, Verdict.DIFFERENT, "because")
    for sites in (HERE, THERE):
        assert app.review.task(replace(REVIEWER, sites=sites), task.id).summary.id == task.id
    assert app.review.decide(replace(REVIEWER, sites=THERE), task.id, Verdict.DIFFERENT, "brothers") is not None


WHOLE: list[object] = [
    pytest.param(lambda app, actor: app.changes.read(actor, 0, 10), Role.SERVICE, id="the feed of changes"),
    pytest.param(lambda app, actor: app.users.accounts(actor), Role.ADMINISTRATOR, id="accounts"),
    pytest.param(
        lambda app, actor: app.protected.hide(actor, "P", "Q", "a reason"), Role.IG_AUDITOR, id="hiding an identity"
    ),
    pytest.param(lambda app, actor: app.protected.look(actor, "P"), Role.IG_AUDITOR, id="hidden identities"),
]


@pytest.mark.parametrize(("ask", "role"), WHOLE)
def test_what_concerns_every_site_is_refused_to_an_account_of_one(
    app: App, ask: Callable[[App, object], object], role: Role
) -> None:
    with pytest.raises(NotAllowed):
        ask(app, replace(REVIEWER, role=role.value, sites=HERE))

"""Pairs drawn at random: that they come once, look like any other question, and are measured by their verdicts."""

import dataclasses
from random import Random

import pytest

from mpi.bootstrap import App, build
from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed
from mpi.domain.review import Sample, TaskState, Verdict
from mpi.domain.roles import Role
from tests.index import REVIEWER, config_for, open_index, persons_of, register

ADMIN = Actor("ada", Role.ADMINISTRATOR.value)
NAMES = ["PATEL", "OKAFOR", "LINDQVIST", "MARCHETTI", "SZABO", "YILMAZ"]


@pytest.fixture
def people(app: App) -> App:
    """Six people, each known to two hospitals and linked without a human."""
    for n, name in enumerate(NAMES):
        said = {"family_name": name, "given_name": f"ANNA{name[:3]}", "birth_date": f"19{60 + n}-0{n + 1}-1{n}",
                "postcode": f"LS{n + 1} 4AP", "phone": f"0113 496 00{n}{n}"}  # fmt: skip
        for site in ("RXX", "RYY"):
            register(app, site, f"{n}", nhs_number=None, **said)
    return app


def _questions(app: App) -> list[int]:
    return [task.id for task in app.review.queue(REVIEWER).tasks]


def test_every_link_is_drawn_once_and_no_more(people: App) -> None:
    first = people.sampler.draw(ADMIN, Sample.LINK, 4, seed=1)
    second = people.sampler.draw(ADMIN, Sample.LINK, 10, seed=1)
    assert (first.drawn, second.drawn) == (4, 2)
    assert sum(first.sizes.values()) == 6
    third = people.sampler.draw(ADMIN, Sample.LINK, 10)
    assert (third.drawn, sum(third.sizes.values())) == (0, 6)
    assert len(_questions(people)) == 6


def test_a_verdict_on_a_drawn_link_counts_and_a_false_link_is_taken_apart(people: App) -> None:
    people.sampler.draw(ADMIN, Sample.LINK, 6)
    one, *rest = _questions(people)
    view = people.review.task(REVIEWER, one).summary
    assert view.left is not None
    assert view.right is not None
    both = [(side.authority, side.local_id) for side in (view.left, view.right)]
    people.review.decide(REVIEWER, one, Verdict.DIFFERENT, "two people")
    assert len(set(persons_of(people, *both))) == 2
    for task in rest:
        people.review.decide(REVIEWER, task, Verdict.SAME, "one person")
    found = people.estimates.now(ADMIN)
    assert found.quality.precision.verdicts == 6
    assert found.quality.precision.value == pytest.approx(5 / 6)
    assert found.quality.unanswered == 0


def test_a_drawn_link_stays_a_question_when_others_are_settled(people: App) -> None:
    people.sampler.draw(ADMIN, Sample.LINK, 6)
    task = _questions(people)[0]
    register(people, "RZZ", "0", nhs_number=None, family_name="PATEL", given_name="ANNAPAT", birth_date="1960-01-10",
             postcode="LS1 4AP", phone="0113 496 0000")  # fmt: skip
    assert people.review.task(REVIEWER, task).summary.state is TaskState.OPEN


def test_nobody_sure_is_no_verdict(people: App) -> None:
    people.sampler.draw(ADMIN, Sample.LINK, 1)
    people.review.decide(REVIEWER, _questions(people)[0], Verdict.NOT_SURE, "ask the ward")
    found = people.estimates.now(ADMIN)
    assert (found.quality.precision.verdicts, found.quality.unanswered) == (0, 1)


def test_pairs_kept_apart_are_drawn_among_those_that_were_compared(app: App) -> None:
    for n, given in enumerate(["ANNA", "BEATRICE", "CAROLINE", "DOROTHY"]):
        register(app, "RXX", f"{n}", nhs_number=None, family_name="PATEL", given_name=given,
                 birth_date=f"19{50 + 9 * n}-0{n + 1}-1{n}", postcode="LS1 4AP", phone="0113 496 0000")  # fmt: skip
    before = set(_questions(app))
    drawn = app.sampler.draw(ADMIN, Sample.NON_LINK, 100)
    new = [task for task in _questions(app) if task not in before]
    assert drawn.drawn == len(new) > 0
    assert sum(drawn.sizes.values()) == drawn.drawn
    assert app.sampler.draw(ADMIN, Sample.NON_LINK, 100).drawn == 0
    app.review.decide(REVIEWER, new[0], Verdict.SAME, "one person")
    app.review.decide(REVIEWER, new[1], Verdict.DIFFERENT, "two people")
    assert app.estimates.now(ADMIN).quality.missed.verdicts == 2


def test_drawn_questions_show_nothing_that_others_do_not(people: App) -> None:
    people.sampler.draw(ADMIN, Sample.LINK, 1)
    [task] = people.review.queue(REVIEWER).tasks
    assert "sample" not in repr(people.review.task(REVIEWER, task.id)).lower()
    assert "sample" not in repr(task).lower()


def test_an_empty_index_gives_no_pairs(app: App) -> None:
    assert [app.sampler.draw(ADMIN, kind, 5).drawn for kind in Sample] == [0, 0]
    assert app.estimates.now(ADMIN).quality.precision.value is None


def test_once_a_week_by_the_configuration_and_never_without_it(people: App, migrated_url: str) -> None:
    assert people.sampler.draw_due(ADMIN) == []
    weekly = build(dataclasses.replace(config_for(migrated_url), sample_links=2))
    assert [one.drawn for one in weekly.sampler.draw_due(ADMIN)] == [2]
    assert weekly.sampler.draw_due(ADMIN) == []
    weekly.close()


def test_only_some_roles_draw_and_look(app: App) -> None:
    for role in Role:
        actor = Actor("somebody", role.value)
        if role is not Role.ADMINISTRATOR:
            with pytest.raises(NotAllowed):
                app.sampler.draw(actor, Sample.LINK, 1)
        if role not in (Role.ADMINISTRATOR, Role.SENIOR_REVIEWER):
            with pytest.raises(NotAllowed):
                app.estimates.now(actor)
    assert app.estimates.now(Actor("sunil", Role.SENIOR_REVIEWER.value)).drawn == 0


def test_one_seed_draws_the_same_pairs(people: App, migrated_url: str) -> None:
    other = open_index(migrated_url)
    with people.store.reading() as unit:
        draws = [{p.one for p in app.sampler._links(unit, 3, Random(5))[1]} for app in (people, other)]
    other.close()
    assert draws[0] == draws[1]

"""Other thresholds tried on what is stored: what they would gain, lose and ask, and that nothing is changed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mpi.bootstrap import App
from mpi.cli.main import cli
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, NotAllowed
from mpi.domain.review import Verdict
from mpi.domain.roles import Role
from tests.builders import nhs_number
from tests.index import REVIEWER, persons_of, register

ADMIN = Actor("ada", Role.ADMINISTRATOR.value)


@pytest.fixture
def linked(app: App) -> App:
    """One linked pair without NHS numbers, and one question."""
    for site in ("RXX", "RYY"):
        register(app, site, "1", nhs_number=None, phone="0113 496 0001")
    said = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02"}
    register(app, "RXX", "2", nhs_number=nhs_number(61), **said)
    register(app, "RYY", "2", nhs_number=nhs_number(62), **said)
    return app


def test_a_link_threshold_out_of_reach_loses_the_links(linked: App) -> None:
    before = persons_of(linked, ("RXX", "1"), ("RYY", "1"))
    found = linked.trials.run(ADMIN, linked.trials.variant(link=500.0, keep=None, review=None))
    assert (found.links_lost, found.links_gained) == (1, 0)
    assert found.changes == {"link to review": 1}
    assert [one.persons for one in found.examples] == [(before[0], before[0])]
    assert found.questions_after == found.questions_before + 1
    assert persons_of(linked, ("RXX", "1"), ("RYY", "1")) == before


def test_the_model_in_use_changes_nothing(linked: App) -> None:
    t = linked.model.thresholds
    found = linked.trials.run(ADMIN, linked.trials.variant(link=t.link, keep=None, review=None))
    assert (found.changes, found.links_gained, found.links_lost) == ({}, 0, 0)
    assert found.right_before == found.right_after


def test_what_a_human_has_decided_is_left_out_and_counts_as_a_verdict(linked: App) -> None:
    [task] = linked.review.queue(REVIEWER).tasks
    linked.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two people")
    found = linked.trials.run(ADMIN, linked.trials.variant(link=None, keep=None, review=-500.0))
    assert found.verdicts == 1
    assert found.questions_after == found.questions_before == 0
    [label] = linked.trials.labels(ADMIN)
    assert (label.verdict, label.sample, label.inclusion) == ("different-people", "", None)


def test_thresholds_that_contradict_each_other_are_refused(app: App) -> None:
    with pytest.raises(BadInput):
        app.trials.variant(link=-50.0, keep=None, review=None)
    with pytest.raises(BadInput):
        app.trials.variant(link=None, keep=None, review=None)


def test_only_administrators_try_models_and_take_labels(app: App) -> None:
    other = app.trials.variant(link=500.0, keep=None, review=None)
    for role in Role:
        actor = Actor("somebody", role.value)
        if role is not Role.ADMINISTRATOR:
            with pytest.raises(NotAllowed):
                app.trials.run(actor, other)
            with pytest.raises(NotAllowed):
                app.trials.labels(actor)


def test_the_commands_draw_show_try_and_write_labels(migrated_sqlite_url: str, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["quality", *words, "--database", migrated_sqlite_url])
        assert done.exit_code == 0, done.output
        return done.output

    assert "0 of about 0 pairs" in run("sample", "--links", "3")
    assert "not known yet" in run("show")
    assert "nobody has looked yet" in run("sources")
    run("sources", "--look")
    assert "0 came, 0 closed" in run("work")
    assert "links gained: 0, lost: 0" in run("try", "--link", "50")
    out = tmp_path / "labels.csv"
    assert "0 labelled pairs" in run("labels", "--out", str(out))
    assert out.read_text(encoding="utf-8").startswith("pattern,verdict,weight,sample,inclusion")

"""Policies beside the active one: sections, what missing means, `mpi policy check`, `diff` and `try`."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpi.cli.policy import policy
from mpi.config import InvalidConfiguration, load
from mpi.domain.errors import BadInput
from mpi.domain.study import Arrival, GateDecision, Origin, Urgency
from mpi.matching.gate_policy import parse
from tests.gate_world import OPERATOR, OTHER_STUDY, STUDY, World, a_header

ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE
SHIPPED = resources.files("mpi.matching").joinpath("policies/default.toml").read_text(encoding="utf-8")
EMERGENCY = Arrival(Origin.PARTNER, "PARTNER1", Urgency.EMERGENCY)
FROM_DISC = """
[[section]]
name = "discs"
origins = ["disc"]
modalities = ["CT", "mr"]

[[section.rule]]
id = "sex"
on_failure = "hold"
missing = "fails"
"""
TOML = """
[[authorities]]
code = "RXX"
name = "Royal Example Hospital"
test = true
"""


def _world(url: str, text: str) -> World:
    return World(url, parse(text, "own.toml"))


@pytest.fixture
def world(migrated_url: str) -> Iterator[World]:
    built = World(migrated_url)
    yield built
    built.close()


def test_an_emergency_may_be_read_at_once_and_is_nobodys(world: World) -> None:
    answer = world.check(a_header(birth_date=None), EMERGENCY)
    assert (answer.decision, answer.readable, answer.person) == (HOLD, True, None)
    found = world.standing()
    assert (found.decision, found.readable, found.patient) == (HOLD, True, None)
    world.check(a_header(), EMERGENCY)
    assert (world.standing().decision, world.standing().readable) == (ATTACH, False)


@pytest.mark.parametrize(
    ("header", "arrival"),
    [
        pytest.param({"birth_date": None}, Arrival(Origin.PARTNER, "PARTNER1"), id="what is no emergency"),
        pytest.param({"veterinary": True}, EMERGENCY, id="what is refused"),
    ],
)
def test_otherwise_nothing_is_readable(header: dict[str, object], arrival: Arrival, world: World) -> None:
    assert not world.check(a_header(**header), arrival).readable
    assert not world.standing().readable


def test_what_a_human_takes_away_is_not_readable_any_more(world: World) -> None:
    world.check(a_header(birth_date=None), EMERGENCY)
    world.decisions.refuse(OPERATOR, STUDY, "not for us")
    assert not world.standing().readable


@pytest.mark.parametrize(
    ("arrival", "modality", "decision"),
    [
        pytest.param(Arrival(Origin.DISC), "CT", HOLD, id="the section's origin and modality"),
        pytest.param(Arrival(Origin.DISC), "MR", HOLD, id="its other modality, in capitals"),
        pytest.param(Arrival(Origin.DISC), "US", ATTACH, id="another modality"),
        pytest.param(Arrival(Origin.DISC), None, ATTACH, id="no modality"),
        pytest.param(Arrival(Origin.PARTNER), "CT", ATTACH, id="another origin"),
        pytest.param(Arrival(), "CT", ATTACH, id="no origin"),
    ],
)
def test_a_section_is_for_the_studies_that_it_names(
    arrival: Arrival, modality: str | None, decision: GateDecision, migrated_sqlite_url: str
) -> None:
    world = _world(migrated_sqlite_url, SHIPPED + FROM_DISC)
    assert world.check(a_header(sex=None, modality=modality), arrival).decision is decision
    world.close()


def test_what_is_missing_asks_where_what_differs_refuses(migrated_sqlite_url: str) -> None:
    text = SHIPPED.replace(
        'id = "birth-date"\non_failure = "hold"', 'id = "birth-date"\non_failure = "refuse"\nmissing = "asks"'
    )
    world = _world(migrated_sqlite_url, text)
    assert world.check(a_header(birth_date=None)).decision is HOLD
    assert world.check(a_header(study_uid=OTHER_STUDY, birth_date="19680325")).decision is REFUSE
    world.close()


def test_a_policy_that_differs_in_a_section_has_another_hash() -> None:
    assert parse(SHIPPED + FROM_DISC, "one").hash != parse(SHIPPED, "other").hash


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(policy, list(arguments), catch_exceptions=True)


@pytest.fixture
def place(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[tuple[World, list[str], Path]]:
    """An index, the options that lead to it, and the file of a policy of one's own."""
    built = World(migrated_sqlite_url)
    config = tmp_path / "mpi.toml"
    config.write_text(TOML)
    yield built, ["--database", migrated_sqlite_url, "--config", str(config)], tmp_path / "own.toml"
    built.close()


def test_check_says_whether_a_policy_can_be_used(place: tuple[World, list[str], Path]) -> None:
    _, options, file = place
    file.write_text(SHIPPED)
    assert "can be used" in _run("check", str(file), *options).output
    file.write_text(SHIPPED.replace('trusted_issuers = "configured"', 'trusted_issuers = ["NOWHERE"]'))
    assert isinstance(_run("check", str(file), *options).exception, BadInput)
    file.write_text(SHIPPED.replace('sites = "any"', 'sites = ["NOWHERE"]', 1))
    assert isinstance(_run("check", str(file), *options).exception, BadInput)


def test_diff_says_what_is_otherwise(place: tuple[World, list[str], Path]) -> None:
    _, options, file = place
    file.write_text(SHIPPED)
    same = _run("diff", str(file), *options)
    assert (same.exit_code, "no difference" in same.output) == (0, True)
    text = SHIPPED.replace("days_after_death = 7 ", "days_after_death = 30 ").replace("hours = 168", "hours = 24")
    file.write_text(text.replace('id = "sex"\non_failure = "hold"', 'id = "sex"\non_failure = "refuse"') + FROM_DISC)
    found = _run("diff", str(file), "--json", *options)
    assert found.exit_code == 10
    assert json.loads(found.output)["differences"] == [
        "rule sex: on_failure hold -> refuse",
        "rule study-date: days_after_death 7 -> 30",
        "override of middle-names: is otherwise",
        "section discs: is new",
    ]


def test_try_decides_the_past_by_both_and_changes_nothing(place: tuple[World, list[str], Path]) -> None:
    world, options, file = place
    world.check(a_header(sex=None))
    world.check(a_header(study_uid=OTHER_STUDY, study_date=None))
    before = (world.steps(), world.steps(OTHER_STUDY))
    file.write_text(SHIPPED)
    assert _run("try", str(file), *options).exit_code == 0
    file.write_text(SHIPPED.replace('missing = "passes"', 'missing = "fails"'))
    stricter = _run("try", str(file), "--json", *options)
    assert stricter.exit_code == 10
    assert json.loads(stricter.output) == {
        "studies": 2,
        "same": 1,
        "changed": [
            {"before": "attach", "after": "hold", "count": 1, "examples": [STUDY], "rules": [["sex", 1]]},
        ],
    }
    file.write_text(SHIPPED.replace('missing = "fails"', 'missing = "passes"'))
    looser = _run("try", str(file), *options)
    assert (looser.exit_code, "hold -> attach: 1" in looser.output, OTHER_STUDY in looser.output) == (11, True, True)
    assert _run("try", str(file), "--most", "1", *options).exit_code == 0
    assert (world.steps(), world.steps(OTHER_STUDY)) == before


def test_who_we_are_must_be_configured(tmp_path: Path) -> None:
    file = tmp_path / "mpi.toml"
    file.write_text(TOML + '[gate]\nhome = ["rxx"]\nuid_roots = ["1.2.3."]\n')
    config = load(file)
    assert (config.gate_home, config.gate_uid_roots) == (("RXX",), ("1.2.3",))
    file.write_text(TOML + '[gate]\nhome = ["NOWHERE"]\n')
    with pytest.raises(InvalidConfiguration, match="NOWHERE"):
        load(file)

"""Registers of other centuries and countries: few fields, years instead of dates, fields of the user's own."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from mpi.domain.columns import ColumnMap
from mpi.domain.decision import Outcome
from mpi.engines.local.engine import LocalEngine
from mpi.engines.local.train import estimate
from mpi.matching import rules
from mpi.matching.block import MAX_EXTRA_KEYS, blocking_keys
from mpi.matching.decide import decide_pair
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.rules import Standing
from mpi.matching.shape import BIRTH, BIRTH_IN_YEARS, starting_model
from tests.datasets import write_dataset

EXTRAS = {"parish": "exact", "trade": "exact"}
GIVEN = ["ADA", "BESS", "CLARA", "DORA", "EDWIN", "FRANK", "GILES", "HUGH", "IVOR", "JANE", "KEZIA", "LUKE"]
FAMILY = [f"{head}{tail}" for head in ("ASH", "BIRK", "COL", "DUN", "EST", "FAR") for tail in ("BY", "TON", "WELL")]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        pytest.param("%Y", "1843", "1843", id="a year"),
        pytest.param("%m/%Y", "7/1843", "1843-07", id="month and year"),
        pytest.param("%Y %m %d", "1843 7 5", "1843-07-05", id="three columns joined"),
        pytest.param("%d %B %Y", "5 July 1843", "1843-07-05", id="the month's name"),
        pytest.param("%j-%Y", "186-1843", "1843-07-05", id="the day of the year"),
        pytest.param("%Y", "about 1843", "about 1843", id="what does not fit stands as it is"),
    ],
)
def test_a_form_without_a_day_gives_a_date_known_in_part(form: str, text: str, expected: str) -> None:
    found = ColumnMap.parse(f'birth_date_format = "{form}"').resolve(["birth_date"])
    assert found.values({"birth_date": text}) == {"birth_date": expected}


def test_fields_of_the_users_own_find_pairs_beside_a_name_or_a_birth_date() -> None:
    known = Prepared(family="SMITH", given="ANN", birth="1980-01-02", extra=(("parish", "WELLS"),))
    moved = Prepared(family="SMYTH", given="BESS", extra=(("parish", "WELLS"),))
    another = Prepared(family="SMYTH", given="BESS", extra=(("trade", "WELLS"),))
    assert set(blocking_keys(known)) & set(blocking_keys(moved))
    assert not set(blocking_keys(known)) & set(blocking_keys(another))


def test_keys_of_the_users_own_fields_have_a_limit_of_their_own() -> None:
    many = tuple((f"field{n:02}", "same") for n in range(20))
    without = blocking_keys(Prepared(family="SMITH", given="ANN", birth="1980-01-02"))
    found = blocking_keys(Prepared(family="SMITH", given="ANN", birth="1980-01-02", extra=many))
    assert found[: len(without)] == without
    assert len(found) == len(without) + MAX_EXTRA_KEYS


def test_a_year_of_birth_meets_the_whole_date() -> None:
    whole, part = (
        Prepared(family="SMITH", given="ANN", birth="1980-01-02"),
        Prepared(family="SMYTHE", given="ANNE", birth_partial="1980"),
    )
    assert set(blocking_keys(whole)) & set(blocking_keys(part))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("1843", "1843", Standing.CLOSE, id="one year"),
        pytest.param("1843", "1845", Standing.CLOSE, id="two years apart"),
        pytest.param("1843", "1846", Standing.DIFFERENT, id="three years apart"),
        pytest.param("1843-05", "1844-06", Standing.CLOSE, id="months known"),
    ],
)
def test_years_of_birth_may_be_off_by_two(one: str, other: str, expected: Standing) -> None:
    assert rules.birth(Prepared(birth_partial=one), Prepared(birth_partial=other)) is expected


def test_a_whole_date_is_not_off_by_a_year() -> None:
    found = rules.birth(Prepared(birth="1843-05-02"), Prepared(birth_partial="1844"))
    assert found is Standing.DIFFERENT


def households(seed: int, years: bool) -> list[Prepared]:
    """Families that share parish and address; a third of the people stand twice, some with a slip."""
    draw, found = random.Random(seed), []
    for home in range(700):
        family, parish = draw.choice(FAMILY), f"PARISH {draw.randrange(60)}"
        address = f"{home} HIGH ST"
        for given in draw.sample(GIVEN, draw.randint(1, 4)):
            year = draw.randint(1800, 1880)
            birth = {"birth_partial": str(year)} if years else {"birth": f"{year}-{draw.randint(1, 12):02}-07"}
            own = {"parish": parish, "trade": f"TRADE {draw.randrange(60)}"}
            rows = [(given, birth, own)]
            if draw.random() < 0.35:
                again = {"birth_partial": str(year + draw.choice((0, 0, 1)))} if years else birth
                rows.append((given if draw.random() < 0.9 else given + "E", again, own))
            found += [
                Prepared(family=family, given=name, address=address, extra=tuple(sorted(extra.items())), **when)
                for name, when, extra in rows
            ]
    return found


@pytest.fixture(scope="module")
def of_families(tmp_path_factory: pytest.TempPathFactory) -> LinkageModel:
    folder = tmp_path_factory.mktemp("families")
    return estimate(write_dataset(folder, households(3, years=True), EXTRAS), LocalEngine(), seed=1)


def test_training_finds_out_which_fields_families_share(of_families: LinkageModel) -> None:
    assert of_families.shared_extras == {"extra.parish"}
    assert of_families.own_extras == {"extra.trade"}


def test_where_years_are_known_training_compares_years(of_families: LinkageModel, tmp_path: Path) -> None:
    births = {c.name: c for c in of_families.comparisons}["birth_date"]
    assert [level.label for level in births.levels] == [level.label for level in BIRTH_IN_YEARS.levels]
    assert births.levels[1].bits > births.levels[2].bits > births.levels[-1].bits
    dated = estimate(write_dataset(tmp_path, households(3, years=False), EXTRAS), LocalEngine(), seed=1)
    labels = [level.label for level in {c.name: c for c in dated.comparisons}["birth_date"].levels]
    assert labels == [level.label for level in BIRTH.levels]


@pytest.mark.parametrize(
    ("trade", "outcome"),
    [
        pytest.param("TRADE 1", Outcome.LINK, id="the same trade, which one in thousands has"),
        pytest.param("TRADE 9", Outcome.REVIEW, id="another trade"),
        pytest.param(None, Outcome.REVIEW, id="no trade known"),
    ],
)
def test_a_rare_field_of_ones_own_tells_a_slip_from_a_twin(
    of_families: LinkageModel, trade: str | None, outcome: Outcome
) -> None:
    """Given names alike at one home may be twins'; what families do not share speaks for one person."""
    last = of_families.comparisons[-1]
    rare = replace(last, levels=(replace(last.levels[0], u=last.levels[0].m / 2**13, frequency=0.0), last.levels[1]))
    thresholds = replace(of_families.thresholds, link=5.0, keep=0.0, review=-10.0)
    model = replace(
        of_families, families=True, comparisons=(*of_families.comparisons[:-1], rare), thresholds=thresholds
    )
    one = Prepared(family="ASHBY", given="CLARA", birth_partial="1843", address="7 HIGH ST",
                   extra=(("parish", "PARISH 1"), ("trade", "TRADE 1")))  # fmt: skip
    own = (("parish", "PARISH 1"), ("trade", trade)) if trade else (("parish", "PARISH 1"),)
    assert decide_pair(model, one, replace(one, given="CLAIRE", extra=own)).outcome is outcome


def test_a_last_level_that_no_pair_shows_keeps_its_starting_weight(tmp_path: Path) -> None:
    """Of births that are all on one day, "different" is never seen: it must not weigh for a match."""
    people = [Prepared(family=p.family, given=p.given, address=p.address, birth=f"{p.birth_partial}-01-01")
              for p in households(5, years=True)]  # fmt: skip
    model = estimate(write_dataset(tmp_path, people), LocalEngine(), seed=1)
    births = {c.name: c for c in model.comparisons}["birth_date"]
    start = {c.name: c for c in starting_model().comparisons}["birth_date"]
    assert births.levels[-1].bits <= start.levels[-1].bits + 1e-9

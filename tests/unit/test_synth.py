"""The synthetic population: the same for the same seed, nobody real in it, faults labelled."""

import csv
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from mpi.cli.synth import synth
from mpi.domain.errors import BadInput
from mpi.domain.person import Demographics
from mpi.matching.nhs_number import Range, is_valid, range_of
from mpi.synth.homes import Home
from mpi.synth.hospitals import HOSPITALS
from mpi.synth.people import Person
from mpi.synth.population import COLUMNS, Row, make
from mpi.synth.write import write
from mpi.synth.writing import Writing

SHIPPED = Path(__file__).parents[2] / "data" / "synthetic" / "people.csv"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(make(3000, 11))


def test_the_shipped_population_is_what_its_command_makes(tmp_path: Path):
    write(make(2000, 7), tmp_path / "people.csv")
    assert (tmp_path / "people.csv").read_bytes() == SHIPPED.read_bytes()


def test_another_seed_makes_other_people(rows: list[Row]):
    other = list(make(300, 12))
    assert [r["family_name"] for r in other[:50]] != [r["family_name"] for r in rows[:50]]


def test_as_many_people_as_asked_for(rows: list[Row]):
    assert len({row["true_person"] for row in rows}) == 3000
    assert 1.7 < len(rows) / 3000 < 2.2


def test_nhs_numbers_are_never_issued_ones(rows: list[Row]):
    numbers = [row["nhs_number"] for row in rows if row["nhs_number"]]
    slipped = [row["nhs_number"] for row in rows if "nhs-number-slip" in row["faults"]]
    assert all(len(number) == 10 for number in numbers)
    assert all(is_valid(n) and range_of(n) is Range.TEST for n in numbers if n not in slipped)


def test_about_a_tenth_has_no_number(rows: list[Row]):
    assert 0.07 < sum(not row["nhs_number"] for row in rows) / len(rows) < 0.15


def test_every_record_is_known_by_its_hospital_and_number(rows: list[Row]):
    assert len({(row["authority"], row["record_id"]) for row in rows}) == len(rows)
    assert {row["authority"] for row in rows} == {"RXA", "RXB", "RXC", "RXD"}


def test_faults_and_traits_are_labelled(rows: list[Row]):
    faults = Counter(fault for row in rows for fault in row["faults"].split(";"))
    expected = "missing-nhs-number moved finger-family ear-given short-form married-name birth-digit swapped-names "
    expected += "newborn-unnamed default-birth-date day-month-swapped pseudo-postcode title-in-name accents sparse "
    expected += "half-of-double-name no-hyphen masculine-form second-nhs-number nhs-number-of-relative default-phone "
    expected += "nhs-number-of-stranger nhs-number-wrong-but-valid nhs-number-slip no-fixed-abode initial-only"
    for fault in expected.split():
        assert faults[fault] > 0, fault
    traits = {row["true_person"]: row["traits"] for row in rows}
    assert sum("twin" in trait for trait in traits.values()) > 0.02 * len(traits)
    for trait in ("father-and-son", "triplet", "student", "newborn", "named-after-grandparent", "tradition-sikh"):
        assert any(trait in found for found in traits.values()), trait


def test_children_of_one_birth_are_told_by_a_column(rows: list[Row]):
    births: dict[str, set[str]] = {}
    for row in rows:
        assert bool(row["true_birth"]) == ("twin" in row["traits"])
        if row["true_birth"]:
            births.setdefault(row["true_birth"], set()).add(row["true_person"])
    assert all(1 <= len(people) <= 3 for people in births.values())
    assert sum(len(people) > 1 for people in births.values()) > 0.9 * len(births)


@pytest.mark.parametrize("birth", [pytest.param("1", id="of a twin"), pytest.param("", id="of nobody")])
@pytest.mark.parametrize("called", [pytest.param("ANNA", id="the name"), pytest.param("ANNIE", id="a form of it")])
def test_nobody_is_known_by_the_name_of_their_twin(birth: str, called: str):
    home = Home("1 HIGH STREET", "OAKBRIDGE", "OB1 1AA", "", "O80000")
    born = date(2019, 6, 12)
    anna = Person(1, "female", "ANNA", "", "NOWAK", born, home, "9990000018", birth=birth)
    other = Person(2, "female", "AGNIESZKA", called, "NOWAK", born, home, "9990000026", birth=birth)
    hasty = replace(HOSPITALS[0], care=80.0)
    registry = _Registers()
    rows = [Writing(registry, other, hasty, [anna, other]).row(home, None, old=False) for _ in range(300)]
    assert any("known-by-middle-name" in row["faults"] for row in rows) is not bool(birth)
    assert any(row["given_name"] == called for row in rows) is not bool(birth)


class _Registers:
    """What a clerk asks of the registers."""

    def __init__(self) -> None:
        self.random = Random(1)

    def number(self) -> str:
        return "10000001"

    def somebody_else(self, mine: str) -> str:
        return mine

    def never_given(self) -> str:
        return "9990000034"


def test_a_wrong_but_valid_number_is_nobodys(rows: list[Row]):
    wrong = {row["nhs_number"] for row in rows if "wrong-but-valid" in row["faults"]}
    others = {row["nhs_number"] for row in rows if "wrong-but-valid" not in row["faults"]}
    assert wrong
    assert not wrong & others


def test_half_of_the_pairs_across_a_birth_lack_a_number_on_a_side(rows: list[Row]):
    births: dict[str, list[Row]] = {}
    for row in rows:
        if row["true_birth"]:
            births.setdefault(row["true_birth"], []).append(row)
    pairs = [(a, b) for own in births.values() for a, b in combinations(own, 2) if a["true_person"] != b["true_person"]]
    assert sum(not a["nhs_number"] or not b["nhs_number"] for a, b in pairs) >= 0.5 * len(pairs)


def test_columns_are_those_of_a_person_file(rows: list[Row]):
    assert set(Demographics().__slots__) < set(COLUMNS)
    assert all(tuple(row) == COLUMNS for row in rows[:10])


def test_parquet_holds_the_same_as_csv(tmp_path: Path, rows: list[Row]):
    import pyarrow.parquet as pq

    write(rows[:100], tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [{k: v or "" for k, v in row.items()} for row in table] == rows[:100]


def test_another_kind_of_file_is_refused(tmp_path: Path):
    with pytest.raises(BadInput):
        write([], tmp_path / "people.xlsx")


def test_the_command_writes_and_counts(tmp_path: Path):
    out = tmp_path / "deep" / "people.csv"
    done = CliRunner().invoke(synth, ["--persons", "20", "--seed", "3", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    with out.open(encoding="utf-8") as lines:
        assert f'"records": {sum(1 for _ in csv.DictReader(lines))}' in done.output

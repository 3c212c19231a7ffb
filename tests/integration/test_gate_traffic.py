"""Synthetic traffic through the gate: nobody gets a wrong study, right ones pass by themselves, the rest says why."""

from pathlib import Path

import pytest

from tests.effort import repeats
from tests.gate_traffic import FAULTS, Tally, Traffic, total

STUDIES = 20_000
SEED = 4711


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> dict[str, Tally]:
    file = tmp_path_factory.mktemp("traffic") / "mpi.db"
    file.write_bytes(_migrated_file.read_bytes())
    traffic = Traffic(f"sqlite:///{file}", repeats(STUDIES), SEED)
    traffic.register()
    tallies = traffic.run()
    traffic.close()
    return tallies


@pytest.mark.soak
def test_no_study_goes_to_a_wrong_person(found: dict[str, Tally]) -> None:
    assert {kind: tally.wrong for kind, tally in found.items() if tally.wrong} == {}


@pytest.mark.soak
def test_nearly_all_studies_whose_data_are_right_get_through_by_themselves(found: dict[str, Tally]) -> None:
    every = total(found)
    assert every.right_data > every.studies / 10
    assert every.right_attached >= 0.95 * every.right_data


@pytest.mark.soak
def test_whatever_is_held_or_refused_says_why(found: dict[str, Tally]) -> None:
    assert {kind: tally.unexplained for kind, tally in found.items() if tally.unexplained} == {}


@pytest.mark.soak
def test_a_good_part_of_the_traffic_has_a_fault_and_no_kind_is_missing(found: dict[str, Tally]) -> None:
    assert set(found) == {"no fault", *FAULTS}
    assert total(found).studies - found["no fault"].studies >= 0.3 * total(found).studies

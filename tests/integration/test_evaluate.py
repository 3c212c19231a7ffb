"""`mpi evaluate`: every measure on runs so small that a reader can count along."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mpi.cli.dedup import dedup
from mpi.cli.evaluate import evaluate
from mpi.domain.errors import BadInput, NotFound
from mpi.engines.measures import Measures, measures

HEADER = (
    "record_id,authority,nhs_number,nhs_number_status,family_name,given_name,birth_date,sex,postcode,"
    "true_person,faults,true_birth"
)
PEOPLE = (
    # Three records of one person: two alike, one that shares no blocking key with them.
    "1,RXX,9990000018,01,Ashworth,Anna,1968-03-24,female,LS6 4QB,A,,",
    "2,RYY,9990000018,01,Ashworth,Ana,1968-03-24,female,LS6 4QB,A,finger-given,",
    "3,RYY,,,Okafor,,,,,A,everything;missing-given,",
    # Twins.
    "4,RXX,,,Hollis,Peter,2001-05-06,male,M1 1AE,B,,t1",
    "5,RYY,,,Hollis,Paul,2001-05-06,male,M1 1AE,C,,t1",
    # Nobody knows whose this is.
    "6,RYY,,,Zander,Ruth,1950-01-01,female,EH1 1AA,,,",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return _run(tmp_path, PEOPLE)


def _run(folder: Path, rows: Sequence[str], *options: str, header: str = HEADER) -> Path:
    path = folder / "people.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    done = CliRunner().invoke(dedup, [str(path), "--out", str(folder / "found"), *options])
    assert done.exception is None, done.output
    return folder / "found"


def _evaluate(out: Path, *options: str) -> Result:
    return CliRunner().invoke(evaluate, [str(out), "--truth", "true_person", *options])


def _measured(out: Path, *options: str) -> dict[str, Any]:
    done = _evaluate(out, "--json", *options)
    assert done.exception is None, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == json.loads((out / "evaluation.json").read_text())
    page = (out / "evaluation.html").read_text()
    assert "<script" not in page
    assert "://" not in page.replace("http://www.w3.org", "")
    if scores := found["curves"]["histogram"]:
        assert page.count("<svg") >= 3
        assert sum(band["pairs"] for band in found["reliability"]) == sum(scores["one person"] + scores["two people"])
        assert found["curves"]["along"]["recall"][0] == max(found["curves"]["along"]["recall"])
    return found


def test_links_and_clusters_are_counted_in_pairs(run: Path) -> None:
    found = _measured(run)
    assert found["records"] == 6 and found["records_with_truth"] == 5
    for name in ("links", "clusters"):
        one = found[name]
        assert (one["true_pairs"], one["found_pairs"], one["true_found"]) == (3, 1, 1)
        assert (one["precision"], one["recall"]) == (1.0, pytest.approx(1 / 3))
        assert one["f1"] == pytest.approx(0.5)


def test_pairs_that_share_no_key_are_lost_to_blocking(run: Path) -> None:
    assert _measured(run)["blocking"] == {"true_pairs_lost": 2, "recall_lost": pytest.approx(2 / 3)}


def test_recall_is_told_for_each_fault(run: Path) -> None:
    faults = _measured(run)["faults"]
    assert sorted(faults) == ["everything", "finger-given", "missing-given"]
    assert faults["finger-given"]["true_pairs"] == 2
    assert faults["finger-given"]["recall_links"] == 0.5
    assert faults["finger-given"]["lost_to_blocking"] == 0.5
    assert faults["missing-given"]["recall_clusters"] == 0.0


def test_twins_are_followed(run: Path) -> None:
    twins = _measured(run)["twins"]
    assert (twins["pairs"], twins["linked"], twins["in_one_cluster"], twins["clusters_with_two_of_one_birth"]) == (
        1,
        0,
        0,
        0,
    )


def test_what_is_shown_is_what_is_measured(run: Path) -> None:
    text = _evaluate(run).output
    assert "links        1.0000     0.3333  0.5000" in text
    assert "never compared: 2 true pairs (0.6667)" in text
    assert "finger-given" in text


def test_the_truth_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    short = [row.rsplit(",", 3)[0] for row in PEOPLE]
    out = _run(tmp_path, short, header=HEADER.partition(",true_person")[0])
    truth = tmp_path / "truth.csv"
    truth.write_text("record_id,true_person\n1,A\n2,A\n3,A\n4,B\n5,C\n")
    found = _measured(out, "--truth-file", str(truth))
    assert found["links"]["true_pairs"] == 3
    assert "faults" not in found and "twins" not in found


def test_the_truth_of_an_id_that_two_hospitals_use_is_told_apart_by_the_authority(tmp_path: Path) -> None:
    rows = [PEOPLE[0], PEOPLE[3].replace("4,RXX", "1,RYY")]
    out = _run(tmp_path, [row.rsplit(",", 3)[0] for row in rows], header=HEADER.partition(",true_person")[0])
    truth = tmp_path / "truth.csv"
    truth.write_text("record_id,authority,true_person\n1,RXX,A\n1,RYY,A\n")
    assert _measured(out, "--truth-file", str(truth))["links"]["true_pairs"] == 1


def test_between_files_only_pairs_between_files_are_measured(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("\n".join([HEADER, PEOPLE[0], PEOPLE[2].replace("RYY", "RXX")]) + "\n")
    two.write_text("\n".join([HEADER, PEOPLE[1]]) + "\n")
    out = tmp_path / "found"
    assert CliRunner().invoke(dedup, [str(one), str(two), "--out", str(out), "--between"]).exception is None
    found = _measured(out)
    assert (found["links"]["true_pairs"], found["clusters"]["found_pairs"]) == (2, 1)


def test_a_truth_that_contradicts_everything_is_zero(tmp_path: Path) -> None:
    out = _run(tmp_path, [PEOPLE[0], PEOPLE[1].replace(",A,", ",Z,"), PEOPLE[2]])
    links = _measured(out)["links"]
    assert (links["precision"], links["recall"], links["f1"]) == (0.0, 0.0, 0.0)


def test_a_folder_without_a_run_is_said(tmp_path: Path) -> None:
    assert isinstance(_evaluate(tmp_path).exception, NotFound)


def test_a_column_that_is_not_there_is_said(run: Path) -> None:
    done = CliRunner().invoke(evaluate, [str(run), "--truth", "cluster"])
    assert isinstance(done.exception, BadInput) and "has no column cluster" in str(done.exception)


def test_inputs_that_have_changed_since_are_refused(run: Path) -> None:
    path = run.parent / "people.csv"
    path.write_text(path.read_text() + PEOPLE[0].replace("1,", "9,", 1) + "\n")
    done = _evaluate(run)
    assert isinstance(done.exception, BadInput) and "has changed since the run" in str(done.exception)


def test_a_truth_file_of_other_records_is_refused(run: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("record_id,true_person\nX,A\n")
    assert isinstance(_evaluate(run, "--truth-file", str(truth)).exception, BadInput)


@pytest.mark.parametrize(
    ("counts", "ratios"),
    [
        ((4, 2, 1), (0.5, 0.25, pytest.approx(1 / 3))),
        ((4, 0, 0), (None, 0.0, None)),
        ((0, 2, 0), (0.0, None, None)),
        ((0, 0, 0), (None, None, None)),
        ((2, 2, 2), (1.0, 1.0, 1.0)),
    ],
    ids=["some", "nothing found", "nothing to find", "nothing at all", "all"],
)
def test_a_ratio_of_nothing_is_none(counts: tuple[int, int, int], ratios: tuple[float | None, ...]) -> None:
    found: Measures = measures(true_pairs=counts[0], found_pairs=counts[1], true_found=counts[2])
    assert (found.precision, found.recall, found.f1) == ratios

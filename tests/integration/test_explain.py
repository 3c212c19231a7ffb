"""`mpi explain`: any two records of a finished run, weighed as the run weighed them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mpi.cli.dedup import dedup
from mpi.cli.explain import explain
from mpi.domain.errors import BadInput, NotFound

HEADER = "record_id,authority,nhs_number,nhs_number_status,family_name,given_name,birth_date,sex,postcode"
PEOPLE = (
    "1,RXX,9990000018,01,Ashworth,Anna,1968-03-24,female,LS6 4QB",
    "2,RYY,9990000018,01,Ashworth,Ana,1968-03-24,female,LS6 4QB",
    "3,RYY,,,Okafor,Ngozi,1990-12-02,female,M1 1AE",
    "4,RXX,,,Hollis,Peter,2001-05-06,male,EH1 1AA",
    "4,RYY,,,Hollis,Paul,2001-05-06,male,EH1 1AA",
)


def _run(folder: Path, files: dict[str, Sequence[str]], *options: str) -> Path:
    for name, rows in files.items():
        (folder / name).write_text("\n".join([HEADER, *rows]) + "\n")
    done = CliRunner().invoke(dedup, [*(str(folder / n) for n in files), "--out", str(folder / "found"), *options])
    assert done.exception is None, done.output
    return folder / "found"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return _run(tmp_path, {"people.csv": PEOPLE})


def _explained(out: Path, left: str, right: str, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(explain, [str(out), left, right, "--json", *options])
    assert done.exception is None, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_pair_that_the_run_wrote_is_weighed_as_it_was(run: Path) -> None:
    rows = pq.read_table(run / "pairs.parquet").to_pylist()
    assert {row["decision"] for row in rows} == {"link", "review"}
    for row in rows:
        for left, right in ((row["left_id"], row["right_id"]), (row["right_id"], row["left_id"])):
            found = _explained(run, left, right)
            assert (found["left"], found["right"]) == (row["left_id"], row["right_id"])
            assert found["weight"] == row["weight"] and found["probability"] == pytest.approx(row["probability"])
            assert found["pattern"] == row["pattern"]
            assert found["run"] == {"decision": row["decision"], "rule": row["rule"], "not_written": None}
            assert found["one_cluster"] is (row["decision"] == "link")
            bits = found["prior_bits"] + sum(e["bits"] for e in found["evidence"] if e["bits"] is not None)
            assert bits == pytest.approx(row["weight"])


def test_a_pair_that_was_never_compared_is_explained_too(run: Path) -> None:
    found = _explained(run, "1", "3")
    assert found["weight"] < 0 and found["alone"]["decision"] == "apart"
    assert found["run"]["decision"] is None
    assert found["run"]["not_written"] == "never compared: the two records share no blocking key"
    assert found["one_cluster"] is False


def test_a_run_between_files_says_that_it_left_pairs_of_one_file_out(tmp_path: Path) -> None:
    out = _run(tmp_path, {"a.csv": PEOPLE[:2], "b.csv": PEOPLE[2:]}, "--between")
    found = _explained(out, "1", "2")
    assert found["alone"]["decision"] == "link"
    assert "both records are of one file" in found["run"]["not_written"]


def test_the_page_shows_the_chart_and_nothing_that_was_recorded(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "pair.html"
    done = CliRunner().invoke(explain, [str(run), "RXX:4", "RYY:4", "--out", str(page)])
    assert done.exception is None, done.output
    assert "review, by the rule twins" in done.output
    html = page.read_text(encoding="utf-8")
    assert "<svg" in html and "family name: same" in html and "review, by the rule twins" in html
    assert "<script" not in html
    for value in ("Hollis", "HOLLIS", "Peter", "PETER", "2001-05-06", "EH1"):
        assert value not in html and value not in done.output


@pytest.mark.parametrize(
    ("left", "right", "kind", "told"),
    [
        pytest.param("1", "99", NotFound, "no record of the run has this id", id="an id that no record has"),
        pytest.param("1", "1", BadInput, "two different records", id="one record with itself"),
        pytest.param("4", "1", NotFound, "no record of the run has this id", id="an id that two sites use"),
    ],
)
def test_ids_that_say_no_pair_are_refused(run: Path, left: str, right: str, kind: type[Exception], told: str) -> None:
    error = CliRunner().invoke(explain, [str(run), left, right]).exception
    assert isinstance(error, kind)
    assert told in str(error)


def test_inputs_that_have_changed_since_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("\n".join([HEADER, *PEOPLE[:4]]) + "\n")
    error = CliRunner().invoke(explain, [str(run), "1", "2"]).exception
    assert isinstance(error, BadInput) and "has changed since the run" in str(error)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert isinstance(CliRunner().invoke(explain, [str(tmp_path), "1", "2"]).exception, NotFound)


def test_fields_of_ones_own_take_part(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[columns]\nrecord_id = "record_id"\nfamily_name = "family_name"\n'
        '[extra.ward]\ncolumn = "postcode"\ncompare = "exact"\n'
    )
    rows = [f"{n},,,,Name{n // 2},,,,W{n // 2}" for n in range(40)]
    out = _run(tmp_path, {"people.csv": rows}, "--columns", str(tmp_path / "map.toml"), "--model", "train")
    levels = {e["comparison"]: e["level"] for e in _explained(out, "0", "1")["evidence"]}
    assert levels["extra.ward"] == "same"

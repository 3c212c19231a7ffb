"""`mpi dedup` over files: what it writes, how it goes on after a break, and what it says of bad input."""

import csv
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from mpi.cli.dedup import FileSource, dedup
from mpi.domain.errors import BadInput, Conflict, MpiError
from mpi.engines.local.engine import LocalEngine
from mpi.engines.preparing import prepare_dataset
from mpi.services.dedup import RESULTS, Dedup
from mpi.synth.population import COLUMNS, make

ENGINE = "local"
HEADER = "record_id,authority,nhs_number,nhs_number_status,family_name,given_name,birth_date,sex,postcode"
ANNA = "9990000018,01,Ashworth,Anna,1968-03-24,female,LS6 4QB"
ANNA_AGAIN = "9990000018,01,Ashworth,Ana,1968-03-24,female,LS6 4QB"
DANIEL = ",,Okafor,Daniel,1990-07-01,male,M1 1AE"


@dataclass
class Door:
    """The command in a folder of its own."""

    folder: Path

    def file(self, *rows: str, name: str = "people.csv", header: str = HEADER) -> Path:
        path = self.folder / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    @property
    def out(self) -> Path:
        return self.folder / "found"

    def run(self, *files: Path, out: Path | None = None, options: Sequence[str] = ()) -> Result:
        arguments = [*map(str, files), "--out", str(out or self.out), "--engine", ENGINE, *options]
        return CliRunner().invoke(dedup, arguments)

    def done(self, *files: Path, out: Path | None = None, options: Sequence[str] = ()) -> dict[str, Any]:
        result = self.run(*files, out=out, options=["--json", *options])
        assert result.exception is None, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, *files: Path, options: Sequence[str] = ()) -> str:
        result = self.run(*files, options=options)
        assert isinstance(result.exception, BadInput), result.output
        assert not (self.out / "run.json").exists()
        return str(result.exception)

    def clusters(self, out: Path | None = None) -> dict[str, str]:
        with ((out or self.out) / "clusters.csv").open(newline="") as file:
            return {row["record_id"]: row["cluster_id"] for row in csv.DictReader(file)}

    def pairs(self, out: Path | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pq.read_table((out or self.out) / "pairs.parquet").to_pylist()
        return found

    def reviews(self) -> list[dict[str, str]]:
        with (self.out / "review.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.parquet"
    rows = list(make(400, seed=71))
    columns = [pa.array([row[name] or None for row in rows], pa.string()) for name in COLUMNS]
    pq.write_table(pa.table(columns, names=list(COLUMNS)), path)
    return path


def _bytes(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in RESULTS}


# What it writes ------------------------------------------------------------------------------------------------------


def test_two_records_of_one_person_are_linked_and_a_stranger_is_alone(door: Door) -> None:
    door.done(door.file(f"1,RXX,{ANNA}", f"2,RXX,{ANNA_AGAIN}", f"3,RXX,{DANIEL}"))
    assert door.clusters() == {"1": "1", "2": "1", "3": "3"}
    (pair,) = door.pairs()
    assert (pair["left_id"], pair["right_id"], pair["decision"]) == ("1", "2", "link")
    assert pair["probability"] == pytest.approx(2 ** pair["weight"] / (1 + 2 ** pair["weight"]))


def test_what_a_human_must_see_comes_with_both_sides_and_the_reason(door: Door) -> None:
    door.done(door.file(f"1,RXX,{ANNA}", f"2,RYY,{ANNA.replace('Anna', 'Peter')}"))
    (row,) = door.reviews()
    assert (row["left_id"], row["right_id"], row["left_given_name"], row["right_given_name"]) == (
        "1",
        "2",
        "Anna",
        "Peter",
    )
    assert row["reason"] == "One NHS number stands on records that describe different people."


def test_what_a_spreadsheet_would_run_is_made_plain_where_a_human_looks(door: Door) -> None:
    door.done(door.file(f"1,RXX,{ANNA.replace('Anna', '=Anna()')}", f"2,RYY,{ANNA.replace('Anna', '@Peter')}"))
    (row,) = door.reviews()
    assert (row["left_given_name"], row["right_given_name"]) == ("'=Anna()", "'@Peter")


def test_clusters_are_the_components_of_the_links_and_hold_every_record_once(door: Door, population: Path) -> None:
    counts = door.done(population)["counts"]
    clusters = door.clusters()
    group = {record: {record} for record in clusters}
    for pair in door.pairs():
        if pair["decision"] == "link" and group[pair["left_id"]] is not group[pair["right_id"]]:
            whole = group[pair["left_id"]] | group[pair["right_id"]]
            group.update(dict.fromkeys(whole, whole))
    assert len(clusters) == counts["records"] == pq.read_metadata(population).num_rows
    assert counts["links"] > 100
    for record, members in group.items():
        assert {other for other, label in clusters.items() if label == clusters[record]} == members


def test_reviews_stand_best_first(door: Door, population: Path) -> None:
    door.done(population)
    weights = [float(row["weight"]) for row in door.reviews()]
    assert len(weights) > 5
    assert weights == sorted(weights, reverse=True)


def test_the_same_input_gives_the_same_bytes(door: Door, population: Path) -> None:
    one = door.done(population, out=door.folder / "one", options=["--model", "train"])
    other = door.done(population, out=door.folder / "other", options=["--model", "train"])
    assert _bytes(door.folder / "one") == _bytes(door.folder / "other")
    for changing in ("seconds", "peak_memory_mb", "out"):
        one.pop(changing), other.pop(changing)
    assert one == other


def test_one_thread_and_three_give_the_same_bytes(
    door: Door, population: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in (1, 3):
        with monkeypatch.context() as patch:
            patch.setattr("mpi.cli.dedup.engine_named", lambda _, n=threads: LocalEngine(threads=n))
            patch.setattr("mpi.services.dedup_tools.prepare_dataset", partial(prepare_dataset, workers=threads))
            patch.setattr("mpi.files.staging._THREADS", threads)
            door.done(population, out=door.folder / str(threads), options=["--model", "train"])
    assert _bytes(door.folder / "1") == _bytes(door.folder / "3")


def test_the_truth_is_never_read(door: Door, population: Path) -> None:
    table = pq.read_table(population)
    place = table.column_names.index("true_person")
    shuffled = table.set_column(place, "true_person", table["true_person"].combine_chunks()[::-1])
    pq.write_table(shuffled, door.folder / "people.parquet")
    door.done(population, out=door.folder / "one", options=["--model", "train"])
    door.done(door.folder / "people.parquet", out=door.folder / "other", options=["--model", "train"])
    assert _bytes(door.folder / "one") == _bytes(door.folder / "other")


def test_between_compares_only_across_files(door: Door) -> None:
    one = door.file(f"1,RXX,{ANNA}", f"2,RXX,{ANNA}", name="one.csv")
    two = door.file(f"3,RYY,{DANIEL}", f"4,RYY,{DANIEL}", name="two.csv")
    assert door.done(one, two, options=["--between"])["counts"]["candidate_pairs"] == 0


def test_between_needs_two_files(door: Door) -> None:
    assert door.run(door.file(f"1,RXX,{ANNA}"), options=["--between"]).exit_code == 2


def test_a_field_of_the_users_own_is_part_of_a_trained_model(door: Door, population: Path) -> None:
    columns = door.folder / "map.toml"
    columns.write_text('[extra.doctor]\ncolumn = "gp_practice"\ncompare = "exact"\n')
    door.done(population, options=["--columns", str(columns), "--model", "train"])
    model = json.loads((door.out / "model.json").read_text())
    assert "extra.doctor" in json.dumps(model["comparisons"])


# Ids in the results --------------------------------------------------------------------------------------------------


def test_an_id_of_two_hospitals_is_told_apart_by_the_authority(door: Door) -> None:
    one = door.file(f"1,RXX,{ANNA}", f"7,RXX,{DANIEL}", name="one.csv")
    two = door.file(f"1,RYY,{ANNA}", name="two.csv")
    door.done(one, two)
    assert door.clusters() == {"RXX:1": "RXX:1", "7": "7", "RYY:1": "RXX:1"}


def test_an_id_of_two_files_without_authorities_is_told_apart_by_the_file(door: Door) -> None:
    one = door.file(f"1,,{ANNA}", name="one.csv")
    two = door.file(f"1,,{ANNA}", name="two.csv")
    door.done(one, two)
    assert door.clusters() == {"one:1": "one:1", "two:1": "one:1"}


def test_an_id_that_stands_twice_in_a_file_is_refused_with_its_lines(door: Door) -> None:
    text = door.refused(door.file(f"1,RXX,{ANNA}", f"2,RXX,{DANIEL}", f"1,RXX,{DANIEL}"))
    assert "stands twice: people.csv lines 2 and 4" in text


# Breaking off and going on -------------------------------------------------------------------------------------------


class _Broken(Exception):
    pass


def _break(*_args: object, **_more: object) -> None:
    raise _Broken


@pytest.mark.parametrize(
    "where",
    ["mpi.services.dedup_tools.prepare_dataset", "mpi.services.dedup.save_patterns", "mpi.services.dedup._decide"],
    ids=["preparing", "comparing", "deciding"],
)
def test_a_run_that_was_broken_off_goes_on(
    door: Door, population: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    door.done(population, out=door.folder / "whole", options=["--model", "train"])
    with monkeypatch.context() as patch:
        patch.setattr(where, _break)
        assert isinstance(door.run(population, options=["--model", "train"]).exception, _Broken)
    assert [path.name for path in door.out.iterdir()] == [".work"]
    monkeypatch.setattr(FileSource, "stage", _break)  # reading is done: nothing reads again
    result = door.run(population, options=["--model", "train"])
    assert result.exception is None
    assert "an earlier run was broken off" in result.stderr
    assert _bytes(door.out) == _bytes(door.folder / "whole")
    assert not (door.out / ".work").exists()


@pytest.mark.parametrize("done", [1, 5, 6], ids=lambda done: f"{done} files moved")
def test_a_run_that_was_broken_off_while_it_moved_its_results_goes_on(
    door: Door, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    path = door.file(f"1,RXX,{ANNA}", f"2,RXX,{ANNA_AGAIN}", "3,RXX,99900")
    door.done(path, out=door.folder / "whole")
    monkeypatch.setattr("mpi.services.dedup_tools.BatchTools.report", lambda *_: False)  # it takes its time
    moved = 0
    replace: Callable[..., Path] = Path.replace

    def move(this: Path, target: Path) -> Path:
        nonlocal moved
        if this.parent.name == ".work" and target.parent == door.out:
            moved += 1
            if moved > done:
                raise _Broken
        return replace(this, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", move)
        if done == 6:  # all were moved: what is broken off is the tidying
            patch.setattr("shutil.rmtree", _break)
        assert isinstance(door.run(path).exception, _Broken)
    assert done == 6 or not (door.out / "run.json").exists()
    door.done(path)
    assert _bytes(door.out) == _bytes(door.folder / "whole")
    assert "3 fields" in (door.out / "set_aside.csv").read_text()


def test_a_folder_that_was_half_removed_is_not_believed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    path = door.file(f"1,RXX,{ANNA}", f"2,RXX,{ANNA_AGAIN}")

    def some_of_it(folder: Path) -> None:
        (folder / "raw.parquet").unlink()
        raise _Broken

    monkeypatch.setattr("mpi.services.dedup_tools.BatchTools.report", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", some_of_it)
        assert isinstance(door.run(path).exception, _Broken)
    assert door.done(path)["counts"]["links"] == 1


def test_other_settings_take_up_nothing(door: Door, population: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("mpi.services.dedup._decide", _break)
        door.run(population)
    result = door.run(population, options=["--seed", "2"])
    assert result.exception is None
    assert "broken off" not in result.stderr


def test_two_runs_never_work_in_one_folder(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    path = door.file(f"1,RXX,{ANNA}", f"2,RXX,{DANIEL}")
    met: list[BaseException | None] = []
    through: Callable[..., Any] = Dedup._through

    def meanwhile(*args: Any) -> Any:
        if not met:
            met.append(None)
            met[0] = door.run(path).exception
        return through(*args)

    monkeypatch.setattr(Dedup, "_through", meanwhile)
    door.done(path)
    assert isinstance(met[0], Conflict)


# Bad input -----------------------------------------------------------------------------------------------------------


def test_only_an_id_column_compares_nothing(door: Door) -> None:
    counts = door.done(door.file("1", "2", header="record_id"))["counts"]
    assert (counts["candidate_pairs"], counts["clusters"]) == (0, 2)
    assert door.pairs() == []
    assert door.reviews() == []


def test_a_file_without_ids_is_refused(door: Door) -> None:
    assert "has no column record_id" in door.refused(door.file("Ashworth", header="family_name"))


def test_an_unreadable_date_is_said_with_its_line_and_the_rest_compared(door: Door) -> None:
    path = door.file(f"1,RXX,{ANNA}", f"2,RXX,{ANNA.replace('1968-03-24', '31.31.1968')}")
    run = door.done(path)
    (problem,) = run["problems"]
    assert (problem["field"], problem["count"], problem["first_lines"]) == ("birth_date", 1, [3])
    assert len(door.pairs()) == 1
    assert "31.31" not in json.dumps(run)


def test_an_empty_file_is_refused(door: Door) -> None:
    path = door.folder / "people.csv"
    path.write_bytes(b"")
    assert "is empty" in door.refused(path)


def test_a_file_with_a_header_only_is_refused(door: Door) -> None:
    assert "no record" in door.refused(door.file())


def test_an_empty_file_beside_a_full_one_is_no_harm(door: Door) -> None:
    run = door.done(door.file(name="none.csv"), door.file(f"1,RXX,{ANNA}", name="one.csv"))
    assert run["counts"]["rows"] == [0, 1]


def test_a_truncated_parquet_file_is_refused(door: Door, population: Path) -> None:
    path = door.folder / "people.parquet"
    path.write_bytes(population.read_bytes()[:-100])
    assert "a copy that broke off?" in door.refused(path)


def test_a_truncated_line_is_set_aside(door: Door) -> None:
    run = door.done(door.file(f"1,RXX,{ANNA}", f"2,RXX,{DANIEL}", "3,RXX,99900"))
    assert run["counts"]["set_aside"] == 1
    assert (door.out / "set_aside.csv").read_text().splitlines()[1].startswith("4,the line has 3 fields")


def test_rows_set_aside_by_an_earlier_run_are_not_left_lying(door: Door) -> None:
    door.done(door.file(f"1,RXX,{ANNA}", "3,RXX,99900"))
    door.done(door.file(f"1,RXX,{ANNA}"))
    assert not (door.out / "set_aside.csv").exists()


@pytest.mark.parametrize(
    ("name", "content"), [("a.parquet", b"record_id\n1\n"), ("a.csv", b"PAR1\0\0"), ("a.xlsx", b"PK")]
)
def test_a_file_that_is_not_what_its_name_says_is_refused(door: Door, name: str, content: bytes) -> None:
    path = door.folder / name
    path.write_bytes(content)
    assert name in door.refused(path)


def test_one_huge_block_is_left_out_and_said(door: Door) -> None:
    crowd = [f"{n},RXX,,,Smith,,1980-01-01,," for n in range(300)]
    path = door.file(*crowd, f"a,RXX,{ANNA}", f"b,RXX,{ANNA}")
    result = door.run(path)
    assert result.exception is None
    assert "blocking keys were left out" in result.output
    assert door.clusters()["b"] == "a"


def test_a_hundred_thousand_people_of_one_name_and_birthday_cost_no_pairs(door: Door) -> None:
    given = [("Ann", "Bob", "Cath", "Dan", "Eve", "Fred", "Gina")[n % 7] for n in range(100_000)]
    numbers = [None] * 99_998 + ["9990000018"] * 2
    crowd = {
        "record_id": [str(n) for n in range(100_000)],
        "family_name": ["Smith"] * 100_000,
        "given_name": given[:-1] + given[-2:-1],
        "birth_date": ["1980-01-01"] * 100_000,
        "nhs_number": pa.array(numbers, pa.string()),
    }
    path = door.folder / "people.parquet"
    pq.write_table(pa.table(crowd), path)
    command = [sys.executable, "-m", "mpi.cli.main", "dedup", str(path), "--out", str(door.out), "--model", "train"]

    def limited() -> None:  # CPU time, not the clock; DuckDB reserves address space that it does not use
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))

    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.returncode == 0, done.stderr
    run = json.loads((door.out / "run.json").read_text())
    assert run["counts"]["blocking_keys_skipped"] > 5
    assert run["counts"]["records_under_skipped_keys"] >= 100_000  # once for each key
    assert run["counts"]["candidate_pairs"] == 1
    assert run["peak_memory_mb"] < 1000
    clusters = door.clusters()
    assert len(clusters) == 100_000
    assert clusters["99999"] in ("99998", "99999")


def test_a_column_without_a_value_changes_nothing(door: Door, population: Path) -> None:
    table = pq.read_table(population)
    place = table.column_names.index("death_date")
    empty = table.set_column(place, "death_date", pa.nulls(table.num_rows, pa.null()))
    pq.write_table(empty, door.folder / "people.parquet")
    pq.write_table(empty.drop_columns(["death_date"]), door.folder / "fewer.parquet")
    door.done(door.folder / "people.parquet", out=door.folder / "one")
    door.done(door.folder / "fewer.parquet", out=door.folder / "other")
    assert _bytes(door.folder / "one") == _bytes(door.folder / "other")


def test_two_files_with_different_columns_are_compared_by_what_both_have(door: Door) -> None:
    one = door.file(
        "1,Ashworth,Anna,1968-03-24,LS6 4QB", name="one.csv", header="record_id,surname,first_name,dob,postcode"
    )
    two = door.file("2,0113 496 0000,ASHWORTH,ANNA,19680324,LS64QB", name="two.csv",
                    header="record_id,phone,family_name,given_name,birth_date,postcode")  # fmt: skip
    door.done(one, two)
    assert door.clusters() == {"1": "1", "2": "1"}


def test_no_duplicates_at_all_leaves_everybody_alone(door: Door) -> None:
    counts = door.done(door.file(f"1,RXX,{ANNA}", f"2,RXX,{DANIEL}"))["counts"]
    assert (counts["links"], counts["clusters"], counts["largest_cluster"]) == (0, 2, 1)


def test_nothing_but_duplicates_is_one_cluster(door: Door) -> None:
    counts = door.done(door.file(*(f"{n},RXX,{ANNA}" for n in range(60))))["counts"]
    assert (counts["links"], counts["clusters"], counts["largest_cluster"]) == (60 * 59 // 2, 1, 60)


def test_a_model_cannot_be_trained_on_one_record(door: Door) -> None:
    assert "at least two records" in door.refused(door.file(f"1,RXX,{ANNA}"), options=["--model", "train"])


def test_a_folder_that_is_a_file_is_refused(door: Door) -> None:
    door.out.write_text("mine")
    result = door.run(door.file(f"1,RXX,{ANNA}"))
    assert isinstance(result.exception, MpiError | SystemExit)
    assert result.exit_code != 0
    assert door.out.read_text() == "mine"


@pytest.mark.parametrize("most", [2_000, 20_000, 60_000], ids=["at once", "while comparing", "while writing"])
def test_a_full_disk_is_said_and_the_next_run_goes_on(door: Door, population: Path, most: int) -> None:
    command = [
        sys.executable,
        "-m",
        "mpi.cli.main",
        "dedup",
        str(population),
        "--out",
        str(door.out),
        "--engine",
        ENGINE,
    ]
    limited = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert limited.returncode == 75, limited.stderr
    assert "cannot be written (the disk is full)" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert [path.name for path in door.out.iterdir()] == [".work"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    door.done(population, out=door.folder / "whole")
    assert _bytes(door.out) == _bytes(door.folder / "whole")

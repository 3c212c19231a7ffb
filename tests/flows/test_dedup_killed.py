"""`mpi dedup` killed at any moment and started again ends as if nothing had happened, over files and over the index."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mpi.domain.decision import RecordDecision
from mpi.domain.person import DEMOGRAPHIC_FIELDS, SourceRecord
from mpi.services import identity
from mpi.services.dedup import RESULTS, SET_ASIDE
from mpi.synth.population import make
from mpi.synth.write import write
from tests.index import MACHINE, open_index
from tests.invariants import check_index

# A phase whose end is waited for, and what the run is doing when it is killed.
MOMENTS = {None: "reading", "reading": "preparing", "preparing": "training", "training": "comparing or writing"}


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    """`mpi dedup` as a process of its own."""
    command = [sys.executable, "-m", "mpi.cli.main", "dedup", *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: "subprocess.Popen[str]") -> tuple[dict[str, Any], str]:
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(out)
    return found, errors


def killed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -9


def results(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in (*RESULTS, SET_ASIDE)}


def counts(out: Path) -> Any:
    return json.loads((out / "run.json").read_text(encoding="utf-8"))["counts"]


# Over files ----------------------------------------------------------------------------------------------------------


def wait_for(phase: str | None, out: Path, process: "subprocess.Popen[str]") -> None:
    """Until the run has noted that `phase` is done; None waits for its folder only."""
    manifest = out / ".work" / "manifest.json"
    while True:
        assert process.poll() is None, "the run was over before it could be killed"
        if manifest.exists() and (phase is None or phase in json.loads(manifest.read_text())["done"]):
            return
        time.sleep(0.002)


def test_a_run_over_a_file_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    write(make(300, 31), file)
    with file.open("a") as more:
        more.write("torn,line\n")
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    _, errors = finished(start(file, "--out", undisturbed, "--model", "train"))
    assert "broken off" not in errors
    for phase in MOMENTS:
        process = start(file, "--out", out, "--model", "train")
        wait_for(phase, out, process)
        killed(process)
        assert [path.name for path in out.iterdir()] == [".work"]
    _, errors = finished(start(file, "--out", out, "--model", "train"))
    assert "an earlier run was broken off" in errors
    assert results(out) == results(undisturbed)
    assert counts(out) == counts(undisturbed)
    assert not (out / ".work").exists()


# Over the index ------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A population registered without asking: every duplicate is still to be found."""
    app = open_index(migrated_sqlite_url)
    monkeypatch.setattr(identity, "ask", lambda *_, **__: RecordDecision(None, (), 0))
    with app.store.writing() as unit:
        for row in make(90, seed=5):
            said = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
            record = SourceRecord("RXX", row["record_id"], said, complete=True)
            app.registrar.register(unit, record, identity.Cause(MACHINE), "test")
    app.close()
    return Path(str(app.store.database.url.database))


def asked(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def merged(path: Path) -> int:
    found: int = asked(path, "SELECT count(*) FROM person WHERE merged_into IS NOT NULL")[0][0]
    return found


def state(path: Path) -> list[Any]:
    """Who is who, and what humans are asked."""
    return [
        asked(path, "SELECT record_id, person_id, weight, pattern FROM link WHERE valid_to IS NULL ORDER BY record_id"),
        asked(path, "SELECT type, left_record, right_record, state, weight FROM review_task ORDER BY 2, 3"),
    ]


def test_a_run_over_the_index_that_is_killed_goes_on_and_a_third_one_changes_nothing(
    database: Path, tmp_path: Path
) -> None:
    other = tmp_path / "undisturbed.db"
    with closing(sqlite3.connect(database)) as one, closing(sqlite3.connect(other)) as copy:
        one.backup(copy)
    whole, _ = finished(start("--database", f"sqlite:///{other}", "--apply"))
    process = start("--database", f"sqlite:///{database}", "--apply")
    while merged(database) == 0:
        assert process.poll() is None, "the run was over before it could be killed"
        time.sleep(0.002)
    killed(process)
    assert 0 < merged(database) < whole["persons_joined"]
    again, _ = finished(start("--database", f"sqlite:///{database}", "--apply"))
    assert again["resumed"]
    assert (again["persons_joined"], again["questions"]) == (whole["persons_joined"], whole["questions"])
    assert state(database) == state(other)
    third, _ = finished(start("--database", f"sqlite:///{database}", "--apply"))
    assert (third["persons_joined"], third["records_moved"], third["questions"]) == (0, 0, 0)
    assert state(database) == state(other)
    app = open_index(f"sqlite:///{database}")
    check_index(app.store)
    app.close()

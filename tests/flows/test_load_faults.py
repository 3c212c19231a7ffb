"""Loading beside a feed, through an outage, and after being killed: nothing is lost and nobody is made twice."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpi.bootstrap import App, build
from mpi.config import load
from mpi.domain.person import DEMOGRAPHIC_FIELDS, SourceRecord
from mpi.hl7 import writer
from mpi.hl7.sender import Sender
from mpi.synth.population import Row, make
from mpi.synth.write import write
from tests.flows.mllp_client import listening
from tests.invariants import check_index

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "data/synthetic/mpi.toml"
PERSONS = 800


@pytest.fixture
def people() -> list[Row]:
    return list(make(PERSONS, 31))


@pytest.fixture
def file(tmp_path: Path, people: list[Row]) -> Path:
    path = tmp_path / "people.csv"
    write(people, path)
    return path


@pytest.fixture
def index(migrated_sqlite_url: str) -> Iterator[App]:
    app = build(load(CONFIG, database_url=migrated_sqlite_url))
    yield app
    check_index(app.store)
    app.close()


def start(file: Path, app: App) -> "subprocess.Popen[str]":
    """`mpi load` as a process of its own."""
    url = app.store.database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "mpi.cli.main", "load", str(file), "--json", "--database", url]
    environment = {**os.environ, "MPI_CONFIG": str(CONFIG)}
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(out)
    return found


def records(app: App) -> int:
    """Records that are committed, read beside the load."""
    with sqlite3.connect(str(app.store.database.url.database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM source_record").fetchone()[0]
    connection.close()
    return count


def wait_for_some(app: App, process: "subprocess.Popen[str]") -> None:
    while records(app) == 0:
        assert process.poll() is None
        time.sleep(0.02)


def test_a_load_that_is_killed_goes_on_from_where_it_stood(file: Path, index: App, people: list[Row]) -> None:
    broken = start(file, index)
    wait_for_some(index, broken)
    broken.kill()
    broken.communicate()
    stored = records(index)
    assert 0 < stored < len(people)
    done = finished(start(file, index))
    assert done["resumed_at"] == stored
    assert (done["rows"], done["created"]) == (len(people), len(people))
    assert records(index) == len(people)


def test_a_database_that_is_gone_for_a_while_is_waited_for(file: Path, index: App, people: list[Row]) -> None:
    loading = start(file, index)
    wait_for_some(index, loading)
    place = Path(str(index.store.database.url.database))
    away = place.with_name("away")
    away.mkdir()
    moved = [place.with_name(place.name + suffix) for suffix in ("", "-wal", "-shm")]
    for one in moved:
        one.rename(away / one.name)
    time.sleep(2)
    assert loading.poll() is None
    for one in moved:
        (away / one.name).rename(one)
    assert finished(loading)["created"] == len(people)


def test_a_feed_gets_through_beside_a_load(file: Path, index: App, people: list[Row]) -> None:
    """The same people come by both ways at once: whoever is first creates, the other finds nothing to change."""
    sent = people[-200:]
    loading = start(file, index)
    wait_for_some(index, loading)
    codes: list[str] = []

    def feed(rows: list[Row], port: int) -> None:
        with Sender("127.0.0.1", port, timeout=60) as sender:
            for row in rows:
                changes = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
                record = SourceRecord(row["authority"], row["record_id"], changes)
                control_id = f"L{row['record_id']}"
                message = writer.registration(record, control_id, application="PAS", facility=row["authority"])
                codes.append(sender.send(message).code)

    with listening(index.inbox.process, config=index.config) as listener:
        threads = [threading.Thread(target=feed, args=(sent[n::4], listener.port)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = finished(loading)
    assert codes == ["AA"] * len(sent)
    assert done["set_aside"] == 0
    assert records(index) == len(people)

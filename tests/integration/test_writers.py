"""Many writers at once, and writers that are killed: nothing acknowledged is lost, no person is made twice."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from sqlalchemy import text

from mpi.domain.messages import AckCode, Register
from tests.builders import a_record
from tests.effort import repeats
from tests.fixtures.postgres import PostgresServer
from tests.index import message, open_index
from tests.invariants import check_index

AUTHORITIES = ("RXX", "RYY", "INS", "RZZ")


def start_writer(url: str, authority: str, people: int, round_: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.writer", url, authority, str(people), str(round_)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."})


def control_ids_kept(url: str) -> Counter[str]:
    app = open_index(url)
    with app.store.reading() as unit:
        found = Counter(unit.connection.execute(text("SELECT control_id FROM inbox_message")).scalars())
    app.close()
    return found


def test_writers_at_the_same_time_lose_nothing_and_make_nobody_twice(migrated_url: str) -> None:
    people = 40
    writers = [start_writer(migrated_url, authority, people) for authority in AUTHORITIES]
    acknowledged = [line for writer in writers for line in writer.communicate(timeout=120)[0].split()]
    assert [writer.returncode for writer in writers] == [0] * len(writers)
    assert len(acknowledged) == people * len(AUTHORITIES)
    assert control_ids_kept(migrated_url) == Counter(acknowledged)
    app = open_index(migrated_url)
    counts = app.overview.counts()
    assert (counts.persons, counts.records) == (people, people * len(AUTHORITIES))
    check_index(app.store)
    app.close()


def test_threads_of_one_process_make_nobody_twice(migrated_url: str) -> None:
    app = open_index(migrated_url)
    outcomes = []
    gate = threading.Barrier(8)

    def send(n: int) -> None:
        gate.wait()
        outcomes.extend(app.inbox.process([message(Register(a_record("RXX", str(n))))]))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [o.ack for o in outcomes] == [AckCode.ACCEPTED] * 8
    assert app.overview.counts().persons == 1
    check_index(app.store)
    app.close()


def test_a_killed_writer_loses_nothing_that_was_acknowledged(migrated_url: str) -> None:
    chance = random.Random(8)
    for round_ in range(repeats(40)):
        writer = start_writer(migrated_url, "RXX", 60, round_)
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(chance.randint(1, 20))]
        time.sleep(chance.random() * 0.02)
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.communicate(timeout=60)[0].split()
        kept = control_ids_kept(migrated_url)
        assert not [control_id for control_id in acknowledged if kept[control_id] != 1]
        app = open_index(migrated_url)
        check_index(app.store)
        app.close()
        again = start_writer(migrated_url, "RXX", 60, round_)
        again.communicate(timeout=60)
        assert again.returncode == 0
    app = open_index(migrated_url)
    assert app.overview.counts().persons == 60
    check_index(app.store)
    app.close()


def test_a_locked_sqlite_is_waited_for(migrated_sqlite_url: str) -> None:
    app, other = open_index(migrated_sqlite_url), open_index(migrated_sqlite_url)
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with other.store.writing():
            taken.set()
            done.wait(7)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)
    [outcome] = app.inbox.process([message(Register(a_record("RXX", "1")))])
    assert outcome.ack is AckCode.ACCEPTED
    done.set()
    holder.join(30)
    app.close()
    other.close()


def test_an_sqlite_file_that_is_moved_away_takes_no_message_with_it(migrated_sqlite_url: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = open_index(migrated_sqlite_url)
    file, away = tmp_path / "mpi.db", tmp_path / "elsewhere.db"
    first, second = message(Register(a_record("RXX", "1"))), message(Register(a_record("RXX", "2")))
    assert app.inbox.process([first])[0].ack is AckCode.ACCEPTED
    for suffix in ("", "-wal", "-shm"):
        if (tmp_path / f"mpi.db{suffix}").exists():
            (tmp_path / f"mpi.db{suffix}").rename(tmp_path / f"elsewhere.db{suffix}")
    assert app.inbox.process([second])[0].ack is AckCode.REJECTED
    assert not file.exists(), "no empty database was made in its place"
    for suffix in ("", "-wal", "-shm"):
        if (tmp_path / f"elsewhere.db{suffix}").exists():
            (tmp_path / f"elsewhere.db{suffix}").rename(tmp_path / f"mpi.db{suffix}")
    assert not away.exists()
    assert app.inbox.process([second])[0].ack is AckCode.ACCEPTED
    assert app.overview.counts().records == 2
    app.close()


def test_a_full_disk_refuses_and_keeps_the_index_whole(migrated_sqlite_url: str) -> None:
    app = open_index(migrated_sqlite_url)
    assert app.inbox.process([message(Register(a_record("RXX", "1")))])[0].ack is AckCode.ACCEPTED
    with app.store.database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    from sqlalchemy import event

    @event.listens_for(app.store.database.engine, "checkout")
    def small(connection, *_args):  # type: ignore[no-untyped-def]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    outcomes = [
        app.inbox.process([message(Register(a_record("RXX", str(n), address_line="x" * 4000)))])[0] for n in range(2, 6)
    ]
    assert AckCode.REJECTED in [o.ack for o in outcomes]
    event.remove(app.store.database.engine, "checkout", small)
    app.store.database.engine.dispose()
    check_index(app.store)
    assert app.inbox.process([message(Register(a_record("RXX", "9")))])[0].ack is AckCode.ACCEPTED
    app.close()


@pytest.mark.postgresql
def test_a_postgresql_that_goes_away_and_comes_back_loses_nothing(own_postgres: PostgresServer) -> None:
    from mpi.store.schema import migrate

    url = own_postgres.url(own_postgres.create_database())
    migrate(url)
    app = open_index(url)
    first, second = message(Register(a_record("RXX", "1"))), message(Register(a_record("RXX", "2")))
    assert app.inbox.process([first])[0].ack is AckCode.ACCEPTED
    own_postgres.stop()
    assert app.inbox.process([second])[0].ack is AckCode.REJECTED
    own_postgres.start()
    assert app.inbox.process([second])[0].ack is AckCode.ACCEPTED
    [repeat] = app.inbox.process([first])
    assert repeat.repeated and app.overview.counts().records == 2
    check_index(app.store)
    app.close()

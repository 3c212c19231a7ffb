"""The audit of reads: committed before the answer leaves, with a writer's transaction or alone, and never lost."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.domain.audit import SYSTEM, Action, Actor, AuditEvent
from mpi.domain.errors import StoreFailure, TemporaryFailure
from mpi.domain.messages import Inbound, Outcome, Register
from mpi.services import inbox
from mpi.services.inbox import Inbox
from mpi.store import audit
from mpi.store.database import Database
from mpi.store.tables import audit_event
from mpi.store.unit_of_work import Store, UnitOfWork
from tests.builders import a_record
from tests.index import message, open_index


def look(store: Store, name: str) -> None:
    """Read, and leave a trace of it."""
    with store.reading() as unit:
        unit.audit(AuditEvent(Actor(name, "feed"), Action.CROSSWALK_READ))


def looks(store: Store) -> list[str]:
    """Who read, in the order of the trail, which is whole."""
    with store.reading() as unit:
        rows = unit.connection.execute(select(audit_event.c.actor).where(audit_event.c.action == "crosswalk.read"))
        found = [row.actor for row in rows]
        assert audit.verify(unit.connection)[1] is None
    return found


def write(store: Store, begun: threading.Event, go_on: threading.Event, *, fail: bool = False) -> None:
    """Hold a writing transaction open until told to go on."""
    with store.writing(identities=False) as unit:
        unit.audit(AuditEvent(SYSTEM, Action.RUN_STARTED))
        begun.set()
        assert go_on.wait(10)
        if fail:
            raise RuntimeError("the writer fails")


def in_thread(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("fail", [False, True], ids=["writer commits", "writer fails"])
def test_reads_beside_a_writer_are_audited_once(app: App, fail: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write, app.store, begun, go_on, fail=fail)
        assert begun.wait(10)
        readers = [in_thread(lambda n=n: look(app.store, f"reader {n}")) for n in range(5)]
        go_on.set()
        for reader in readers:
            reader.join(10)
        assert (writer.exception() is not None) == fail

    assert sorted(looks(app.store)) == [f"reader {n}" for n in range(5)]


def test_on_sqlite_a_read_goes_with_the_writer_that_holds_the_database(migrated_sqlite_url: str) -> None:
    store = Store(Database(migrated_sqlite_url))
    begun, go_on = threading.Event(), threading.Event()
    writer = in_thread(lambda: write(store, begun, go_on))
    assert begun.wait(10)
    reader = in_thread(lambda: look(store, "reader"))
    reader.join(0.2)
    assert reader.is_alive(), "an answer left before its audit was durable"
    go_on.set()
    writer.join(10)
    reader.join(10)

    with store.reading() as unit:
        rows = unit.connection.execute(select(audit_event.c.action).order_by(audit_event.c.seq)).scalars().all()
    assert rows == ["run.started", "crosswalk.read"]
    store.database.close()


def test_many_reads_and_writes_at_once_leave_a_whole_trail(app: App) -> None:
    def work(number: int) -> None:
        for turn in range(10):
            if number % 2:
                look(app.store, f"{number}-{turn}")
            else:
                with app.store.writing(identities=False) as unit:
                    unit.audit(AuditEvent(SYSTEM, Action.RUN_STARTED))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))

    assert sorted(looks(app.store)) == sorted(f"{number}-{turn}" for number in (1, 3, 5) for turn in range(10))


def test_an_event_that_no_database_takes_harms_only_its_own_read(app: App) -> None:
    for detail in ({"tag": "\ud800"}, {"tag": object()}):
        event = AuditEvent(SYSTEM, Action.CROSSWALK_READ, detail=detail)
        with pytest.raises(StoreFailure), app.store.reading() as unit:
            unit.audit(event)
    look(app.store, "somebody")

    assert looks(app.store) == ["somebody"]


def test_a_read_gives_up_when_the_writer_never_ends(migrated_sqlite_url: str) -> None:
    store = Store(Database(migrated_sqlite_url, lock_wait=0.2))
    begun, go_on = threading.Event(), threading.Event()
    writer = in_thread(lambda: write(store, begun, go_on))
    assert begun.wait(10)
    with pytest.raises(TemporaryFailure):
        look(store, "reader")
    go_on.set()
    writer.join(10)

    assert looks(store) == []
    store.database.close()


def test_a_batch_of_the_feed_is_committed_early_when_a_read_waits(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "READS_WAIT_SECONDS", 0.0)
    app = open_index(migrated_sqlite_url)
    receive, readers = Inbox._receive, []

    def while_somebody_reads(own: Inbox, unit: UnitOfWork, one: Inbound) -> Outcome:
        if not readers:
            readers.append(in_thread(lambda: look(app.store, "reader")))
            until = time.monotonic() + 10
            while not app.store.reads.waiting and time.monotonic() < until:
                time.sleep(0.001)
        return receive(own, unit, one)

    monkeypatch.setattr(Inbox, "_receive", while_somebody_reads)
    outcomes = app.inbox.process([message(Register(a_record())) for _ in range(3)])
    readers[0].join(10)

    assert [outcome.ack for outcome in outcomes] == ["AA"] * 3
    with app.store.reading() as unit:
        actions = unit.connection.execute(select(audit_event.c.action).order_by(audit_event.c.seq)).scalars().all()
    received = [n for n, action in enumerate(actions) if action == "message.received"]
    assert received[0] < actions.index("crosswalk.read") < received[1]
    app.close()


def test_what_was_committed_early_is_answered_so_when_the_rest_fails(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_index(migrated_sqlite_url)
    transaction, calls = Inbox._transaction, []

    def goes_away(own: Inbox, batch: Sequence[Inbound]) -> list[Outcome]:
        calls.append(len(batch))
        if len(calls) > 1:
            raise TemporaryFailure("the database is gone")
        return transaction(own, batch[:1])

    monkeypatch.setattr(Inbox, "_transaction", goes_away)
    outcomes = app.inbox.process([message(Register(a_record())) for _ in range(3)])

    assert [outcome.ack for outcome in outcomes] == ["AA", "AR", "AR"]
    assert app.overview.counts().records == 1
    app.close()

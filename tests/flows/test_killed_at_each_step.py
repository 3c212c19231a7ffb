"""The process killed at every step between receipt and acknowledgement: nothing lost, nothing done twice.

A child process takes the messages over a real connection and kills itself at its n-th step: a statement, a commit, a
sending of statements together, the end of a transaction, an answer. Then they are sent again, as a hospital would,
and what has happened in the index must be what happens to one whom nobody kills.
"""

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from mpi.bootstrap import App, build
from mpi.cli.load_messages import MessageFile
from mpi.config import Subscriber, load
from mpi.domain.audit import Actor
from mpi.domain.roles import Role
from mpi.hl7 import adt as door
from mpi.hl7 import listener, mllp
from mpi.hl7.notify import connector
from mpi.services.courier import Courier
from mpi.services.load import LoadJob
from mpi.services.load_messages import MessageChunk
from mpi.store.statements import IdPool, Statements
from mpi.store.tables import audit_event, inbox_message
from tests.effort import SOAK
from tests.flows.mllp_client import adt, listening
from tests.flows.subscriber import Receiver
from tests.golden.queries import FOLDER, desk_of
from tests.invariants import check_index

MOST_STEPS = 400
STRIDE = 1 if SOAK else 20
"""Every step in full; else some, beginning elsewhere for each deed."""
REPEATED = {"crosswalk.read", "run.started", "run.finished"}
"""Asked twice is looked at twice, and a file that is loaded again is a load, though its messages change nothing."""


def header(control_id: str, kind: str, *, application: str = "PAS", tail: str = "") -> str:
    return f"MSH|^~\\&|{application}|RXX|MPI|RXX|20261101||{kind}|{control_id}|P|2.5{tail}\r"


def pid(number: str) -> str:
    return f"PID|1||{number}^^^RXX^MR\r"


def known(run: str, letter: str) -> bytes:
    """Somebody of this run's own, unlike all others."""
    drawn = hashlib.sha256(f"{run}{letter}".encode()).digest()
    family, given = ("".join(chr(65 + one % 26) for one in drawn[at : at + 9]) for at in (0, 9))
    born = f"{1920 + drawn[20] % 90}{drawn[21] % 12 + 1:02d}{drawn[22] % 28 + 1:02d}"
    return adt(f"B{run}{letter}", number=f"{run}{letter}", pid=f"||{family}^{given}||{born}|F")


def register(run: str) -> list[bytes]:
    return [known(run, "x")]


def merge(run: str) -> list[bytes]:
    return [f"{header(f'M{run}', 'ADT^A40')}{pid(run + 'a')}MRG|{run}b^^^RXX^MR\r".encode()]


def link(run: str) -> list[bytes]:
    return [f"{header(f'L{run}', 'ADT^A24')}{pid(run + 'a')}{pid(run + 'b')}".encode()]


def apart(run: str) -> list[bytes]:
    return [f"{header(f'U{run}', 'ADT^A37')}{pid(run + 'a')}{pid(run + 'b')}".encode()]


def query(run: str) -> list[bytes]:
    head = header(f"Q{run}", "QBP^Q23^QBP_Q21", application="PACS")
    return [f"{head}QPD|IHE PIX Query|T{run}|{run}a^^^RXX|^^^NHS\rRCP|I\r".encode()]


def batch(run: str) -> list[bytes]:
    middle = adt(f"X{run}", number="")  # nobody's number: refused, and the others are not
    several = known(run, "p") + middle + known(run, "q") + merge(run)[0]
    return [b"FHS|^~\\&\rBHS|^~\\&|PAS|RXX\r" + several + b"BTS|4\rFTS|1\r"]


def enhanced(run: str) -> list[bytes]:
    return [known(run, "x").replace(b"|P|2.5\r", b"|P|2.5|||AL|AL\r")]


@dataclass
class Deed:
    """What is done while the process is killed; `again` does it once more, to the end."""

    messages: Callable[[str], list[bytes]] | None
    answers: int = 1

    def do(self, app: App, run: str, answered: Callable[[str], None]) -> None:
        assert self.messages is not None
        running = listening(app.inbox.process, config=app.config, desk=lambda: desk_of(app))
        with running as port, port.sender() as sender:
            for message in self.messages(run):
                answered(sender.send(message).code)
                for _ in range(self.answers - 1):
                    answered(sender.answer().code)


@dataclass
class Load(Deed):
    """`mpi load` of a file of messages."""

    folder: Path = field(default_factory=Path)

    def do(self, app: App, run: str, answered: Callable[[str], None]) -> None:
        file = self.folder / f"{run}.hl7"
        file.write_bytes(batch(run)[0])
        messages = MessageFile(file, app)
        app.message_loader.load(LoadJob(file.name, messages.digest, "", OPERATOR), messages, Watcher())
        answered("loaded")


class Watcher:
    def started(self, skipped: int, last_line: int) -> None: ...

    def done(self, chunk: MessageChunk) -> None: ...


OPERATOR = Actor("olga", Role.SENIOR_REVIEWER.value)


class Tell(Deed):
    """What `mpi work` does: two rounds, of which the first finds what is new."""

    def do(self, app: App, run: str, answered: Callable[[str], None]) -> None:
        courier = Courier(app.store, app.outbox, app.config.subscribers[0], connector(app.config))
        courier._patience = 0.0
        while any(one.waiting or one.behind for one in app.outbox.deliveries()):
            courier.step()
        courier.release()
        answered("told")


def killed_at(app: App, deed: Deed, run: str, at: int) -> tuple[bool, list[str]]:
    """Do it in a process that dies at step `at`; whether it did not come to that, and what it was answered."""
    reading, writing = os.pipe()
    app.store.database.close()  # a connection must not be in two processes
    child = os.fork()
    if child == 0:  # pragma: no cover - dies
        try:
            app.store.ids = app.store.reads._ids = IdPool()
            _count_steps(app, at)
            deed.do(app, run, lambda code: os.write(writing, f"{code}\n".encode()) and None)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answers = pipe.read().split()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False, answers
    assert os.WEXITSTATUS(status) == 0
    return True, answers


def _count_steps(app: App, at: int) -> None:  # pragma: no cover - in a process that dies
    done = 0

    def step(*_: object, **__: object) -> None:
        nonlocal done
        done += 1
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(app.store.database.engine, name, step)
    run, wrap, handle = Statements._run, mllp.wrap, listener.Listener.handle

    def ran(self: Statements, *statement: Any, **how: Any) -> Any:
        step()
        found = run(self, *statement, **how)
        step()
        return found

    def wrapped(payload: bytes) -> bytes:
        step()
        return wrap(payload)

    async def handled(self: listener.Listener, frame: mllp.Frame, peer: str) -> list[bytes]:
        step()
        answers = await handle(self, frame, peer)
        step()
        return answers

    Statements._run = ran  # type: ignore[method-assign]
    mllp.wrap = wrapped
    listener.Listener.handle = handled  # type: ignore[method-assign]


def prepare(app: App, run: str) -> int:
    """The people whom a deed is about; the number of the last event before it."""
    inbound = [door.receive(known(run, letter), "test", app.config).inbound for letter in "ab"]
    assert [one.ack.value for one in app.inbox.process(inbound)] == ["AA", "AA"]
    with app.store.reading() as unit:
        return unit.outbox.head()


def again(app: App, deed: Deed, run: str) -> list[str]:
    """The same once more, and nobody is killed; what it was answered."""
    answers: list[str] = []
    deed.do(app, run, answers.append)
    return answers


def happened(app: App, since: int) -> "Counter[str]":
    """The events of the trail after number `since`; no message may be kept twice."""
    with app.store.reading() as unit:
        rows = unit.connection.execute(select(audit_event.c.action).where(audit_event.c.seq > since)).scalars()
        found = Counter(str(action) for action in rows)
        kept = Counter(unit.connection.execute(select(inbox_message.c.control_id)).scalars())
    assert not [one for one, count in kept.items() if one and count > 1], "a message is kept twice"
    return found


@pytest.fixture
def pacs() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def app(migrated_url: str, pacs: Receiver) -> Iterator[App]:
    config = load(FOLDER / "mpi.toml", database_url=migrated_url)
    told = Subscriber("PACS", "127.0.0.1", pacs.port, ("RXX",), timeout=5.0)
    index = build(replace(config, subscribers=(told,)))
    index.outbox.enrol()
    yield index
    check_index(index.store)
    index.close()


DEEDS = {
    "a registration": Deed(register),
    "a merge": Deed(merge),
    "a link": Deed(link),
    "two kept apart": Deed(apart),
    "a query": Deed(query),
    "a batch with a bad message in the middle": Deed(batch),
    "a registration in enhanced mode": Deed(enhanced, answers=2),
    "a file of messages": Load(None),
    "a notification": Tell(None),
}


# From Python 3.12 on a fork warns where there are threads; the child does nothing that needs their locks.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", list(DEEDS))
def test_killed_at_each_step_and_sent_again(name: str, app: App, pacs: Receiver, tmp_path: Path) -> None:
    deed = DEEDS[name]
    if isinstance(deed, Load):
        deed.folder = tmp_path
    since = prepare(app, "1000")
    unkilled = again(app, deed, "1000")
    wanted = happened(app, since)
    for at in range(1 + 2 * list(DEEDS).index(name), MOST_STEPS, STRIDE):
        run = str(1000 + at)
        since = prepare(app, run)
        lived, answers = killed_at(app, deed, run, at)
        if len(answers) == len(unkilled):
            assert happened(app, since) >= wanted, f"acknowledged at step {at}, and not durable"
        assert again(app, deed, run) == unkilled
        found = happened(app, since)
        wrong = {action for action in found | wanted if found[action] != wanted[action]} - REPEATED
        assert not wrong, f"killed at step {at}: {wrong} happened not as often as they should"
        if lived:
            break
    else:
        raise AssertionError("more steps than are looked at")
    assert {one.control_id for one in pacs.received} == {one.control_id for one in pacs.answered}

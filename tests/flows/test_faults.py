"""The database locked or gone, the process killed: nothing acknowledged is lost, nothing is applied twice."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.store import schema
from mpi.store.tables import inbox_message
from tests.effort import repeats
from tests.fixtures.postgres import PostgresServer
from tests.flows.mllp_client import Answer, Sender, adt, listening
from tests.index import open_index
from tests.invariants import check_index

SECONDS = repeats(10)
"""How long a fault lasts: ten seconds in full."""


def test_locked_database_makes_senders_wait_and_loses_nothing(app: App) -> None:
    other = open_index(app.config.database_url)
    with listening(app.inbox.process, config=app.config) as listener, listener.sender(timeout=60) as sender:
        with other.store.database.begin(identities=True):
            sender.write(b"\x0b" + adt("1", number="10") + b"\x1c\r")
            time.sleep(SECONDS)
            assert app.overview.counts().records == 0
        answer = sender.answer()
    other.close()

    assert (answer.code, answer.control_id) == ("AA", "1")
    assert app.overview.counts().records == 1


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def fragile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["Fragile"]:
    """An index whose database can be taken away and brought back."""
    if request.param == "sqlite":
        url, server = f"sqlite:///{tmp_path / 'mpi.db'}", None
    else:
        server = request.getfixturevalue("own_postgres")
        url = server.url(server.create_database())
    schema.migrate(url)
    index = open_index(url)
    yield Fragile(index, tmp_path, server)
    check_index(index.store)
    index.close()


class Fragile:
    """The index, and the switch."""

    def __init__(self, app: App, folder: Path, server: PostgresServer | None) -> None:
        self.app = app
        self._folder = folder
        self._server = server

    def take_away(self) -> None:
        """The file is moved away, or the server crashes."""
        if self._server is not None:
            self._server.stop()
            return
        (self._folder / "away").mkdir()
        for file in self._folder.glob("mpi.db*"):
            file.rename(self._folder / "away" / file.name)

    def bring_back(self) -> None:
        """As it was."""
        if self._server is not None:
            self._server.start()
            return
        for file in (self._folder / "away").iterdir():
            file.rename(self._folder / file.name)


def test_database_that_is_gone_is_answered_ar_and_the_same_message_is_taken_afresh(fragile: Fragile) -> None:
    app = fragile.app
    with listening(app.inbox.process, config=app.config) as listener, listener.sender(timeout=60) as sender:
        assert sender.send(adt("1", number="10")).code == "AA"
        fragile.take_away()
        until = time.monotonic() + SECONDS
        refused = [sender.send(adt("2", number="11"))]
        while time.monotonic() < until:
            refused.append(sender.send(adt("2", number="11")))
        fragile.bring_back()
        taken = sender.send(adt("2", number="11"))
        repeated = sender.send(adt("1", number="10"))

    assert {answer.code for answer in refused} == {"AR"}
    assert [code for _, code, _ in refused[0].errors] == ["207"]
    assert [taken.code, repeated.code] == ["AA", "AA"]
    assert app.overview.counts().records == 2


CONFIGURATION = """
[[authorities]]
code = "RXX"
test = true

[[sources]]
application = "PAS"
facility = "RXX"
feeds = "RXX"
"""


class Process:
    """`mpi listen` as a process of its own, always on the same port."""

    def __init__(self, url: str, folder: Path) -> None:
        self._config = folder / "mpi.toml"
        self._config.write_text(CONFIGURATION)
        self._url = url
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it; returns when it listens."""
        command = [sys.executable, "-u", "-m", "mpi.cli.main", "listen", "--port", str(self.port)]
        command += ["--log-level", "error", "--database", self._url, "--config", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rsplit(":", 1)[1])

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """As an operator does; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def test_process_killed_between_receipt_and_commit_loses_nothing(app: App, tmp_path: Path) -> None:
    process = Process(app.config.database_url, tmp_path)
    with Sender(process.port) as sender:
        with app.store.database.begin(identities=True):
            sender.write(b"\x0b" + adt("1", number="10") + b"\x1c\r")
            time.sleep(0.5)
            process.kill()
        with pytest.raises((EOFError, ConnectionError)):
            sender.answer()
    assert app.overview.counts().messages == {}

    process.start()
    with Sender(process.port) as sender:
        assert sender.send(adt("1", number="10")).code == "AA"
    assert process.stop() == 0
    assert app.overview.counts().records == 1


def test_process_killed_at_any_moment_loses_nothing_and_does_nothing_twice(app: App, tmp_path: Path) -> None:
    """A sender repeats each message until it is acknowledged; meanwhile the process is killed again and again."""
    process = Process(app.config.database_url, tmp_path)
    messages = [adt(f"K{n}", number=str(n)) for n in range(repeats(2000))]
    answers: list[str] = []

    def feed() -> None:
        answers.extend(_until_acknowledged(process, message).code for message in messages)

    feeding = threading.Thread(target=feed)
    feeding.start()
    for _ in range(repeats(30)):
        time.sleep(random.uniform(0.02, 0.3))
        process.kill()
        process.start()
    feeding.join()
    process.stop()

    assert answers == ["AA"] * len(messages)
    with app.store.reading() as unit:
        stored = [row.raw for row in unit.connection.execute(select(inbox_message.c.raw))]
    assert sorted(stored) == sorted(messages)
    assert app.overview.counts().records == len(messages)


def _until_acknowledged(process: Process, message: bytes) -> Answer:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with Sender(process.port) as sender:
                return sender.send(message)
        except (OSError, EOFError):
            time.sleep(0.02)
    raise AssertionError("no acknowledgement")


def test_command_says_what_is_wrong_with_its_options(tmp_path: Path) -> None:
    def listen(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "mpi.cli.main", "listen", "--port", "0", *options]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
        return done.returncode, done.stderr

    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    (tmp_path / "empty.db").touch()
    (tmp_path / "no.pem").write_text("no certificate")

    assert listen("--tls-cert", str(tmp_path / "no.pem"))[0] == 2
    code, text = listen("--tls-cert", "no.pem", "--tls-key", "no.pem", "--database", empty)
    assert (code, "no.pem" in text) == (3, True)
    code, text = listen("--database", empty)
    assert (code, "mpi migrate" in text) == (7, True)

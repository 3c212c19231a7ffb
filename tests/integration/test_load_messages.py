"""`mpi load` of HL7 v2 files on real databases: what is taken, what is set aside, what a second and a broken run do."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from mpi.cli.load import load
from mpi.config import load as read_config
from mpi.domain.errors import TemporaryFailure
from mpi.services import load_messages
from mpi.services.inbox import Inbox
from mpi.store.tables import inbox_message, source_record
from tests.flows.mllp_client import adt
from tests.golden import queries
from tests.invariants import check_index

HEAD, ENDS = b"FHS|^~\\&|PAS|RXX\rBHS|^~\\&|PAS|RXX\r", b"BTS|%d\rFTS|1\r"


class Door:
    """The command, with a database of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def file(self, content: bytes, name: str = "feed.hl7") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run(self, path: Path, *options: str) -> Result:
        config = str(queries.FOLDER / "mpi.toml")
        return CliRunner().invoke(load, [str(path), "--database", self.url, "--config", config, *options])

    def loaded(self, path: Path) -> dict[str, Any]:
        result = self.run(path, "--json")
        assert result.exception is None, result.output
        return json.loads(result.stdout)

    def app(self):
        from mpi.bootstrap import build

        return build(read_config(queries.FOLDER / "mpi.toml", database_url=self.url))

    def kept(self) -> tuple[int, int]:
        """How many messages and records there are; the index is whole."""
        app = self.app()
        with app.store.reading() as unit:
            counts = [unit.connection.execute(select(func.count()).select_from(t)).scalar_one() for t in TABLES]
        check_index(app.store)
        app.close()
        return counts[0], counts[1]


TABLES = (inbox_message, source_record)


@pytest.fixture
def door(tmp_path: Path, migrated_url: str) -> Door:
    return Door(tmp_path, migrated_url)


@pytest.fixture
def quick_door(tmp_path: Path, migrated_sqlite_url: str) -> Door:
    return Door(tmp_path, migrated_sqlite_url)


def messages(count: int, start: int = 0) -> list[bytes]:
    return [
        adt(f"M{n}", number=str(n), pid=f"||Name{n}^Ada||1970{n % 12 + 1:02}11|F") for n in range(start, start + count)
    ]


def aside(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_batch_is_taken_and_a_second_time_changes_nothing(door: Door) -> None:
    unknown = adt("X1", application="NOBODY")
    file = door.file(HEAD + b"".join(messages(4)) + unknown + ENDS % 5)

    first, second = door.loaded(file), door.loaded(file)

    assert (first["messages"], first["accepted"], first["repeated"], first["set_aside"]) == (5, 4, 0, 1)
    assert (second["messages"], second["accepted"], second["repeated"], second["set_aside"]) == (5, 4, 5, 1)
    assert first["notes"] == []
    ((line, reason, text),) = aside(Path(first["rejected_file"]))
    assert (line, reason.split(": ")[0].split()[:3]) == ("11", ["AE;", "204", "MSH^1^3"])
    assert text.replace("\n", "\r").encode().strip() == unknown.strip()
    assert door.kept() == (5, 4)


def test_messages_without_a_batch_and_in_frames_are_taken(quick_door: Door) -> None:
    bare = quick_door.file(b"".join(messages(3)), "bare.txt")
    framed = quick_door.file(b"".join(b"\x0b" + one + b"\x1c\r" for one in messages(3, 3)), "framed.bin")

    assert quick_door.loaded(bare)["accepted"] == quick_door.loaded(framed)["accepted"] == 3
    assert quick_door.kept() == (6, 6)


def test_batch_that_does_not_end_gives_its_last_message_up(quick_door: Door) -> None:
    file = quick_door.file(HEAD + b"".join(messages(3))[:-12])

    found = quick_door.loaded(file)

    assert (found["accepted"], found["set_aside"]) == (2, 1)
    assert "cut off" in aside(Path(found["rejected_file"]))[0][1]
    assert quick_door.kept() == (2, 2)


def test_batch_that_says_another_number_is_noted(quick_door: Door) -> None:
    found = quick_door.loaded(quick_door.file(HEAD + b"".join(messages(2)) + ENDS % 3))

    assert found["accepted"] == 2
    assert found["notes"] == ["line 7: 3 messages were announced, 2 came"]


def test_broken_run_goes_on_where_it_stood(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_messages, "CHUNK", 4)
    file = door.file(HEAD + b"".join(messages(10)) + ENDS % 10)
    process, calls = Inbox.process, []

    def dies(inbox: Inbox, batch: list) -> list:
        calls.append(len(batch))
        outcomes = process(inbox, batch)
        if len(calls) == 2:
            raise KeyboardInterrupt  # after the commit, before the run has noted it
        return outcomes

    monkeypatch.setattr(Inbox, "process", dies)
    door.run(file)
    found = door.loaded(file)

    assert calls == [4, 4, 4, 2]
    assert (found["resumed_at"], found["messages"], found["accepted"], found["repeated"]) == (4, 10, 10, 4)
    assert door.kept() == (10, 10)


def test_database_that_does_not_come_back_ends_the_run(quick_door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from mpi.services.inbox import _GONE

    monkeypatch.setattr(load_messages, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Inbox, "process", lambda _, batch: [_GONE] * len(batch))
    result = quick_door.run(quick_door.file(b"".join(messages(2))))

    assert isinstance(result.exception, TemporaryFailure)
    assert quick_door.kept() == (0, 0)


def test_options_for_records_are_refused(quick_door: Door) -> None:
    result = quick_door.run(quick_door.file(b"".join(messages(1))), "--authority", "RXX")

    assert result.exit_code == 2
    assert "not of messages" in result.output

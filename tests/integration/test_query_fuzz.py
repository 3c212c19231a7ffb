"""Golden queries broken at random, through the reader and the services: each gets one whole answer, and no leak."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from mpi.bootstrap import App
from mpi.hl7 import batch, query_answer
from mpi.hl7.query import read_query
from tests.effort import repeats
from tests.golden import queries
from tests.unit.test_hl7_fuzz import broken

MARK = b"\xef\xbb\xbf"
CASES = [case for file in queries.files() for case in queries.cases(file)]
SECRETS = (b"Secret Way", b"EX2 2BB", b"960777", b"9001", b"9009", b"Elsewhere^Only")
"""Where the restricted person lives, and the numbers of a hospital that no source may ask for."""


@pytest.fixture
def world(migrated_url: str) -> Iterator[App]:
    app = queries.open_world(migrated_url)
    yield app
    app.close()


def test_broken_queries_are_answered(world: App) -> None:
    chance = random.Random(20261121)
    kinds = asyncio.run(_ask(world, (broken(chance.choice(CASES).raw, chance) for _ in range(repeats(20_000)))))

    assert {"AA OK", "AA NF", "AE AE", "AR AR"} <= kinds.keys()
    assert kinds["AR AR"] < 0.2 * kinds.total(), "the service failed where the query was at fault"


async def _ask(world: App, raws: Iterator[bytes]) -> "Counter[str]":
    desk, kinds = queries.desk_of(world), Counter()
    desk.start()
    for raw in raws:
        answers = await desk.answer(raw, "peer")
        status = _field(answers[-1], b"QAK", 2)
        kinds[f"{_field(answers[-1], b'MSA', 1)} {status}".strip()] += 1
        assert b"could not be answered now" not in answers[-1]
        told = b"\r".join(line for line in answers[-1].split(b"\r") if line.startswith(b"PID"))
        assert not [secret for secret in SECRETS if secret in told]
        assert not status or (status == "OK") == (b"\rPID" in answers[-1])
    await desk.stop()
    return kinds


def _field(answer: bytes, segment: bytes, number: int) -> str:
    """A field of the first segment of that name, whatever the answer's character set; empty when it is absent."""
    fields = next((line.split(answer[3:4]) for line in answer.split(b"\r") if line.startswith(segment)), [])
    return fields[number].decode() if number < len(fields) else ""


def test_broken_queries_are_read(world: App) -> None:
    chance = random.Random(20261123)
    for _ in range(repeats(50_000)):
        raw = broken(chance.choice(CASES).raw, chance)
        asked = read_query(raw, world.config)
        assert (asked.query is None) == bool(asked.errors)
        if asked.errors:
            assert b"\rMSA" in query_answer.refusal(asked)


def test_broken_batches_lose_no_message() -> None:
    chance = random.Random(20261124)
    whole = b"FHS|^~\\&|PACS|RXX\rBHS|^~\\&|PACS|RXX\r" + b"".join(case.raw for case in CASES[:5]) + b"BTS|5\rFTS|1\r"
    for _ in range(repeats(20_000)):
        raw = broken(whole, chance)
        found = list(batch.pieces([raw]))
        kept = b"".join(piece.raw for piece in found)
        assert sorted(kept.replace(b"\r", b"").replace(MARK, b"")) == sorted(_content(raw, kept).replace(MARK, b""))
        batch.read_batch(raw)


def _content(raw: bytes, kept: bytes) -> bytes:
    """What must be kept of `raw`: everything but line ends and the marks around pieces."""
    around = b" \t\r\n\0\x0b\x1c\x1a"
    inside = kept.replace(b"\r", b"")
    return bytes(byte for byte in raw if byte not in around) + bytes(byte for byte in inside if byte in around)

"""How long it takes to read one ADT message: our reader, python-hl7 and hl7apy, and the whole door without the index.

Each reader parses the message and asks for the same values (16 fields, up to five components of each repetition).
Run alone with `python -m tests.benchmarks.hl7_reader`.
"""

import time
import warnings
from collections.abc import Callable

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from mpi.domain.messages import AckCode, Outcome
from mpi.hl7 import ack, adt, reader
from tests.golden import messages

MESSAGES = ("a01-v2.3-old-pas", "a08-v2.4-itk", "a28-v2.5-full")
PID_FIELDS = (3, 5, 7, 8, 9, 11, 13, 19, 24, 25, 29, 30, 31, 32)
HEADER_FIELDS = (3, 4, 9, 10, 11, 12, 15, 16)
ACCEPTED = Outcome(AckCode.ACCEPTED)


def microseconds(work: Callable[[], object], *, runs: int) -> float:
    """The least mean time of one call over five rounds, in microseconds: what is least disturbed by others."""
    work()
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(runs):
            work()
        best = min(best, (time.perf_counter() - begin) / runs)
    return best * 1e6


def with_own_reader(raw: bytes) -> None:
    """Read and ask by `mpi.hl7.reader`."""
    message = reader.read(raw)
    for field in HEADER_FIELDS:
        message.header.value(field)
    pid = message.first("PID")
    assert pid is not None
    for field in PID_FIELDS:
        for repeat in pid.repeats(field):
            for component in range(1, 6):
                repeat.value(component)


def with_python_hl7(raw: bytes) -> None:
    """Read and ask by python-hl7."""
    message = hl7.parse(raw.decode())
    for field in HEADER_FIELDS:
        _ask_python_hl7(message, message.segment("MSH"), field)
    for field in PID_FIELDS:
        _ask_python_hl7(message, message.segment("PID"), field)


def _ask_python_hl7(message: hl7.Message, segment: hl7.Segment, field: int) -> None:
    if field >= len(segment):
        return
    for repeat in segment(field):
        parts = [repeat] if isinstance(repeat, str) else [str(part) for part in list(repeat)[:5]]
        for part in parts:
            message.unescape(str(part))


def with_hl7apy(raw: bytes) -> None:
    """Read by hl7apy, tolerant; asking would come on top."""
    parse_message(raw.decode(), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)


def run() -> dict[str, dict[str, float]]:
    """Microseconds a message, by message and by way."""
    config = messages.config()
    figures = {}
    warnings.simplefilter("ignore")
    for golden in messages.messages():
        if golden.name not in MESSAGES:
            continue
        raw = golden.raw
        received = adt.receive(raw, "", config)
        ways: dict[str, tuple[Callable[[], object], int]] = {
            "own reader": (lambda raw=raw: with_own_reader(raw), 500),
            "python-hl7": (lambda raw=raw: with_python_hl7(raw), 200),
            "hl7apy, parse only": (lambda raw=raw: with_hl7apy(raw), 10),
            "door: message to command": (lambda raw=raw: adt.receive(raw, "", config), 500),
            "door: acknowledgement": (lambda received=received: ack.acknowledge(received, ACCEPTED), 500),
        }
        figures[golden.name] = {way: microseconds(work, runs=runs) for way, (work, runs) in ways.items()}
    return figures


def main() -> None:
    """Print the figures."""
    for name, ways in run().items():
        print(name)
        for way, figure in ways.items():
            print(f"  {way:<28} {figure:10.0f} microseconds")


if __name__ == "__main__":
    main()

"""Sending the stream through the real listener over a socket, and holding each answer against what is expected."""

import socket
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mpi.cli.demo.stream import Step

_START, _END = b"\x0b", b"\x1c\r"


@dataclass(slots=True)
class Fed:
    """What came of the stream: answers by kind and code, what was not as expected, and seconds it took."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def codes(self) -> Counter[str]:
        """How many answers there were of each code."""
        found: Counter[str] = Counter()
        for (_, code), n in self.answers.items():
            found[code] += n
        return found


class _Connection:
    """One MLLP connection of a sender that waits for each acknowledgement."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._waiting = b""

    def send(self, message: bytes) -> str:
        self._socket.sendall(_START + message + _END)
        while _END not in self._waiting:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the listener closed the connection")
            self._waiting += data
        frame, _, self._waiting = self._waiting.partition(_END)
        return frame.lstrip(_START).decode("utf-8", "replace")

    def close(self) -> None:
        self._socket.close()


def feed(steps: Iterable[Step], port: int, console: Console) -> Fed:
    """Send all steps on one connection while the user watches."""
    steps = list(steps)
    fed = Fed()
    connection = _Connection(port)
    before = ""
    began = time.perf_counter()
    columns = (TextColumn("  sending"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(steps))
        for number, step in enumerate(steps, 1):
            answer = connection.send(step.raw)
            code = _field(answer, "MSA", 1)
            fed.answers[step.kind, code] += 1
            if code != step.expected:
                fed.surprises.append(f"message {number} ({step.kind}): {step.expected} expected, {code} came")
            if step.repeat and _lasting(answer) != _lasting(before):
                fed.surprises.append(f"message {number}: a repeat was answered otherwise")
            before = answer
            bar.update(task, advance=1, description=f"{step.kind}: {code}")
    fed.seconds = time.perf_counter() - began
    connection.close()
    return fed


def _field(answer: str, segment: str, number: int) -> str:
    for line in answer.split("\r"):
        fields = line.split("|")
        if fields[0] == segment:
            return fields[number] if number < len(fields) else ""
    return ""


def _lasting(answer: str) -> list[str]:
    """An acknowledgement without its own time and control id (MSH-7, MSH-10)."""
    lines = answer.split("\r")
    header = lines[0].split("|")
    return ["|".join(part for n, part in enumerate(header, 1) if n not in (7, 10)), *lines[1:]]

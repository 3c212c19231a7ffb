"""Sending the stream through the real listener over a socket, and holding each answer against what is expected."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mpi.cli.demo.stream import Step
from mpi.hl7.sender import Sender


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


def feed(steps: Iterable[Step], port: int, console: Console) -> Fed:
    """Send all steps on one connection while the user watches."""
    steps = list(steps)
    fed = Fed()
    before = ""
    began = time.perf_counter()
    columns = (TextColumn("  sending"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Sender("127.0.0.1", port) as sender, Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(steps))
        for number, step in enumerate(steps, 1):
            answer = sender.send(step.raw)
            fed.answers[step.kind, answer.code] += 1
            if answer.code != step.expected:
                fed.surprises.append(f"message {number} ({step.kind}): {step.expected} expected, {answer.code} came")
            if step.repeat and _lasting(answer.text) != _lasting(before):
                fed.surprises.append(f"message {number}: a repeat was answered otherwise")
            before = answer.text
            bar.update(task, advance=1, description=f"{step.kind}: {answer.code}")
    fed.seconds = time.perf_counter() - began
    return fed


def _lasting(answer: str) -> list[str]:
    """An acknowledgement without its own time and control id (MSH-7, MSH-10)."""
    lines = answer.split("\r")
    header = lines[0].split("|")
    return ["|".join(part for n, part in enumerate(header, 1) if n not in (7, 10)), *lines[1:]]

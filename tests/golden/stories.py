"""Golden stories: messages in their order, the acknowledgement of each, and what the index holds in the end.

Each file of `stories/` begins with what it shows (`# ...`). A line `> EVENT [EVN-2] [SOURCE]` begins a message, whose
segments follow as they travel; `= ...` lines are what must come of it all. Write them anew after a change that is meant
with `python -m tests.golden.stories`, and read the difference.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mpi.bootstrap import App
from mpi.domain.review import TaskState
from mpi.hl7 import ack, adt
from mpi.store.schema import migrate
from tests.index import MACHINE, REVIEWER, open_index

FOLDER = Path(__file__).parent / "stories"
_EVENT = re.compile(r"> (A\d\d)(?: (\d+))?(?: (\w+))?")


@dataclass(frozen=True)
class Story:
    """One story: its messages as they travel, and what is written down of their end."""

    name: str
    told: str
    messages: tuple[bytes, ...]
    expected: str


def stories() -> list[Story]:
    """All stories, by name."""
    return [_read(file) for file in sorted(FOLDER.glob("*.txt"))]


def _read(file: Path) -> Story:
    lines = file.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if not line.startswith("=")]
    expected = [line for line in lines if line.startswith("=")]
    messages: list[list[str]] = []
    for line in told:
        if begins := _EVENT.fullmatch(line):
            event, at, source = begins[1], begins[2] or "", begins[3] or "RXX"
            control_id = f"{file.stem}-{len(messages) + 1}"
            msh = f"MSH|^~\\&|PAS|{source}|MPI|MPI|20261101120000||ADT^{event}|{control_id}|P|2.5"
            messages.append([msh, f"EVN|{event}|{at}"])
        elif line and not line.startswith("#"):
            messages[-1].append(line)
    raw = tuple("".join(segment + "\r" for segment in segments).encode() for segments in messages)
    return Story(file.stem, "\n".join(told).rstrip() + "\n\n", raw, "\n".join(expected) + "\n")


def told_to(app: App, story: Story) -> str:
    """What the index answers to each message of a story, and what it holds in the end."""
    lines = []
    for number, raw in enumerate(story.messages, 1):
        received = adt.receive(raw, "test", app.config)
        [outcome] = app.inbox.process([received.inbound])
        _, msa, *errors = ack.acknowledge(received, outcome).decode().rstrip("\r").split("\r")
        shown = [msa.split("|")[1], *(_error(error.split("|")) for error in errors)]
        lines.append(f"= {number} {received.inbound.event}: " + "; ".join(shown))
    return "\n".join([*lines, *_held(app)]) + "\n"


def _error(err: list[str]) -> str:
    return f"{err[4]} {err[3].split('^')[0]} {err[2]} {err[8]}".replace("  ", " ")


def _held(app: App) -> list[str]:
    """The persons with their numbers and values, who is kept apart, and what is asked."""
    found: dict[str, list[str]] = {}
    with app.store.reading() as unit:
        numbers = [(a, str(n)) for a in ("RXX", "RYY") for n in range(1, 10)]
        records = [record for number in numbers if (record := unit.records.find(*number))]
        apart = {tuple(sorted((r.id, other))) for r in records for other in unit.persons.kept_apart_from(r.id)}
        name = {record.id: f"{record.authority} {record.local_id}" for record in records}
    for record in records:
        enterprise_id = app.people.crosswalk(MACHINE, record.authority, record.local_id).enterprise_id
        status = "" if record.status == "active" else f" ({record.status})"
        said = ", ".join(f"{k} {v}" for k, v in record.recorded.as_dict().items())
        found.setdefault(enterprise_id, []).append(f"{name[record.id]}{status}: {said or 'nothing said'}")
    lines = [f"= person: {' | '.join(person)}" for person in found.values()]
    lines += [f"= apart: {name[one]}, {name[other]}" for one, other in sorted(apart)]
    tasks = app.review.queue(REVIEWER, state=TaskState.OPEN, size=100).tasks
    return lines + sorted(f"= asked: {task.type}: {task.reason}" for task in tasks)


def main() -> None:
    """Write anew what must come of each story."""
    for story in stories():
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/mpi.db"
            migrate(url)
            app = open_index(url)
            text = told_to(app, story)
            app.close()
        (FOLDER / f"{story.name}.txt").write_text(story.told + text, encoding="utf-8")
        sys.stdout.write(f"{story.name}\n")


if __name__ == "__main__":
    main()

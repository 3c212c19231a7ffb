"""What the commands that read person files share: the column map, how a file is read, the problems found in it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from mpi.domain.columns import ColumnMap
from mpi.domain.errors import BadInput
from mpi.domain.person import ValueProblem
from mpi.files.person_file import PersonFile, open_person_file
from mpi.files.set_aside import SideFile
from mpi.files.staging import set_aside_header, stage
from mpi.matching.prepare import PROBLEMS

LINES_SHOWN = 5


def read_map(path: Path | None) -> ColumnMap:
    """The column map in a file, or the empty one. Raises `BadInput` naming what is wrong."""
    if path is None:
        return ColumnMap()
    try:
        return ColumnMap.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the column map {path} cannot be read", code="columns") from error


def say_notes(file: PersonFile) -> None:
    """Tell on standard error how the file is read."""
    for note in file.notes():
        click.echo(f"note: {note}", err=True)


def reopened(run: Mapping[str, Any]) -> list[PersonFile]:
    """The inputs of a finished run, read as it read them. Raises `BadInput` where one has changed since or is gone."""
    own = ColumnMap.parse(run["columns"]) if run["columns"] else ColumnMap()
    files = [open_person_file(Path(one["path"]), own) for one in run["inputs"]]
    for file, one in zip(files, run["inputs"], strict=True):
        if file.survey.digest != one["sha256"]:
            raise BadInput(f"{file.path.name} has changed since the run", code="file")
    return files


def staged(files: Sequence[PersonFile], raw: Path) -> Path:
    """All rows of the files written to `raw`, as a run has them; `raw` itself."""
    with closing(SideFile(raw.with_suffix(".aside"), set_aside_header(files))) as side:
        stage(files, raw, side, lambda _: None)
    return raw


@dataclass(slots=True)
class ProblemList:
    """Values that could not be read, by field and kind: how many, and the first lines."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, found: Iterable[tuple[int, ValueProblem]]) -> None:
        """Count (line, problem) pairs."""
        for line, problem in found:
            key = (problem.field, problem.problem)
            self.counts[key] += 1
            first = self.lines.setdefault(key, [])
            if len(first) < LINES_SHOWN:
                first.append(line)

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON: field, problem, count and the first lines, the most frequent first."""
        return [
            {"field": key[0], "problem": key[1], "count": n, "first_lines": self.lines[key]}
            for key, n in self.counts.most_common()
        ]

    def as_text(self) -> list[str]:
        """One line for each kind, in plain English."""
        found = []
        for (name, code), n in self.counts.most_common():
            first = self.lines[name, code]
            where = f"line{'s' if n > 1 else ''} {', '.join(map(str, first))}{', ...' if n > len(first) else ''}"
            found.append(f"{name}: {n} x {PROBLEMS[code]} ({where})")
        return found

"""`mpi synth`."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpi.cli.options import echo_json, json_option
from mpi.synth.population import Row, make
from mpi.synth.write import write


class _Counted:
    """Rows passed on while records, people and faults are counted."""

    def __init__(self, rows: Iterable[Row], progress: Progress, persons: int) -> None:
        self._rows = rows
        self._progress = progress
        self._task = progress.add_task("making people", total=persons)
        self.people: set[str] = set()
        self.authorities: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Row]:
        for count, row in enumerate(self._rows):
            self.people.add(row["true_person"])
            self.authorities[row["authority"]] += 1
            if row["faults"]:
                self.faults.update(row["faults"].split(";"))
            if count % 5000 == 0:
                self._progress.update(self._task, completed=len(self.people))
            yield row
        self._progress.update(self._task, completed=len(self.people))


@click.command(epilog="Example: mpi synth --persons 2000 --seed 1 --out people.csv")
@click.option("--persons", type=click.IntRange(min=1), required=True, help="How many people.")
@click.option("--seed", type=int, required=True, help="The same seed makes the same people.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A .csv or .parquet file.")
@json_option
def synth(persons: int, seed: int, out: Path, as_json: bool) -> None:
    """Make a synthetic population as four hospitals recorded it, with its truth and its faults.

    Nobody in it exists; NHS numbers are of the range that is never issued.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        counted = _Counted(make(persons, seed), progress, persons)
        records = write(counted, out)
    if as_json:
        echo_json(
            {
                "file": str(out),
                "records": records,
                "persons": len(counted.people),
                "seed": seed,
                "authorities": dict(sorted(counted.authorities.items())),
                "faults": dict(sorted(counted.faults.items())),
            }
        )
    else:
        click.echo(f"{records} records of {len(counted.people)} people in {len(counted.authorities)} hospitals: {out}")

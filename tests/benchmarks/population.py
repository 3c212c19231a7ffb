"""The people of a benchmark: those who are loaded, and those whom the feed then speaks of."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpi.domain.person import DEMOGRAPHIC_FIELDS, SourceRecord
from mpi.hl7 import writer
from mpi.synth.population import COLUMNS, Row, make

SEED = 100
HELD_OUT = 4_000
"""Records that are not loaded: the feed registers them, some new people, most known from another record."""
CONFIG = Path("data/synthetic/mpi.toml")


@dataclass(frozen=True, slots=True)
class Population:
    """`file` is loaded; `held_out` and updates of `known` records are sent."""

    file: Path
    loaded: int
    held_out: tuple[Row, ...]
    known: tuple[Row, ...]


def write(persons: int, folder: Path) -> Population:
    """Make the people and write the file that is loaded."""
    rows = list(make(persons, SEED))
    chosen = set(random.Random(SEED).sample(range(len(rows)), HELD_OUT))
    loaded = [row for place, row in enumerate(rows) if place not in chosen]
    file = folder / f"people-{persons}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        sheet = csv.DictWriter(out, COLUMNS)
        sheet.writeheader()
        sheet.writerows(loaded)
    known = random.Random(SEED).sample(loaded, HELD_OUT)
    return Population(file, len(loaded), tuple(rows[place] for place in sorted(chosen)), tuple(known))


def messages(population: Population, count: int, skip: int = 0) -> Iterator[bytes]:
    """A feed: every other message registers somebody (A28), the others change a telephone or an address (A08)."""
    for number in range(skip, skip + count):
        place, is_update = divmod(number, 2)
        if is_update:
            row = dict(population.known[place])
            if place % 2:
                row["phone"] = f"07700 9{number:05}"
            else:
                row["address_line"] = f"{number} Benchmark Way"
        else:
            row = population.held_out[place]
        changes = {name: row[name] for name in DEMOGRAPHIC_FIELDS if row[name]}
        record = SourceRecord(row["authority"], row["record_id"], changes)
        event = "A08" if is_update else "A28"
        yield writer.registration(record, f"B{number}", application="PAS", facility=record.authority, event=event)

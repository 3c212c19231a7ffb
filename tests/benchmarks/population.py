"""The people of a benchmark: those who are loaded, and those whom the feed then speaks of."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mpi.domain.person import DEMOGRAPHIC_FIELDS, SourceRecord
from mpi.hl7 import writer
from mpi.synth.population import COLUMNS, Row, make

SEED = 100
HELD_OUT = 4_000
"""Records that are not loaded: the feed registers them, some new people, most known from another record."""
CONFIG = Path("data/synthetic/mpi.toml")


ANOTHER = 0.1
"""Share of the later records of a person that are kept: about 1.1 records a person instead of the 1.95 of `mpi synth`,
so that an index of a million people can be built within half an hour."""
_SPARE = 1.1
"""How many more are drawn than are needed, for draws are by chance."""


@dataclass(frozen=True, slots=True)
class Population:
    """`file` is loaded; `held_out` and updates of `known` records are sent."""

    file: Path
    loaded: int
    held_out: tuple[Row, ...]
    known: tuple[Row, ...]


def write(persons: int, folder: Path) -> Population:
    """Make the people and write the file that is loaded."""
    random = Random(SEED)
    share = HELD_OUT * _SPARE / persons
    held_out: list[Row] = []
    known: list[Row] = []
    loaded = 0
    file = folder / f"people-{persons}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        sheet = csv.DictWriter(out, COLUMNS)
        sheet.writeheader()
        for row in _thinned(make(persons, SEED), random):
            chance = random.random()
            if chance < share:
                held_out.append(row)
                continue
            sheet.writerow(row)
            loaded += 1
            if chance > 1 - share:
                known.append(row)
    return Population(file, loaded, tuple(random.sample(held_out, HELD_OUT)), tuple(random.sample(known, HELD_OUT)))


def _thinned(rows: Iterable[Row], random: Random) -> Iterator[Row]:
    """One row of each person, and few of the others."""
    seen: set[str] = set()
    for row in rows:
        if row["true_person"] not in seen or random.random() < ANOTHER:
            seen.add(row["true_person"])
            yield row


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

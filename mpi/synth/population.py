"""A made-up population as four hospitals recorded it: rows of a person file, with the truth and the faults."""

from collections.abc import Iterator
from random import Random

from mpi.synth.hospitals import HOSPITALS, Hospital
from mpi.synth.people import TODAY, Households, Person
from mpi.synth.writing import COLUMNS, Row, Writing

__all__ = ["COLUMNS", "HOSPITALS", "Row", "as_of", "make"]

_SHUFFLED = 20_000
"""Rows that are mixed at a time, so that a person's records do not stand together and memory stays bounded."""


class _Registry:
    """Writes records of true people, with the faults of the hospital that writes."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - made-up people, no secret
        self.households = Households(self.random)
        self.written = 0
        self._last_nhs = self.households.another_number()

    def household(self) -> tuple[list[Person], list[Row]]:
        people = self.households.next()
        rows: list[Row] = []
        for person in people:
            rows += self._records(person, people)
        return people, rows

    def _records(self, person: Person, people: list[Person]) -> list[Row]:
        random = self.random
        count = 1 + (random.random() < 0.55) + (random.random() < 0.28) + (random.random() < 0.12)
        earlier = self.households.another_home(person.home) if random.random() < 0.3 else None
        second = self.households.another_number() if random.random() < 0.008 else None
        rows = []
        for turn in range(count):
            hospital = self._hospital()
            old = turn < count - 1 and random.random() < 0.6
            home = earlier if earlier is not None and old else person.home
            rows.append(Writing(self, person, hospital, people).row(home, second if turn else None, old=old))
        return rows

    def _hospital(self) -> Hospital:
        chance = self.random.random()
        for hospital in HOSPITALS:
            chance -= hospital.share
            if chance < 0:
                return hospital
        return HOSPITALS[0]

    def number(self) -> str:
        """A local number that tells nothing: numbers run on, in steps, over all people of a hospital."""
        self.written += 1
        return f"{(self.written * 7_368_787) % 90_000_000 + 10_000_000}"

    def never_given(self) -> str:
        """A valid NHS number of the never-issued range that nobody has: what a wrong click in a list picks."""
        return self.households.another_number()

    def somebody_else(self, mine: str) -> str:
        """The NHS number of the person written before, and `mine` is remembered for the next mix-up."""
        other, self._last_nhs = self._last_nhs, mine
        return other


def make(persons: int, seed: int) -> Iterator[Row]:
    """Rows (text by column) of everything four hospitals recorded of this many people; the same for the same seed.

    About 1.95 records a person. Nobody exists: NHS numbers are of the never-issued range 900 000 000n to 999 999 999n.
    """
    registry = _Registry(seed)
    shuffler = Random(seed + 1)  # noqa: S311 - made-up people, no secret
    waiting: list[Row] = []
    made = 0
    while made < persons:
        people, rows = registry.household()
        if made + len(people) > persons:
            kept = {str(person.number) for person in people[: persons - made]}
            rows = [row for row in rows if row["true_person"] in kept]
        made += len(people)
        waiting += rows
        if len(waiting) >= _SHUFFLED:
            shuffler.shuffle(waiting)
            yield from waiting
            waiting = []
    shuffler.shuffle(waiting)
    yield from waiting


def as_of() -> str:
    """The day the population stands at, ISO form."""
    return TODAY.isoformat()

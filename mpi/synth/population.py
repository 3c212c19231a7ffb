"""A made-up population as four hospitals recorded it: rows of a person file, with the truth and the faults."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.synth.faults import by_ear, by_finger, short_form, wrong_digit
from mpi.synth.people import TODAY, Home, Households, Person

COLUMNS: tuple[str, ...] = ("record_id", "authority", *DEMOGRAPHIC_FIELDS, "true_person", "faults", "traits")
"""The columns of a person file, then whose record it is, what went wrong in it, what makes its bearer hard."""

Row = dict[str, str]

_SHUFFLED = 20_000
"""Rows that are mixed at a time, so that a person's records do not stand together and memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Hospital:
    """One hospital's habits. Rates are chances per record; `care` scales the slips of its clerks."""

    code: str
    share: float
    missing_nhs: float
    care: float
    short_forms: float
    capitals: bool
    default_birth: float
    no_phone: float


HOSPITALS: tuple[Hospital, ...] = (
    Hospital("RXA", 0.40, 0.05, 0.7, 0.02, True, 0.001, 0.15),
    Hospital("RXB", 0.25, 0.10, 1.0, 0.08, False, 0.004, 0.30),
    Hospital("RXC", 0.20, 0.15, 1.5, 0.04, True, 0.012, 0.50),
    Hospital("RXD", 0.15, 0.14, 1.2, 0.05, False, 0.003, 0.20),
)


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
        earlier = self.households.another_home(person.home) if random.random() < 0.2 else None
        second = self.households.another_number() if random.random() < 0.004 else None
        rows = []
        for turn in range(count):
            hospital = self._hospital()
            old = turn < count - 1 and random.random() < 0.6
            home = earlier if earlier is not None and old else person.home
            rows.append(_Writing(self, person, hospital, people).row(home, second if turn else None, old=old))
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

    def somebody_else(self, mine: str) -> str:
        """The NHS number of the person written before, and `mine` is remembered for the next mix-up."""
        other, self._last_nhs = self._last_nhs, mine
        return other


class _Writing:
    """One record being written."""

    def __init__(self, registry: _Registry, person: Person, hospital: Hospital, people: list[Person]) -> None:
        self.registry, self.person, self.hospital, self.people = registry, person, hospital, people
        self.random = registry.random
        self.faults: list[str] = []

    def slips(self, rate: float, label: str) -> bool:
        """Whether this fault happens; it is noted if it does."""
        happens = self.random.random() < rate * self.hospital.care
        if happens:
            self.faults.append(label)
        return happens

    def row(self, home: Home, second_number: str | None, *, old: bool) -> Row:
        """The row of a person file; empty text is a missing value."""
        person = self.person
        if home is not person.home:
            self.faults.append("moved")
        row: Row = dict.fromkeys(COLUMNS, "")
        row["record_id"] = self.registry.number()
        row["authority"] = self.hospital.code
        row["true_person"] = str(person.number)
        self._names(row, old=old)
        self._birth(row)
        self._home(row, home)
        self._contacts(row, home)
        self._number(row, second_number)
        if person.order and self.random.random() < 0.6:
            row["multiple_birth_order"] = person.order
        if person.died and not old and self.random.random() < 0.8:
            row["death_date"] = person.died
        if person.other and self.random.random() < 0.6:
            row["other_identifier"] = person.other
        row["faults"] = ";".join(self.faults)
        row["traits"] = ";".join(person.traits)
        return row

    def _names(self, row: Row, *, old: bool) -> None:
        person, random = self.person, self.random
        family, given, middle = person.family, person.given, person.middle if random.random() < 0.6 else ""
        if person.previous_family:
            if old and self.slips(0.25, "married-name"):
                family = person.previous_family
            elif random.random() < 0.25:
                row["previous_family_name"] = person.previous_family
        if random.random() < self.hospital.short_forms:
            shorter = short_form(given, random)
            if shorter != given:
                self.faults.append("short-form")
                given = shorter
        family = self._spelled(family, "family")
        given = self._spelled(given, "given")
        if middle and random.random() < 0.4:
            middle = middle[0]
        if self.slips(0.004, "swapped-names"):
            family, given = given, family
        elif self.slips(0.004, "initial-only"):
            given = given[:1]
        elif self.slips(0.003, "missing-given"):
            given = random.choice(("", "", "UNKNOWN"))
        elif middle and len(middle) > 1 and self.slips(0.008, "known-by-middle-name"):
            given, middle = middle, given
        if "newborn" in person.traits and random.random() < 0.6:
            self.faults.append("newborn-unnamed")
            given, middle = self._unnamed(), ""
        written = (family, given, middle)
        family, given, middle = written if self.hospital.capitals else tuple(name.title() for name in written)
        row["family_name"], row["given_name"], row["middle_names"] = family, given, middle
        if not self.slips(0.01, "missing-sex"):
            row["sex"] = person.sex
            if self.slips(0.002, "wrong-sex"):
                row["sex"] = "male" if person.sex == "female" else "female"

    def _spelled(self, name: str, which: str) -> str:
        if self.slips(0.015, f"finger-{which}"):
            return by_finger(name, self.random)
        if self.slips(0.015, f"ear-{which}"):
            return by_ear(name, self.random)
        return name

    def _unnamed(self) -> str:
        person = self.person
        if person.order and self.random.random() < 0.7:
            return f"TWIN {person.order}"
        sex = "BOY" if person.sex == "male" else "GIRL"
        return self.random.choice((f"BABY {sex}", "BABY", f"BABY OF {person.mother}"))

    def _birth(self, row: Row) -> None:
        born = self.person.born
        text = born.isoformat()
        if self.random.random() < self.hospital.default_birth:
            self.faults.append("default-birth-date")
            text = "1900-01-01"
        elif self.slips(0.006, "missing-birth-date"):
            text = ""
        elif born.day <= 12 and born.day != born.month and self.slips(0.012, "day-month-swapped"):
            text = f"{born.year}-{born.day:02}-{born.month:02}"
        elif self.slips(0.01, "birth-digit"):
            text = wrong_digit(text, self.random)
        elif self.slips(0.003, "birth-year"):
            text = (born - timedelta(days=365 * self.random.choice((1, 10)))).isoformat()
        row["birth_date"] = text

    def _home(self, row: Row, home: Home) -> None:
        address, postcode = home.address, home.postcode
        if self.slips(0.02, "address-slip"):
            address = by_finger(address, self.random)
        if self.slips(0.015, "postcode-slip"):
            postcode = by_finger(postcode, self.random)
        elif self.slips(0.004, "pseudo-postcode"):
            postcode = self.random.choice(("ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 9ZZ"))
        if self.slips(0.03, "missing-address"):
            address = ""
        if self.slips(0.02, "missing-postcode"):
            postcode = ""
        if not self.hospital.capitals:
            address = address.title().replace("Road", "Rd").replace("Street", "St")
        row["address_line"], row["town"], row["postcode"] = address, home.town, postcode
        row["gp_practice"] = home.practice if self.random.random() < 0.9 else "V81999"

    def _contacts(self, row: Row, home: Home) -> None:
        random, person = self.random, self.person
        if random.random() >= self.hospital.no_phone:
            phone = person.mobile if person.mobile and random.random() < 0.6 else home.landline
            if phone and random.random() < 0.2:
                phone = "+44 " + phone[1:]
            row["phone"] = phone
        if random.random() < 0.5:
            row["email"] = person.email

    def _number(self, row: Row, second: str | None) -> None:
        random, person = self.random, self.person
        number, status = person.nhs, self._status()
        missing = 0.3 if "twin" in person.traits else self.hospital.missing_nhs
        if "newborn" in person.traits and random.random() < 0.3:
            missing = 1.0
        if random.random() < missing:
            row["nhs_number_status"] = "08" if "newborn" in person.traits else random.choice(("", "03", "07"))
            self.faults.append("missing-nhs-number")
            return
        if second is not None and random.random() < 0.5:
            self.faults.append("second-nhs-number")
            number, status = second, "02"
        elif self.slips(0.002, "nhs-number-of-relative") and len(self.people) > 1:
            other = random.choice([p for p in self.people if p is not person])
            number, status = other.nhs, "02"
        elif self.slips(0.001, "nhs-number-of-stranger"):
            number, status = self.registry.somebody_else(person.nhs), "02"
        elif self.slips(0.003, "nhs-number-slip"):
            number, status = wrong_digit(number, random), "02"
        row["nhs_number"], row["nhs_number_status"] = number, status

    def _status(self) -> str:
        chance = self.random.random()
        for status, upto in (("01", 0.72), ("02", 0.88), ("03", 0.94), ("04", 0.955), ("05", 0.965)):
            if chance < upto:
                return status
        return ""


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

"""One record as a hospital's clerk writes it: what is true of the person, and what goes wrong on the way."""

from datetime import timedelta
from random import Random
from typing import Protocol

from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.matching.nicknames import are_nicknames
from mpi.synth.faults import by_ear, by_finger, short_form, wrong_digit
from mpi.synth.homes import Home
from mpi.synth.hospitals import Hospital
from mpi.synth.names import ACCENTED, SPELLINGS
from mpi.synth.people import Person

COLUMNS: tuple[str, ...] = (
    "record_id", "authority", *DEMOGRAPHIC_FIELDS, "true_person", "true_birth", "faults", "traits",
)  # fmt: skip
"""The columns of a person file, then whose record it is, which birth twins and triplets share, what went wrong in the
record, what makes its bearer hard."""

Row = dict[str, str]

_TITLES = {"male": ("MR", "MR", "MASTER", "DR", "PROF"), "female": ("MRS", "MS", "MISS", "DR")}
_ROLE_PHONES = ("01000000000", "00000000000", "07777777777", "01234567890")


class Numbers(Protocol):
    """What writing a record asks of the registers."""

    random: Random

    def number(self) -> str:
        """The next local number."""

    def somebody_else(self, mine: str) -> str:
        """The NHS number of the person written before."""

    def never_given(self) -> str:
        """A valid NHS number that nobody has."""


class Writing:
    """One record being written."""

    def __init__(self, registry: Numbers, person: Person, hospital: Hospital, people: list[Person]) -> None:
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
        row["true_person"], row["true_birth"] = str(person.number), person.birth
        self._names(row, old=old)
        self._birth(row)
        if self.random.random() < self.hospital.sparse:
            self.faults.append("sparse")
        else:
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
            if old and self.slips(0.3, "married-name"):
                family = person.previous_family
            elif random.random() < 0.25:
                row["previous_family_name"] = person.previous_family
        if random.random() < self.hospital.short_forms:
            shorter = short_form(given, random)
            if shorter != given:
                self.faults.append("short-form")
                given = shorter
        family = self._spelled(self._one_of_two(family), "family")
        given = self._spelled(given, "given")
        if middle and random.random() < 0.4:
            middle = middle[0]
        family, given, middle = self._misplaced(family, given, middle)
        if "newborn" in person.traits and random.random() < 0.6:
            self.faults.append("newborn-unnamed")
            given, middle = self._unnamed(), ""
        written = self._titled(family, given), self._accented(given), middle
        if not self.hospital.capitals:
            written = written[0].title(), written[1].title(), middle.title()
        row["family_name"], row["given_name"], row["middle_names"] = written
        if not self.slips(0.01, "missing-sex"):
            row["sex"] = person.sex
            if self.slips(0.002, "wrong-sex"):
                row["sex"] = "male" if person.sex == "female" else "female"

    def _misplaced(self, family: str, given: str, middle: str) -> tuple[str, str, str]:
        """Names in each other's place, or a given name of which little is left."""
        if self.slips(0.004, "swapped-names"):
            return given, family, middle
        if self.slips(0.005, "initial-only"):
            return family, given[:1], middle
        if self.slips(0.004, "missing-given"):
            return family, self.random.choice(("", "", "UNKNOWN")), middle
        if middle and len(middle) > 1 and self.slips(0.012, "known-by-middle-name"):
            if not self._a_twins_name(middle):
                return family, middle, given
            self.faults.pop()
        return family, given, middle

    def _a_twins_name(self, name: str) -> bool:
        """Nobody is called by a form of the name of their own twin."""
        mine = self.person.birth
        return mine != "" and any(
            p.birth == mine and (p.given == name or are_nicknames(p.given, name)) for p in self.people
        )

    def _one_of_two(self, family: str) -> str:
        if "-" in family:
            if self.slips(0.12, "half-of-double-name"):
                return self.random.choice(family.split("-"))
            if self.random.random() < 0.3:
                self.faults.append("no-hyphen")
                return family.replace("-", " ")
        elif self.person.sex == "female" and family.endswith(("SKA", "CKA")) and self.slips(0.15, "masculine-form"):
            return family[:-1] + "I"
        return family

    def _titled(self, family: str, given: str) -> str:
        family = self._accented(family)
        if given and self.random.random() < self.hospital.titles:
            self.faults.append("title-in-name")
            return f"{family} ({self.random.choice(_TITLES[self.person.sex])})"
        return family

    def _accented(self, name: str) -> str:
        marked = ACCENTED.get(name) if self.hospital.accents else None
        if marked is None:
            return name
        self.faults.append("accents")
        return marked

    def _spelled(self, name: str, which: str) -> str:
        if self.slips(0.018, f"finger-{which}"):
            return by_finger(name, self.random)
        ear = 0.06 if name in SPELLINGS and "tradition" in "".join(self.person.traits) else 0.018
        if self.slips(ear, f"ear-{which}"):
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
        elif self.slips(0.007, "missing-birth-date"):
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
        elif self.slips(0.003, "no-fixed-abode"):
            address, postcode = "NO FIXED ABODE", "ZZ99 3VZ"
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
        elif random.random() < self.hospital.default_phone:
            self.faults.append("default-phone")
            row["phone"] = random.choice(_ROLE_PHONES)
        if random.random() < 0.5:
            row["email"] = person.email
        elif random.random() < self.hospital.default_phone / 2:
            self.faults.append("default-email")
            row["email"] = "noemail@example.org"

    def _number(self, row: Row, second: str | None) -> None:
        random, person = self.random, self.person
        number, status = person.nhs, self._status()
        missing = 0.33 if "twin" in person.traits else self.hospital.missing_nhs
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
        elif self.slips(0.003, "nhs-number-wrong-but-valid"):
            number, status = self.registry.never_given(), "02"
        elif self.slips(0.003, "nhs-number-slip"):
            number, status = number[0] + wrong_digit(number[1:], random), "02"
        row["nhs_number"], row["nhs_number_status"] = number, status

    def _status(self) -> str:
        chance = self.random.random()
        for status, upto in (("01", 0.72), ("02", 0.88), ("03", 0.94), ("04", 0.955), ("05", 0.965)):
            if chance < upto:
                return status
        return ""

"""Households and the people in them, as they truly are."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from mpi.matching.nhs_number import check_digit
from mpi.matching.nicknames import are_nicknames
from mpi.synth.names import NameBook, hash_of

TODAY = date(2025, 1, 1)
"""The day the population stands at: fixed, so that one seed makes one population whatever the calendar says."""

_TOWNS = (
    ("OAKBRIDGE", "OB"), ("ASHCOMBE", "AC"), ("MARSTONBURY", "MB"), ("NORTHWICK", "NW"), ("ELMSTEAD", "EM"),
    ("STONEHAVEN VALE", "SV"), ("WESTERLEIGH", "WL"), ("KINGSMERE", "KM"), ("RAVENSWORTH", "RW"), ("THORNBY", "TB"),
    ("LOWER DENHAM", "LD"), ("PENRITH MOOR", "PM"),
)  # fmt: skip
_STREETS = (
    "HIGH STATION CHURCH PARK VICTORIA GREEN MANOR KINGS QUEENS NEW GRANGE NORTH SOUTH SPRINGFIELD ALEXANDRA WINDSOR "
    "MILL ALBERT CEDAR OAK ELM MEADOW ORCHARD SCHOOL CHESTNUT BEECH WILLOW MAPLE LIME HAWTHORN ROWAN PRIORY ABBEY "
    "CASTLE BRIDGE RIVER LAKE HILL VALE FOREST HEATH MOOR STANLEY DERBY YORK LANCASTER"
).split()
_WAYS = ("ROAD", "STREET", "AVENUE", "LANE", "CLOSE", "DRIVE", "CRESCENT", "WAY", "GARDENS", "PLACE", "COURT", "GROVE")
_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(slots=True)
class Home:
    """Where a household lives; people of one postcode live in one street."""

    address: str
    town: str
    postcode: str
    landline: str
    practice: str


@dataclass(slots=True, eq=False)
class Person:
    """One person as they truly are. `traits` names what makes them hard to tell from others."""

    number: int
    sex: str
    given: str
    middle: str
    family: str
    born: date
    home: Home
    nhs: str
    mobile: str = ""
    email: str = ""
    other: str = ""
    previous_family: str = ""
    order: str = ""
    mother: str = ""
    died: str = ""
    traits: list[str] = field(default_factory=list)


def nhs_numbers() -> Iterator[str]:
    """NHS numbers of the never-issued range, 999 000 000n first, then 998 and down to 900."""
    for block in range(999, 899, -1):
        for rest in range(1_000_000):
            nine = f"{block}{rest:06}"
            digit = check_digit(nine)
            if digit is not None and len(set(nine)) > 1:
                yield f"{nine}{digit}"


class Homes:
    """Draws homes: some fifteen households to a postcode, as in life."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._postcode = ""
        self._street = ""
        self._town = _TOWNS[0]
        self._left = 0

    def near(self, home: Home) -> Home:
        """Another home, in the same town more often than not."""
        if self._random.random() < 0.6:
            while self._town[0] != home.town:
                self._left = 0
                self.next()
        return self.next()

    def next(self) -> Home:
        """A home at a house number of its own, in the current postcode or the next."""
        random = self._random
        if self._left == 0:
            self._left = random.randint(5, 25)
            self._town = random.choice(_TOWNS)
            outward = f"{self._town[1]}{random.randint(1, 29)}"
            inward = f"{random.randint(0, 9)}{random.choice(_LETTERS)}{random.choice(_LETTERS)}"
            self._postcode = f"{outward} {inward}"
            self._street = f"{random.choice(_STREETS)} {random.choice(_WAYS)}"
        self._left -= 1
        number = str(self._left * 2 + random.randint(1, 2))
        if random.random() < 0.12:
            number = f"FLAT {random.randint(1, 12)} {number}"
        landline = f"01{random.randint(200_000_000, 999_999_999)}" if random.random() < 0.7 else ""
        practice = f"{self._town[1][0]}8{hash_of(self._postcode[:4]) % 100:02}{random.randint(0, 20):02}"
        return Home(f"{number} {self._street}", self._town[0], self._postcode, landline, practice)


class _Numbers:
    """NHS numbers in no order for most, and one after the other for children of one birth."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._source = nhs_numbers()
        self._pool: list[str] = []

    def any(self) -> str:
        if not self._pool:
            self._pool = [next(self._source) for _ in range(5000)]
            self._random.shuffle(self._pool)
        return self._pool.pop()

    def following(self) -> str:
        return next(self._source)


class Households:
    """Draws households of true people, one after the other, the same for the same seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names = NameBook()
        self._homes = Homes(random)
        self._elsewhere = Homes(random)
        self._numbers = _Numbers(random)
        self._count = 0

    def another_home(self, home: Home) -> Home:
        """A home for somebody who moves away from `home`."""
        return self._elsewhere.near(home)

    def another_number(self) -> str:
        """An NHS number that no person has as theirs."""
        return self._numbers.any()

    def next(self) -> list[Person]:
        """The people of one household; a hall of students counts as one."""
        random = self._random
        home = self._homes.next()
        tradition = self._names.tradition(random)
        family = self._names.surname(random, tradition)
        chance = random.random()
        if chance < 0.002:
            return self._hall(home)
        if chance < 0.30:
            sex = "male" if random.random() < 0.48 else "female"
            return [self._adult(home, tradition, family, sex, random.randint(20, 95))]
        return self._family(home, tradition, family, chance)

    def _family(self, home: Home, tradition: str | None, family: str, chance: float) -> list[Person]:
        random = self._random
        alone, childless = chance < 0.40, 0.40 <= chance < 0.62
        age = random.randint(22, 48) if not childless else random.randint(24, 88)
        mother = self._adult(home, tradition, family, "female", age)
        if not alone:
            if random.random() < 0.7:
                mother.previous_family = self._names.surname(random, tradition)
            else:
                mother.family = self._names.surname(random, tradition)
        people = [mother]
        if not alone:
            people.append(self._adult(home, tradition, family, "male", age + random.randint(-3, 6)))
        if not childless:
            people += self._children(people, home, tradition, family)
        return people

    def _adult(self, home: Home, tradition: str | None, family: str, sex: str, age: int) -> Person:
        random = self._random
        person = self._person(home, tradition, family, sex, self._birthday(age))
        person.mobile = f"07{random.randint(400_000_000, 999_999_999)}" if random.random() < 0.85 else ""
        if random.random() < 0.4:
            tag = random.randint(1, 9999)
            person.email = f"{person.given}.{person.family}{tag}@example.{random.choice(('com', 'org', 'net'))}".lower()
        if age > 60 and random.random() < (age - 55) / 200:
            person.died = (TODAY - timedelta(days=random.randint(1, 1500))).isoformat()
        return person

    def _person(self, home: Home, tradition: str | None, family: str, sex: str, born: date) -> Person:
        random = self._random
        self._count += 1
        given = self._names.given(random, tradition, sex)
        middle = self._names.given(random, tradition, sex) if random.random() < 0.55 else ""
        other = f"EX{random.randint(10_000_000, 99_999_999)}" if random.random() < 0.12 else ""
        return Person(self._count, sex, given, middle, family, born, home, self._numbers.any(), other=other)

    def _birthday(self, age: int) -> date:
        return TODAY - timedelta(days=int(age * 365.25) + self._random.randint(0, 364))

    def _children(self, parents: list[Person], home: Home, tradition: str | None, family: str) -> list[Person]:
        random = self._random
        children: list[Person] = []
        for _ in range(random.choice((1, 1, 2, 2, 2, 3, 4))):
            age = random.randint(0, 18)
            days = (
                random.randint(2, 80)
                if age == 0 and random.random() < 0.6
                else int(age * 365.25) + random.randint(81, 360)
            )
            born = TODAY - timedelta(days=days)
            sex = "male" if random.random() < 0.51 else "female"
            child = self._person(home, tradition, family, sex, born)
            while any(_one_name(child.given, other.given) for other in children):
                child.given = self._names.given(random, tradition, sex)
            self._grow_up(child, parents)
            children.append(child)
            if random.random() < 0.06:
                children += self._others_of_birth(child, children, parents, tradition)
        self._name_after_father(parents, children)
        return children

    def _grow_up(self, child: Person, parents: list[Person]) -> None:
        child.mobile = parents[0].mobile
        child.mother = parents[0].given
        if (TODAY - child.born).days < 80:
            child.traits.append("newborn")

    def _others_of_birth(
        self, first: Person, elder: list[Person], parents: list[Person], tradition: str | None
    ) -> list[Person]:
        """One or two more children of the birth, some with a name much like the first one's."""
        random = self._random
        born = [first]
        first.nhs, first.order = self._numbers.following(), "1"
        for order in range(2, 4 if random.random() < 0.04 else 3):
            sex = first.sex if random.random() < 0.66 else ("male" if first.sex == "female" else "female")
            twin = self._person(first.home, tradition, first.family, sex, first.born)
            twin.nhs, twin.order = self._numbers.following(), str(order)
            if random.random() < 0.15:
                twin.given = _NEAR.get(first.given, twin.given)
            while any(_one_name(twin.given, other.given) for other in (*born, *elder)):
                twin.given = self._names.given(random, tradition, sex)
            self._grow_up(twin, parents)
            born.append(twin)
        for person in born:
            person.traits.append("twin")
        return born[1:]

    def _name_after_father(self, parents: list[Person], children: list[Person]) -> None:
        if len(parents) < 2 or self._random.random() > 0.05:
            return
        father = parents[1]
        for child in children:
            others = [other for other in children if other is not child]
            taken = any(_one_name(father.given, other.given) for other in others)
            if child.sex == "male" and "twin" not in child.traits and not taken:
                child.given, child.middle = father.given, father.middle
                child.traits.append("father-and-son")
                father.traits.append("father-and-son")
                return

    def _hall(self, home: Home) -> list[Person]:
        """Students at one address with one telephone, born within a few years, of many families."""
        random = self._random
        home.address = f"{random.choice(_STREETS)} HALL, {home.address.split(' ', 1)[1]}"
        home.landline = f"01{random.randint(200_000_000, 999_999_999)}"
        people = []
        for _ in range(random.randint(20, 60)):
            tradition = self._names.tradition(random)
            sex = "male" if random.random() < 0.5 else "female"
            student = self._adult(home, tradition, self._names.surname(random, tradition), sex, random.randint(18, 23))
            student.traits.append("student")
            people.append(student)
        return people


def _one_name(x: str, y: str) -> bool:
    """Nobody names two children WILLIAM and BILL."""
    return x == y or are_nicknames(x, y)


_NEAR = {
    "ELLA": "BELLA", "ANNA": "HANNAH", "JAYDEN": "KAYDEN", "MIA": "MAYA", "KAYLA": "LAYLA", "EMILY": "AMELIA",
    "SOPHIE": "SOPHIA", "MASON": "JASON", "EVAN": "EWAN", "LUCY": "LILY", "JAKE": "LUKE", "RYAN": "RHYS", "LEO": "LEE",
    "AMY": "AMELIA", "FREYA": "FLORA", "HARRY": "HARRISON", "ALFIE": "ARCHIE", "OWEN": "EWAN", "HOLLY": "MOLLY",
    "MUHAMMAD": "MAHMOOD", "AISHA": "ANISHA", "DANIEL": "NATHAN", "OLIVER": "OLIVIA", "CHARLIE": "CHARLOTTE",
}  # fmt: skip

"""Households and the people in them, as they truly are."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from mpi.matching.nicknames import are_nicknames
from mpi.synth.homes import STREETS, Home, Homes
from mpi.synth.names import PATRONYMIC, SHORT_OF_BIRTHDAYS, NameBook, of_sex
from mpi.synth.numbers import Numbers

TODAY = date(2025, 1, 1)
"""The day the population stands at: fixed, so that one seed makes one population whatever the calendar says."""


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
    birth: str = ""
    """Same for the children of one birth, empty for others."""
    traits: list[str] = field(default_factory=list)


class Households:
    """Draws households of true people, one after the other, the same for the same seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names = NameBook()
        self._homes = Homes(random)
        self._elsewhere = Homes(random)
        self._numbers = Numbers(random)
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
        if chance < 0.003:
            return self._hall(home)
        if chance < 0.24:
            sex = "male" if random.random() < 0.48 else "female"
            return [self._adult(home, tradition, family, sex, random.randint(20, 95))]
        return self._family(home, tradition, family, chance)

    def _family(self, home: Home, tradition: str | None, family: str, chance: float) -> list[Person]:
        random = self._random
        alone, childless = chance < 0.33, 0.33 <= chance < 0.50
        age = random.randint(22, 48) if not childless else random.randint(24, 88)
        mother = self._adult(home, tradition, family, "female", age)
        if not alone:
            if tradition not in PATRONYMIC and random.random() < 0.7:
                mother.previous_family = of_sex(self._names.surname(random, tradition), "female")
            else:
                mother.family = of_sex(self._names.surname(random, tradition), "female")
        people = [mother]
        if not alone:
            people.append(self._adult(home, tradition, family, "male", age + random.randint(-3, 6)))
        if not childless:
            people += self._children(people, home, tradition, family)
            self._grandparent(people, home, tradition, family, age)
        self._shared_mail(people)
        return people

    def _grandparent(self, people: list[Person], home: Home, tradition: str | None, family: str, age: int) -> None:
        """Three generations under one roof: a grandparent, after whom a grandchild may be named."""
        random = self._random
        if random.random() >= (0.15 if tradition else 0.05):
            return
        sex = "female" if random.random() < 0.65 else "male"
        elder = self._adult(home, tradition, family, sex, min(age + random.randint(20, 38), 98))
        namesakes = [p for p in people[1:] if p.sex == sex and p.mother and not p.birth]
        given = {p.given for p in people}
        if namesakes and random.random() < 0.4 and elder.given not in given:
            namesakes[0].given, namesakes[0].middle = elder.given, elder.middle
            for person in (elder, namesakes[0]):
                person.traits.append("named-after-grandparent")
        people.append(elder)

    def _shared_mail(self, people: list[Person]) -> None:
        """Couples with one address for their mail, and children who are reached by their mother's."""
        random = self._random
        mother = people[0]
        if len(people) > 1 and not people[1].mother and mother.email and random.random() < 0.15:
            people[1].email = mother.email
        for person in people[1:]:
            if person.mother and random.random() < 0.5:
                person.email = mother.email

    def _adult(self, home: Home, tradition: str | None, family: str, sex: str, age: int) -> Person:
        random = self._random
        born = self._birthday(age)
        undated = tradition in SHORT_OF_BIRTHDAYS and age > 35 and random.random() < 0.12
        person = self._person(home, tradition, family, sex, born.replace(month=1, day=1) if undated else born)
        if undated:
            person.traits.append("born-on-new-years-day")
        person.mobile = f"07{random.randint(400_000_000, 999_999_999)}" if random.random() < 0.85 else ""
        if random.random() < 0.4:
            tag = random.randint(1, 9999)
            name = f"{person.given}.{person.family}".replace(" ", "").replace("'", "")
            person.email = f"{name}{tag}@example.{random.choice(('com', 'org', 'net'))}".lower()
        if age > 60 and random.random() < (age - 55) / 200:
            person.died = (TODAY - timedelta(days=random.randint(1, 1500))).isoformat()
        return person

    def _person(self, home: Home, tradition: str | None, family: str, sex: str, born: date) -> Person:
        random = self._random
        self._count += 1
        given = self._names.given(random, tradition, sex)
        middle = self._names.given(random, tradition, sex) if random.random() < 0.55 else ""
        other = f"EX{random.randint(10_000_000, 99_999_999)}" if random.random() < 0.12 else ""
        family = "KAUR" if tradition == "sikh" and sex == "female" and random.random() < 0.7 else of_sex(family, sex)
        person = Person(self._count, sex, given, middle, family, born, home, self._numbers.any(), other=other)
        if tradition:
            person.traits.append(f"tradition-{tradition}")
        return person

    def _birthday(self, age: int) -> date:
        return TODAY - timedelta(days=int(age * 365.25) + self._random.randint(0, 364))

    def _children(self, parents: list[Person], home: Home, tradition: str | None, family: str) -> list[Person]:
        random = self._random
        children: list[Person] = []
        surname = self._surname_of_children(parents, tradition, family)
        for _ in range(random.choice((1, 1, 2, 2, 2, 3, 4))):
            age = random.randint(0, 18)
            days = (
                random.randint(2, 80)
                if age == 0 and random.random() < 0.6
                else int(age * 365.25) + random.randint(81, 360)
            )
            born = TODAY - timedelta(days=days)
            sex = "male" if random.random() < 0.51 else "female"
            child = self._person(home, tradition, surname, sex, born)
            while any(_one_name(child.given, other.given) for other in children):
                child.given = self._names.given(random, tradition, sex)
            self._grow_up(child, parents)
            children.append(child)
            if random.random() < 0.06:
                children += self._others_of_birth(child, children, parents, tradition)
        self._name_after_father(parents, children)
        return children

    def _surname_of_children(self, parents: list[Person], tradition: str | None, family: str) -> str:
        """The father's given name where tradition has it so; now and then both parents' names with a hyphen."""
        if len(parents) < 2:
            return family
        if tradition in PATRONYMIC:
            return parents[1].given
        mother = parents[0].family
        if mother != parents[1].family and parents[1].family == family and "-" not in mother + family:
            return f"{mother}-{family}" if tradition is None and self._random.random() < 0.35 else family
        return family

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
        first.nhs, first.order, first.birth = self._numbers.following(), "1", str(first.number)
        for order in range(2, 4 if random.random() < 0.04 else 3):
            sex = first.sex if random.random() < 0.66 else ("male" if first.sex == "female" else "female")
            twin = self._person(first.home, tradition, first.family, sex, first.born)
            twin.nhs, twin.order, twin.birth = self._numbers.following(), str(order), first.birth
            if random.random() < 0.2:
                twin.given = _NEAR.get(first.given, twin.given)
            while any(_one_name(twin.given, other.given) for other in (*born, *elder)):
                twin.given = self._names.given(random, tradition, sex)
            self._grow_up(twin, parents)
            born.append(twin)
        for person in born:
            person.traits.append("twin")
            if len(born) > 2:
                person.traits.append("triplet")
        return born[1:]

    def _name_after_father(self, parents: list[Person], children: list[Person]) -> None:
        if len(parents) < 2 or self._random.random() > 0.10:
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
        home.address = f"{random.choice(STREETS)} HALL, {home.address.split(' ', 1)[1]}"
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

"""Which updates look like another person: before and after of one number, and how often that is right on many."""

import random
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import pytest

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from mpi.matching.prepared import Prepared
from mpi.services.firewall import another
from mpi.synth.population import make
from tests.spec.tables import cases, person

CASES = cases(
    """
    | case                                  | before                                          | after                                             | held |
    | ------------------------------------- | ----------------------------------------------- | ------------------------------------------------- | ---- |
    | nothing of the person                 | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Ashworth, Maria, 1968-03-24, female, YO21 1AA     | no   |
    | a married name                        | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Greenwood, Maria, 1968-03-24, female, LS6 4QB     | no   |
    | a slip in the name                    | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Ashwroth, Marai, 1968-03-24, female, LS6 4QB      | no   |
    | names in each other's place           | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Maria, Ashworth, 1968-03-24, female, LS6 4QB      | no   |
    | day and month exchanged               | Ashworth, Maria, 1968-03-04, female, LS6 4QB    | Ashworth, Maria, 1968-04-03, female, LS6 4QB      | no   |
    | a sex put right                       | Ashworth, Maria, 1968-03-24, male, LS6 4QB      | Ashworth, Maria, 1968-03-24, female, LS6 4QB      | no   |
    | a birth date that was a default       | Ashworth, Maria, 1900-01-01, female, LS6 4QB    | Ashworth, Maria, 1968-03-24, female, LS6 4QB      | no   |
    | a baby gets its name                  | Ashworth, Baby, 2026-03-24, female, LS6 4QB     | Ashworth, Maria, 2026-03-24, female, LS6 4QB      | no   |
    | an unknown patient is identified      | Unknown, Male, -, male, -                       | Oyelaran, Tunde, 1999-11-02, male, M13 9PL        | no   |
    | values arrive                         | Ashworth, Maria, -, -, -                        | Ashworth, Maria, 1968-03-24, female, LS6 4QB      | no   |
    | a stranger                            | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Oyelaran, Tunde, 1999-11-02, male, M13 9PL        | yes  |
    | a stranger with the same NHS number   | Ashworth, Maria, 1968-03-24, female, -, nhs=9990000018 | Oyelaran, Tunde, 1999-11-02, male, -, nhs=9990000018 | yes |
    | a sister                              | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Ashworth, Ellen, 1970-01-05, female, LS6 4QB      | yes  |
    | a twin                                | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | Ashworth, Ellen, 1968-03-24, female, LS6 4QB      | yes  |
    | the son of the same name              | Ashworth, John, 1948-03-24, male, LS6 4QB       | Ashworth, John, 1975-06-02, male, LS6 4QB         | yes  |
    | a namesake with another NHS number    | Begum, Fatima, -, female, NW15 6PA, nhs=9990000018 | Begum, Fatima, 2000-09-06, female, MB18 6PE, nhs=9990000026 | yes |
    | a verified number with another sex    | Ashworth, Maria, 1968-03-24, female, -, nhs=9990000018, status=01 | Ashworth, Maria, 1968-03-24, male, -, nhs=9990000026, status=01 | yes |
    | nothing left                          | Ashworth, Maria, 1968-03-24, female, LS6 4QB    | -, -, -, -, -                                     | no   |
    """  # noqa: E501 - a table is read by its columns
)
MODEL = load_default()


def prepared(said: Demographics) -> Prepared:
    return prepare(said, allow_test_numbers=True)[0]


@pytest.mark.parametrize("row", CASES)
def test_an_update_is_held_when_it_looks_like_another_person(row: dict[str, str]) -> None:
    why = another(MODEL, prepared(person(row["before"])), prepared(person(row["after"])))
    assert bool(why) is (row["held"] == "yes"), why


def held(pairs: Iterable[tuple[Prepared, Prepared]], most: int = 4000) -> float:
    """The share of these that would be held as updates of one number."""
    drawn = list(pairs)
    random.Random(7).shuffle(drawn)
    drawn = drawn[:most]
    return sum(another(MODEL, one, other) is not None for one, other in drawn) / len(drawn)


def test_few_of_the_same_and_nearly_all_of_another_person_are_held() -> None:
    persons, homes, names = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in make(6000, 90_211):
        known = prepared(Demographics(**{field: row[field] or None for field in DEMOGRAPHIC_FIELDS}))
        persons[row["true_person"]].append(known)
        homes[known.postcode, known.address].append((row["true_person"], known))
        names[known.family, known.given].append((row["true_person"], known))
    same = [(a, b) for found in persons.values() for a in found for b in found if a is not b]
    everybody = [found[0] for found in persons.values()]

    def others(
        groups: dict[tuple[str | None, str | None], list[tuple[str, Prepared]]],
    ) -> list[tuple[Prepared, Prepared]]:
        whole = [found for key, found in groups.items() if None not in key]
        return [(a, b) for found in whole for one, a in found for other, b in found if one != other]

    assert held(same) <= 0.03
    assert held(pairwise(everybody)) >= 0.999
    assert held(others(homes)) >= 0.98
    assert held(others(names)) >= 0.97

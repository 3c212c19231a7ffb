"""Prepared records drawn at random from few values, so that pairs agree, nearly agree and contradict often."""

import random
from dataclasses import replace

from hypothesis import strategies as st

from mpi.matching.prepared import PREPARED_FIELDS, Prepared

VALUES: dict[str, list[object]] = {
    "family": ["SMITH", "SMYTH", "SMITHE", "OBRIEN", "WAKEGRAVE", "ANN", "SMITH JONES", "JONES", "DE LA CRUZ", "LI"],
    "given": ["ANN", "ANNE", "WILLIAM", "BILL", "LIZ", "ELIZABETH", "SMITH", "J", "JON", "MARY ANN", "ANN MARIE"],
    "middle": ["ANN", "J", "MARY JANE", "ANNE", "BILL"],
    "previous_family": ["SMITH", "WAKEGRAVE", "JONES"],
    "birth": ["1980-01-02", "1980-02-01", "1980-01-12", "1980-01-03", "1951-06-30", "1951-01-02", "1908-01-02",
              "1981-03-14"],
    "birth_partial": ["1980", "1980-01", "1951", "1951-07"],
    "sex": ["M", "F", "O"],
    "postcode": ["LS64QB", "LS64QD", "LS61AA", "EX49ZZ", "LS21AA", "75008", "L"],
    "address": ["14 HIGH ST", "14 HIGHE ST", "16 HIGH ST", "FLAT 2 14 HIGH ST", "ROSE COTTAGE", "ROSE COTTAGES", "14"],
    "town": ["LEEDS", "YORK"],
    "phone": ["01632960001", "07700900123"],
    "email": ["a@example.org", "b@example.org"],
    "gp": ["A81001"],
    "nhs": ["9990000018", "9990000026", "9990000034"],
    "nhs_verified": [True, False],
    "nhs_usable": [True, True, False],
    "other_id": ["EX4711", "EX4712", "EX7411", "ZZ1"],
    "birth_order": ["1", "2"],
    "death": ["2020-01-01"],
    "newborn": [False, False, False, True],
    "placeholder": [False] * 9 + [True],
    "extra": [(), (("job", "MINER"),), (("age", "41.0"), ("job", "MINERS"), ("seen", "2001-02-03")),
              (("age", "42.0"), ("job", "OLD MINER"), ("seen", "2001-03-02"))],
}  # fmt: skip
"""Field -> prepared values; what can be missing is missing now and then."""

EXTRAS = {"job": "string", "age": "number", "seen": "date"}
"""The user's own fields among them, and how they are compared."""

_NEVER_MISSING = ("nhs_verified", "nhs_usable", "newborn", "placeholder", "extra")


def _field(name: str) -> st.SearchStrategy[object]:
    drawn = st.sampled_from(VALUES[name])
    return drawn if name in _NEVER_MISSING else st.none() | drawn | drawn


def _consistent(p: Prepared) -> Prepared:
    """What `prepare` never gives is put right: two birth dates at once, a status without a number."""
    if p.birth is not None:
        p = replace(p, birth_partial=None)
    if p.nhs is None:
        return replace(p, nhs_verified=False, nhs_usable=False)
    return p if p.nhs_usable else replace(p, nhs_verified=False)


people = st.fixed_dictionaries({name: _field(name) for name in PREPARED_FIELDS}).map(
    lambda values: _consistent(Prepared(**values))  # type: ignore[arg-type]
)

_changes = st.lists(st.sampled_from(PREPARED_FIELDS), max_size=4)


@st.composite
def _similar(draw: st.DrawFn) -> tuple[Prepared, Prepared]:
    one, other = draw(people), draw(people)
    changed = draw(_changes)
    return one, _consistent(replace(one, **{name: getattr(other, name) for name in changed}))


similar_pairs = st.tuples(people, people) | _similar()
"""Two records, often one and its changed copy."""


def random_people(seed: int, count: int) -> list[Prepared]:
    """Records for tests that need many at once; the same seed gives the same."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        values = {name: draw.choice(some) for name, some in VALUES.items()}
        missing = [name for name in VALUES if name not in _NEVER_MISSING and draw.random() < 0.25]
        found.append(_consistent(Prepared(**{**values, **dict.fromkeys(missing)})))  # type: ignore[arg-type]
    return found

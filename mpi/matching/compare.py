"""A comparison's levels compiled to one function: two prepared records in, the level's place out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpi.matching.kinds import RecordTest, ValueTest, condition, getter, value_test
from mpi.matching.prepared import Prepared

MISSING = -1

Comparer = Callable[[Prepared, Prepared], int]

_Step = tuple[int, ValueTest | None, RecordTest | None]
"""A level's place, and its test of the comparison's own field or, failing that, of the whole records."""


def _all_of(tests: Sequence[RecordTest]) -> RecordTest:
    if len(tests) == 1:
        return tests[0]

    def test(a: Prepared, b: Prepared) -> bool:
        return all(t(a, b) for t in tests)

    return test


def _step(place: int, when: Sequence[Mapping[str, Any]], field: str) -> _Step:
    if len(when) == 1 and when[0]["field"] == field and (test := value_test(when[0])) is not None:
        return place, test, None
    return place, None, _all_of([condition(spec) for spec in when])


def compile_comparison(needs: Sequence[str], levels: Sequence[Sequence[Mapping[str, Any]]]) -> Comparer:
    """A function that gives the place of the first level that holds, the last level's when none does, or `MISSING`.

    `levels` are the conditions of each level in order, the last one empty. Raises KeyError for unknown kinds.
    """
    steps = [_step(place, when, needs[0]) for place, when in enumerate(levels[:-1])]
    records_only = [(place, on_records) for place, _, on_records in steps if on_records is not None]
    get = getter(needs[0])
    others = [getter(field) for field in needs[1:]]
    otherwise = len(levels) - 1

    def compare(a: Prepared, b: Prepared) -> int:
        x, y = get(a), get(b)
        if x is None or y is None:
            # The comparison's own field is missing: only levels that look elsewhere can hold.
            for place, on_records in records_only:
                if on_records(a, b):
                    return place
            return otherwise if any(g(a) is not None and g(b) is not None for g in others) else MISSING
        for place, on_values, on_records_too in steps:
            if on_values is not None:
                if on_values(x, y):
                    return place
            elif on_records_too is not None and on_records_too(a, b):
                return place
        return otherwise

    return compare

"""A comparison's levels compiled to one function: two prepared records in, the level's place out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpi.matching.kinds import RecordTest, condition, getter
from mpi.matching.prepared import Prepared

MISSING = -1

Comparer = Callable[[Prepared, Prepared], int]


def _all_of(tests: Sequence[RecordTest]) -> RecordTest:
    if len(tests) == 1:
        return tests[0]

    def test(a: Prepared, b: Prepared) -> bool:
        return all(t(a, b) for t in tests)

    return test


def compile_comparison(needs: Sequence[str], levels: Sequence[Sequence[Mapping[str, Any]]]) -> Comparer:
    """A function that gives the place of the first level that holds, the last level's when none does, or `MISSING`.

    `levels` are the conditions of each level in order, the last one empty. Raises KeyError for unknown kinds.
    """
    tests = [(place, _all_of([condition(spec) for spec in when])) for place, when in enumerate(levels[:-1])]
    getters = [getter(field) for field in needs]
    otherwise = len(levels) - 1

    def compare(a: Prepared, b: Prepared) -> int:
        for place, test in tests:
            if test(a, b):
                return place
        for get in getters:
            if get(a) is not None and get(b) is not None:
                return otherwise
        return MISSING

    return compare

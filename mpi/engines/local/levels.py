"""The levels of a model's comparisons over many pairs at once: the first whose conditions hold, as `compare` has it.

A condition is worked out only for pairs that no earlier level took, and where it costs something once for each
distinct pair of values.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import MISSING
from mpi.engines.local import kernels
from mpi.engines.local.columns import Column, Ints, Table
from mpi.engines.local.kernels import Bools
from mpi.engines.local.value_pairs import ValuePairs, Work, distinct_pairs
from mpi.matching.kinds import RECORD_KINDS, address_words, condition, value_test
from mpi.matching.model import Comparison
from mpi.matching.prepared import Prepared

Spec = Mapping[str, Any]
Pairs = NDArray[np.int64]
"""Places of pairs in a chunk."""
ALL = slice(None)


class Chunk:
    """Some pairs of records being compared, by several threads at once.

    What was worked out of pairs of values for one level or fact is kept for the next.
    """

    def __init__(self, table: Table, left: NDArray[np.int32], right: NDArray[np.int32], connection: Any) -> None:
        self.table = table
        self.left = left
        self.right = right
        self.connection = connection
        self._sides: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        self._values: dict[str, ValuePairs] = {}
        self._lock = RLock()

    def sides(self, field: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The codes of a field on both sides."""
        if field not in self._sides:
            codes = self.table.column(field).codes
            self._sides[field] = codes[self.left], codes[self.right]
        return self._sides[field]

    def both(self, field: str) -> Bools:
        """Whether a field has a value on both sides."""
        x, y = self.sides(field)
        found: Bools = (x >= 0) & (y >= 0)
        return found

    def values(self, field: str) -> ValuePairs:
        """The field's pairs of values."""
        with self._lock:
            if field not in self._values:
                self._values[field] = ValuePairs(self.table.column(field), len(self.left))
            return self._values[field]

    def level(self, c: Comparison) -> NDArray[np.uint8]:
        """The level of each pair, or `MISSING`."""
        found = np.full(len(self.left), MISSING, dtype=np.uint8)
        open_: Pairs | slice = ALL
        for place, level in enumerate(c.levels[:-1]):
            holds = self.all_hold(level.when, open_)
            rest = np.flatnonzero(~holds)
            if isinstance(open_, slice):
                found[holds] = place
                open_ = rest
            else:
                found[open_[holds]] = place
                open_ = open_[rest]
        known = np.zeros(len(found[open_]), dtype=bool)
        for field in c.needs:
            x, y = self.sides(field)
            known |= (x[open_] >= 0) & (y[open_] >= 0)
        found[np.arange(len(found))[open_][known]] = len(c.levels) - 1
        return found

    def all_hold(self, when: Sequence[Spec], pairs: Pairs | slice) -> Bools:
        """Of which of these pairs all conditions hold."""
        found = self.holds(when[0], pairs)
        for spec in when[1:]:
            open_ = np.flatnonzero(found)
            found[open_] = self.holds(spec, open_ if isinstance(pairs, slice) else pairs[open_])
        return found

    def holds(self, spec: Spec, pairs: Pairs | slice) -> Bools:
        """Of which of these pairs one condition holds; never where a side is missing."""
        kind, field = spec["kind"], spec["field"]
        if kind in RECORD_KINDS:
            return _RECORD[kind](self, field, spec["other"], pairs)
        x, y = (side[pairs] for side in self.sides(field))
        if kind == "exact":
            found: Bools = (x == y) & (x >= 0)
            return found
        found = np.zeros(len(x), dtype=bool)
        there = np.flatnonzero((x >= 0) & (y >= 0))
        if len(there):
            own = there if isinstance(pairs, slice) else pairs[there]
            found[there] = self._values_hold(spec, own, x[there], y[there])
        return found

    def _values_hold(self, spec: Spec, pairs: Pairs, x: Any, y: Any) -> Bools:
        kind, column = spec["kind"], self.table.column(spec["field"])
        if kind == "jaro-winkler":
            return self.alike(spec["field"], spec["at_least"], pairs, x, y)
        if kind == "address-alike":
            return addresses_alike(column, spec["at_least"], x, y, self.connection)
        if kind == "damerau-levenshtein" and spec["at_most"] == 1:
            return kernels.one_edit(column, x, y)
        if kind in _CODED:
            return _CODED[kind](column, spec, x, y)
        work = _DISTINCT.get(kind) or partial(_one_by_one, test=_known(spec))
        found: Bools = self.values(spec["field"]).ask(tuple(sorted(spec.items())), work, pairs, x, y)
        return found

    def alike(self, field: str, threshold: float, pairs: Pairs, x: Any, y: Any) -> Bools:
        """Whether the Jaro-Winkler similarity of two values reaches a threshold."""
        similar = partial(kernels.jaro_winkler, connection=self.connection)
        found = self.values(field).ask("jaro-winkler", similar, pairs, x, y)
        return kernels.at_least(found, threshold, self.table.column(field), x, y)


# --- kinds that codes of a part of the value decide ---------------------------------------------------------------


def _phonetic(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    sounds = column.sounds[0]
    found: Bools = sounds[x] == sounds[y]
    return found


def _initial(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    return kernels.initial(column, x, y)


def _part(column: Column, spec: Spec, x: Any, y: Any) -> Bools:
    part = column.part(spec["part"])
    found: Bools = (part[x] >= 0) & (part[x] == part[y])
    return found


def _date_parts(column: Column, spec: Spec, x: Any, y: Any) -> Bools:
    found: Bools = kernels.date_parts(column, x, y) >= spec["at_least"]
    return found


def _swapped_day(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    return kernels.day_month_swapped(column, x, y)


_CODED: dict[str, Callable[[Column, Spec, Any, Any], Bools]] = {
    "phonetic": _phonetic,
    "initial": _initial,
    "postcode-part": _part,
    "date-parts": _date_parts,
    "day-month-swapped": _swapped_day,
}


# --- kinds that look at each distinct pair of values ---------------------------------------------------------------


def _known(spec: Spec) -> Callable[[str, str], bool]:
    test = value_test(spec)
    if test is None:
        raise KeyError(spec["kind"])
    return test


def _one_by_one(column: Column, x: Ints, y: Ints, *, test: Callable[[str, str], bool]) -> Bools:
    return kernels.one_by_one(column, x, y, test)


_DISTINCT: dict[str, Work] = {
    "shares-word": kernels.shares_word,
    "nickname": kernels.nicknames,
}


def addresses_alike(column: Column, threshold: float, x: Any, y: Any, connection: Any) -> Bools:
    """`address_alike` of pairs: house numbers by their code, the other words by Jaro-Winkler."""
    numbers, words, texts = _address_parts(column)
    found: Bools = x == y
    there = np.flatnonzero(~found & (numbers[x] == numbers[y]))
    one, other, place = distinct_pairs(texts, words[x[there]], words[y[there]])
    similar = kernels.jaro_winkler(texts, one, other, connection)
    found[there] = kernels.at_least(similar, threshold, texts, one, other)[place]
    return found


def _address_parts(column: Column) -> tuple[Ints, Ints, Column]:
    if "address_parts" not in column.__dict__:
        import pyarrow as pa

        numbers, _ = column.numbered(lambda value: "\n".join(address_words(value)[0]))
        words, texts = column.numbered(lambda value: address_words(value)[1])
        rest = Column(np.empty(0, dtype=np.int32), pa.array(texts, pa.string()))
        column.__dict__["address_parts"] = numbers, words, rest
    found: tuple[Ints, Ints, Column] = column.__dict__["address_parts"]
    return found


# --- kinds that look at several fields -----------------------------------------------------------------------------


def _swapped(chunk: Chunk, field: str, other: str, pairs: Pairs | slice) -> Bools:
    to_other = chunk.table.across(field, other)
    x, y = (side[pairs] for side in chunk.sides(field))
    ox, oy = (side[pairs] for side in chunk.sides(other))
    found: Bools = (x >= 0) & (y >= 0) & (x != y) & (to_other[x] == oy) & (to_other[y] == ox)
    return found


def _other_name(chunk: Chunk, field: str, other: str, pairs: Pairs | slice) -> Bools:
    to_other = chunk.table.across(field, other)
    x, y = (side[pairs] for side in chunk.sides(field))
    ox, oy = (side[pairs] for side in chunk.sides(other))
    found: Bools = (x >= 0) & (y >= 0) & ((to_other[x] == oy) | (to_other[y] == ox))
    return found


def person(values: Mapping[str, str | None]) -> Prepared:
    """A record with these values by field and no others."""
    named = ((name.removeprefix("extra."), text) for name, text in values.items() if name.startswith("extra."))
    own = tuple((name, text) for name, text in named if text is not None)
    rest: dict[str, Any] = {name: text for name, text in values.items() if not name.startswith("extra.")}
    return Prepared(**rest, extra=own)


def by_records(
    chunk: Chunk, fields: Sequence[str], pairs: Pairs, function: Callable[[Prepared, Prepared], int]
) -> NDArray[np.int64]:
    """What a function gives of two records that have only these fields: asked once for each distinct case."""
    import pandas as pd

    if not len(pairs):
        return np.empty(0, dtype=np.int64)
    count = len(pairs)
    sides = [np.concatenate([side[pairs] for side in chunk.sides(field)]) for field in fields]
    place = np.zeros(2 * count, dtype=np.int64)
    for field, codes in zip(fields, sides, strict=True):
        place = pd.factorize(place * (len(chunk.table.column(field)) + 1) + codes + 1)[0]
    first = _first_places(place)
    values = [[*chunk.table.column(field).values, None] for field in fields]
    rows = zip(*(codes[first].tolist() for codes in sides), strict=True)
    people = [person({name: own[code] for name, own, code in zip(fields, values, row, strict=True)}) for row in rows]
    cases, distinct = pd.factorize(place[:count] * np.int64(len(people)) + place[count:])
    lefts, rights = (distinct // len(people)).tolist(), (distinct % len(people)).tolist()
    own = np.array([function(people[a], people[b]) for a, b in zip(lefts, rights, strict=True)], dtype=np.int64)
    found: NDArray[np.int64] = own[cases]
    return found


def _first_places(place: Ints) -> Ints:
    """Where each of the numbers 0, 1, ... stands first."""
    first = np.empty(place.max() + 1, dtype=np.int64)
    first[place[::-1]] = np.arange(len(place))[::-1]
    return first


def _partial_date(chunk: Chunk, field: str, other: str, pairs: Pairs | slice) -> Bools:
    """Few dates are known in part only: these are asked of the one function."""
    x, y = (side[pairs] for side in chunk.sides(other))
    asked = np.flatnonzero((x >= 0) | (y >= 0))
    holds = condition({"kind": "partial-date", "field": field, "other": other})
    found = np.zeros(len(x), dtype=bool)
    own = asked if isinstance(pairs, slice) else pairs[asked]
    found[asked] = by_records(chunk, (field, other), own, holds) > 0
    return found


_RECORD: dict[str, Callable[[Chunk, str, str, Pairs | slice], Bools]] = {
    "swapped": _swapped,
    "other-name": _other_name,
    "partial-date": _partial_date,
}

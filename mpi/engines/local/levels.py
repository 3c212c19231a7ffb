"""The levels of a model's comparisons over many pairs at once: the first whose conditions hold, as `compare` has it.

A condition is worked out only for pairs that no earlier level took, and where it costs something once for each
distinct pair of values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import MISSING
from mpi.engines.local import kernels
from mpi.engines.local.columns import Column, Ints, Table
from mpi.engines.local.kernels import Bools, Floats
from mpi.matching.kinds import RECORD_KINDS, address_words, condition, value_test
from mpi.matching.model import Comparison
from mpi.matching.prepared import Prepared

Spec = Mapping[str, Any]
Pairs = NDArray[np.int64]
"""Places of pairs in a chunk."""


def distinct_pairs(column: Column, x: Any, y: Any) -> tuple[Ints, Ints, Ints]:
    """The distinct pairs of values among these, the lesser first, and for each pair its place among them."""
    import pandas as pd

    size = np.int64(len(column.values))
    codes = np.minimum(x, y).astype(np.int64) * size + np.maximum(x, y)
    place, distinct = pd.factorize(codes)
    return distinct // size, distinct % size, place


class Chunk:
    """Some pairs of records being compared. Similarities that one level asked for are kept for the next."""

    def __init__(self, table: Table, left: NDArray[np.int32], right: NDArray[np.int32], connection: Any) -> None:
        self.table = table
        self.left = left
        self.right = right
        self.connection = connection
        self._sides: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        self._similar: dict[str, Floats] = {}

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

    def level(self, c: Comparison) -> NDArray[np.uint8]:
        """The level of each pair, or `MISSING`."""
        found = np.full(len(self.left), MISSING, dtype=np.uint8)
        open_ = np.arange(len(self.left))
        for place, level in enumerate(c.levels[:-1]):
            holds = self.all_hold(level.when, open_)
            found[open_[holds]] = place
            open_ = open_[~holds]
        known = np.zeros(len(open_), dtype=bool)
        for field in c.needs:
            x, y = self.sides(field)
            known |= (x[open_] >= 0) & (y[open_] >= 0)
        found[open_[known]] = len(c.levels) - 1
        return found

    def all_hold(self, when: Sequence[Spec], pairs: Pairs) -> Bools:
        """Of which of these pairs all conditions hold."""
        found = np.zeros(len(pairs), dtype=bool)
        open_ = np.arange(len(pairs))
        for spec in when:
            open_ = open_[self.holds(spec, pairs[open_])]
        found[open_] = True
        return found

    def holds(self, spec: Spec, pairs: Pairs) -> Bools:
        """Of which of these pairs one condition holds; never where a side is missing."""
        kind, field = spec["kind"], spec["field"]
        if kind in RECORD_KINDS:
            return _RECORD[kind](self, field, spec["other"], pairs)
        x, y = (side[pairs] for side in self.sides(field))
        if kind == "exact":
            found: Bools = (x == y) & (x >= 0)
            return found
        found = np.zeros(len(pairs), dtype=bool)
        there = np.flatnonzero((x >= 0) & (y >= 0))
        if len(there):
            found[there] = self._values_hold(spec, pairs[there], x[there], y[there])
        return found

    def _values_hold(self, spec: Spec, pairs: Pairs, x: Any, y: Any) -> Bools:
        column = self.table.column(spec["field"])
        if spec["kind"] == "jaro-winkler":
            similar = self._similarities(spec["field"], pairs, x, y)
            return kernels.at_least(similar, spec["at_least"], column, np.minimum(x, y), np.maximum(x, y))
        if spec["kind"] in _CODED:
            return _CODED[spec["kind"]](column, spec, x, y)
        one, other, place = distinct_pairs(column, x, y)
        own = _DISTINCT.get(spec["kind"], _one_by_one)(column, spec, one, other, self.connection)
        found: Bools = own[place]
        return found

    def _similarities(self, field: str, pairs: Pairs, x: Any, y: Any) -> Floats:
        if field not in self._similar:
            self._similar[field] = np.full(len(self.left), np.nan)
        kept = self._similar[field]
        new = np.flatnonzero(np.isnan(kept[pairs]))
        if len(new):
            column = self.table.column(field)
            one, other, place = distinct_pairs(column, x[new], y[new])
            kept[pairs[new]] = kernels.jaro_winkler(column, one, other, self.connection)[place]
        found: Floats = kept[pairs]
        return found


# --- kinds that codes of a part of the value decide ---------------------------------------------------------------


def _phonetic(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    sounds = column.sounds[0]
    found: Bools = sounds[x] == sounds[y]
    return found


def _initial(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    lengths, firsts = column.lengths, column.firsts
    found: Bools = (x != y) & ((lengths[x] == 1) | (lengths[y] == 1)) & (firsts[x] == firsts[y])
    return found


def _part(column: Column, spec: Spec, x: Any, y: Any) -> Bools:
    part = column.part(spec["part"])
    found: Bools = (part[x] >= 0) & (part[x] == part[y])
    return found


def _date_parts(column: Column, spec: Spec, x: Any, y: Any) -> Bools:
    year, month, day = ((part[x] == part[y]).astype(np.int8) for part in column.dates)
    same: NDArray[np.int8] = year + month + day
    found: Bools = same >= spec["at_least"]
    return found


def _swapped_day(column: Column, _spec: Spec, x: Any, y: Any) -> Bools:
    year = column.dates[0]
    month, day = column.months_and_days
    found: Bools = (x != y) & (year[x] == year[y]) & (month[x] == day[y]) & (day[x] == month[y])
    return found


_CODED: dict[str, Callable[[Column, Spec, Any, Any], Bools]] = {
    "phonetic": _phonetic,
    "initial": _initial,
    "postcode-part": _part,
    "date-parts": _date_parts,
    "day-month-swapped": _swapped_day,
}


# --- kinds that look at each distinct pair of values ---------------------------------------------------------------


def _one_by_one(column: Column, spec: Spec, x: Ints, y: Ints, _connection: Any) -> Bools:
    """The one function, on each distinct pair."""
    test = value_test(spec)
    if test is None:
        raise KeyError(spec["kind"])
    values = column.values
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    return np.array([test(values[a], values[b]) for a, b in pairs], dtype=bool)


def _shares_word(column: Column, spec: Spec, x: Ints, y: Ints, connection: Any) -> Bools:
    """Two different values of one word each share none."""
    space = column.has_space
    worth = np.flatnonzero((x == y) | space[x] | space[y])
    found = np.zeros(len(x), dtype=bool)
    found[worth] = _one_by_one(column, spec, x[worth], y[worth], connection)
    return found


def _edits(column: Column, spec: Spec, x: Ints, y: Ints, connection: Any) -> Bools:
    if spec["at_most"] == 1 and column.is_ascii:
        return kernels.one_edit(column, x, y)
    near = np.flatnonzero(np.abs(column.lengths[x] - column.lengths[y]) <= spec["at_most"])
    found = np.zeros(len(x), dtype=bool)
    found[near] = _one_by_one(column, spec, x[near], y[near], connection)
    return found


def addresses_alike(column: Column, at_least: float, x: Ints, y: Ints, connection: Any) -> Bools:
    """`address_alike` of distinct pairs: house numbers by their code, the other words by Jaro-Winkler."""
    numbers, words, texts = _address_parts(column)
    found: Bools = x == y
    there = np.flatnonzero(~found & (numbers[x] == numbers[y]))
    one, other, place = distinct_pairs(texts, words[x[there]], words[y[there]])
    similar = kernels.jaro_winkler(texts, one, other, connection)
    found[there] = kernels.at_least(similar, at_least, texts, one, other)[place]
    return found


def _address_parts(column: Column) -> tuple[Ints, Ints, Column]:
    if "address_parts" not in column.__dict__:
        numbers, _ = column.numbered(lambda value: "\n".join(address_words(value)[0]))
        words, texts = column.numbered(lambda value: address_words(value)[1])
        column.__dict__["address_parts"] = numbers, words, Column(np.empty(0, dtype=np.int32), texts)
    found: tuple[Ints, Ints, Column] = column.__dict__["address_parts"]
    return found


def _addresses(column: Column, spec: Spec, x: Ints, y: Ints, connection: Any) -> Bools:
    return addresses_alike(column, spec["at_least"], x, y, connection)


_DISTINCT: dict[str, Callable[[Column, Spec, Ints, Ints, Any], Bools]] = {
    "shares-word": _shares_word,
    "damerau-levenshtein": _edits,
    "address-alike": _addresses,
}


# --- kinds that look at several fields -----------------------------------------------------------------------------


def _swapped(chunk: Chunk, field: str, other: str, pairs: Pairs) -> Bools:
    to_other = chunk.table.across(field, other)
    x, y = (side[pairs] for side in chunk.sides(field))
    ox, oy = (side[pairs] for side in chunk.sides(other))
    found: Bools = (x >= 0) & (y >= 0) & (x != y) & (to_other[x] == oy) & (to_other[y] == ox)
    return found


def _other_name(chunk: Chunk, field: str, other: str, pairs: Pairs) -> Bools:
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
        place = pd.factorize(place * (len(chunk.table.column(field).values) + 1) + codes + 1)[0]
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


def _partial_date(chunk: Chunk, field: str, other: str, pairs: Pairs) -> Bools:
    """Few dates are known in part only: these are asked of the one function."""
    x, y = (side[pairs] for side in chunk.sides(other))
    asked = np.flatnonzero((x >= 0) | (y >= 0))
    holds = condition({"kind": "partial-date", "field": field, "other": other})
    found = np.zeros(len(pairs), dtype=bool)
    found[asked] = by_records(chunk, (field, other), pairs[asked], holds) > 0
    return found


_RECORD: dict[str, Callable[[Chunk, str, str, Pairs], Bools]] = {
    "swapped": _swapped,
    "other-name": _other_name,
    "partial-date": _partial_date,
}

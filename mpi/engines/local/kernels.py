"""Comparisons of many pairs of values at once, each with the meaning that `mpi.matching.kinds` gives it.

Values are given by their codes in a column. The one function of each kind is asked wherever columns cannot say.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local.columns import Column, Ints
from mpi.matching import kinds
from mpi.matching.nicknames import are_nicknames, groups_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_NEAR = 1e-9
FEW = 64
"""Pairs of values that are not worth a query."""
_LOW_SEVEN, _HIGH_ONE = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
_AT_ONCE = 1 << 18
"""Pairs whose letters are looked at together: intermediate matrices stay small."""


def one_by_one(column: Column, x: Any, y: Any, test: Callable[[str, str], bool]) -> Bools:
    """The one function on each pair."""
    values = column.values
    return np.array([test(values[a], values[b]) for a, b in zip(x.tolist(), y.tolist(), strict=True)], dtype=bool)


def at_least(similarity: Floats, threshold: float, column: Column, x: Any, y: Any) -> Bools:
    """Whether similarities reach a threshold; one that is within a billionth of it is asked of the one function."""
    found: Bools = similarity >= threshold
    for n in np.flatnonzero(np.abs(similarity - threshold) <= _NEAR).tolist():
        found[n] = kinds.jaro_winkler(column.values[x[n]], column.values[y[n]]) >= threshold
    return found


def jaro_winkler(column: Column, x: Ints, y: Ints, connection: Any) -> Floats:
    """Similarity 0-1 of pairs of values; `x` <= `y`. DuckDB where bytes are characters, else the one function."""
    if len(x) < FEW or not column.is_ascii:
        return np.array(
            [
                kinds.jaro_winkler(column.values[a], column.values[b])
                for a, b in zip(x.tolist(), y.tolist(), strict=True)
            ],
            dtype=np.float64,
        )
    import pyarrow as pa

    cursor = connection.cursor()
    table = pa.table({"x": column.arrow.take(pa.array(x)), "y": column.arrow.take(pa.array(y))})
    cursor.register("pairs_of_values", table)
    found = cursor.execute("SELECT jaro_winkler_similarity(x, y) AS s FROM pairs_of_values").fetchnumpy()["s"]
    cursor.unregister("pairs_of_values")
    cursor.close()
    return np.asarray(found, dtype=np.float64)


def one_edit(column: Column, x: Any, y: Any) -> Bools:
    """Whether at most one letter is put in, left out, changed, or exchanged with its neighbour."""
    if not column.is_ascii:
        return one_by_one(column, x, y, lambda a, b: kinds.damerau_levenshtein(a, b) <= 1)
    found = np.zeros(len(x), dtype=bool)
    for at in range(0, len(x), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        found[part] = _one_edit(column, x[part], y[part])
    return found


def _one_edit(column: Column, x: Any, y: Any) -> Bools:
    lengths = column.lengths
    difference = lengths[x] - lengths[y]
    wrong = _letters_apart(column, x, y)
    found: Bools = (difference == 0) & (wrong <= 1)
    two = np.flatnonzero((difference == 0) & (wrong == 2))
    found[two] = _exchanged_neighbours(column, x[two], y[two])
    for sign, (longer, shorter) in ((1, (x, y)), (-1, (y, x))):
        odd = np.flatnonzero(difference == sign)
        found[odd] = _one_left_out(column, longer[odd], shorter[odd])
    return found


def _letters_apart(column: Column, x: Any, y: Any) -> NDArray[np.uint8]:
    """At how many places two values differ, eight letters at a time: a byte that is not zero sets its highest bit."""
    words = column.words
    wrong = np.zeros(len(x), dtype=np.uint8)
    for place in range(words.shape[1]):
        own = words[:, place]
        unequal = own[x] ^ own[y]
        wrong += np.bitwise_count((((unequal & _LOW_SEVEN) + _LOW_SEVEN) | unequal) & _HIGH_ONE)
    return wrong


def _exchanged_neighbours(column: Column, x: Any, y: Any) -> Bools:
    a, b = column.matrix[x], column.matrix[y]
    unequal = a != b
    rows = np.arange(len(a))
    first = unequal.argmax(axis=1)
    beside = np.minimum(first + 1, a.shape[1] - 1)
    found: Bools = unequal[rows, beside] & (beside > first)
    found &= (a[rows, first] == b[rows, beside]) & (a[rows, beside] == b[rows, first])
    return found


def _one_left_out(column: Column, longer: Any, shorter: Any) -> Bools:
    """Whether the longer value is the shorter one with a letter put in: from the first difference on all is shifted."""
    a, b = column.matrix[longer], column.matrix[shorter]
    before = (a != b).argmax(axis=1)  # the longer value's last letter differs from nothing, so there is a difference
    shifted = a[:, 1:] != b[:, :-1]
    shifted &= np.arange(shifted.shape[1]) >= before[:, None]
    found: Bools = ~shifted.any(axis=1)
    return found


def initial(column: Column, x: Any, y: Any) -> Bools:
    """Whether one of two different values is a single letter and the other begins with it."""
    lengths, firsts = column.lengths, column.firsts
    found: Bools = (x != y) & ((lengths[x] == 1) | (lengths[y] == 1)) & (firsts[x] == firsts[y])
    return found


_MONTH, _DAY = (1 << 40) - (1 << 20), (1 << 20) - 1


def date_parts(column: Column, x: Any, y: Any) -> NDArray[np.int8]:
    """How many of year, month and day two ISO dates share."""
    packed = column.dates[0]
    unequal = packed[x] ^ packed[y]
    year, month = ((unequal >> 40) == 0).astype(np.int8), ((unequal & _MONTH) == 0).astype(np.int8)
    found: NDArray[np.int8] = year + month + ((unequal & _DAY) == 0)
    return found


def day_month_swapped(column: Column, x: Any, y: Any) -> Bools:
    """Whether two different ISO dates of one year have day and month exchanged."""
    packed, swapped = column.dates
    found: Bools = (x != y) & (swapped[x] == packed[y])
    return found


def shares_word(column: Column, x: Any, y: Any) -> Bools:
    """Whether a word of two letters or more stands on both sides."""
    found = np.zeros(len(x), dtype=bool)
    space = column.has_space
    # Two different values of one word each share none.
    worth = np.flatnonzero((x == y) | space[x] | space[y])
    found[worth] = _share(column, "long words", _words, x[worth], y[worth], kinds.shares_word)
    return found


def nicknames(column: Column, x: Any, y: Any) -> Bools:
    """Whether two different values are forms of one given name."""
    found: Bools = (x != y) & _share(column, "nicknames", groups_of, x, y, are_nicknames)
    return found


def _words(value: str) -> frozenset[str]:
    return frozenset(word for word in value.split() if len(word) > 1)


def _share(
    column: Column,
    name: str,
    members: Callable[[str], frozenset[str]],
    x: Any,
    y: Any,
    test: Callable[[str, str], bool],
) -> Bools:
    """Whether the sets of `members` of two values meet; `test` says it of values with too many for a table."""
    own = column.members(name, members)
    found = np.zeros(len(x), dtype=bool)
    for one in range(own.table.shape[1]):
        mine = own.table[:, one][x]
        for other in range(own.table.shape[1]):
            found |= (mine == own.table[:, other][y]) & (mine >= 0)
    rest = np.flatnonzero(own.many[x] | own.many[y])
    found[rest] = one_by_one(column, x[rest], y[rest], test)
    return found

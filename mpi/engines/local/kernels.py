"""Comparisons of many pairs of values at once, each with the meaning that `mpi.matching.kinds` gives it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local.columns import Column, Ints
from mpi.matching import kinds

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_NEAR = 1e-9
FEW = 64
"""Pairs of values that are not worth a query."""


def at_least(similarity: Floats, threshold: float, column: Column, x: Ints, y: Ints) -> Bools:
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


def one_edit(column: Column, x: Ints, y: Ints) -> Bools:
    """Whether at most one letter is put in, left out, changed, or exchanged with its neighbour."""
    matrix, lengths = column.matrix, column.lengths
    found = np.zeros(len(x), dtype=bool)
    difference = lengths[x] - lengths[y]
    same = np.flatnonzero(difference == 0)
    unequal = matrix[x[same]] != matrix[y[same]]
    wrong = unequal.sum(axis=1)
    found[same[wrong <= 1]] = True
    two = np.flatnonzero(wrong == 2)
    first = unequal[two].argmax(axis=1)
    places = same[two]
    rows = np.arange(len(two))
    beside = np.minimum(first + 1, matrix.shape[1] - 1)
    a, b = matrix[x[places]], matrix[y[places]]
    found[places] = (
        unequal[two][rows, beside]
        & (beside > first)
        & (a[rows, first] == b[rows, beside])
        & (a[rows, beside] == b[rows, first])
    )
    for n in np.flatnonzero(np.abs(difference) == 1).tolist():
        found[n] = kinds.damerau_levenshtein(column.values[x[n]], column.values[y[n]]) <= 1
    return found

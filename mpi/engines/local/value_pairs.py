"""The pairs of values that many pairs of records show, each distinct one once, and what was worked out of each."""

from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.local.columns import Column, Ints

Work = Callable[[Column, Ints, Ints], NDArray[Any]]
"""Gives something for each pair of values, by their codes in the column, the lesser first."""


def distinct_pairs(column: Column, x: Any, y: Any) -> tuple[Ints, Ints, Ints]:
    """The distinct pairs of values among these, the lesser first, and for each pair its place among them."""
    import pandas as pd

    size = np.int64(len(column))
    codes = np.minimum(x, y).astype(np.int64) * size + np.maximum(x, y)
    place, distinct = pd.factorize(codes)
    return distinct // size, distinct % size, place


class ValuePairs:
    """One field of `count` pairs of records. Pairs of values are numbered as they are asked for, by any thread."""

    def __init__(self, column: Column, count: int) -> None:
        self.column = column
        self._place = np.full(count, -1, dtype=np.int32)
        self._one: Ints = np.empty(0, dtype=np.int64)
        self._other: Ints = np.empty(0, dtype=np.int64)
        self._known: dict[Hashable, NDArray[Any]] = {}
        self._lock = RLock()

    def ask(self, key: Hashable, work: Work, pairs: Any, x: Any, y: Any) -> NDArray[Any]:
        """What `work` gives for these pairs, whose values have the codes `x` and `y`; kept under `key`."""
        with self._lock:
            places = self._numbered(pairs, x, y)
            known = self._known.get(key)
            done = 0 if known is None else len(known)
            if done < len(self._one):
                new = work(self.column, self._one[done:], self._other[done:])
                known = new if known is None else np.concatenate((known, new))
                self._known[key] = known
        if known is None:  # nothing was ever asked: no pairs
            return work(self.column, self._one, self._other)
        found: NDArray[Any] = known[places]
        return found

    def _numbered(self, pairs: Any, x: Any, y: Any) -> NDArray[np.int32]:
        places: NDArray[np.int32] = self._place[pairs]
        new = np.flatnonzero(places < 0)
        if len(new):
            one, other, own = distinct_pairs(self.column, x[new], y[new])
            places[new] = own + len(self._one)
            self._place[pairs] = places
            self._one, self._other = np.concatenate((self._one, one)), np.concatenate((self._other, other))
        return places

"""Whether pairs of records were ever compared: whether they share a blocking key that is not too common."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import Dataset
from mpi.matching.block import BLOCK_LIMIT, blocking_keys


def share_a_key(data: Dataset, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each pair (a row of two record numbers) whether its records share a usable blocking key."""
    wanted = np.zeros(data.records, dtype=bool)
    wanted[pairs.ravel()] = True
    shared = np.zeros(len(pairs), dtype=bool)
    if not len(pairs):
        return shared
    of_record: dict[int, frozenset[str]] = {}
    counts: Counter[int] = Counter()
    for record, person in enumerate(data.people()):
        keys = blocking_keys(person)
        # Hashes of this process only say which keys are common: a clash of two would hide one pair in billions.
        counts.update(map(hash, keys))
        if wanted[record]:
            of_record[record] = frozenset(keys)
    for place, (one, other) in enumerate(pairs.tolist()):
        both = of_record[one] & of_record[other]
        shared[place] = any(counts[hash(key)] <= BLOCK_LIMIT for key in both)
    return shared

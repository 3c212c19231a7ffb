"""The engine that other engines are held against: the functions of real time, pair by pair. For small data."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import MISSING, Dataset, PairPatterns, Progress, silent
from mpi.engines.pairs import blocked
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.compare import MISSING as NO_LEVEL
from mpi.matching.facts import facts_of
from mpi.matching.kinds import getter
from mpi.matching.model import Comparison, LinkageModel
from mpi.matching.prepared import Prepared

_STEPS = 1000


class ReferenceEngine:
    """Plain Python over prepared records."""

    name = "reference"

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """As `Engine.pairs`."""
        people = list(data.people())
        n = max(len(people), 1)
        codes = blocked(people)
        left, right = (codes // n).astype(np.int32), (codes % n).astype(np.int32)
        if between:
            source = sources_of(data)
            kept = source[left] != source[right]
            left, right = left[kept], right[kept]
        levels: list[list[int]] = [[] for _ in model.comparisons]
        terms: list[list[float]] = [[] for _ in model.comparisons]
        facts: list[int] = []
        step = max(len(left) // _STEPS, 1)
        for place, (i, j) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
            if place % step == 0:
                progress("comparing", place / len(left))
            a, b = people[i], people[j]
            for number, (compare, comparison) in enumerate(zip(model.comparers, model.comparisons, strict=True)):
                level = compare(a, b)
                levels[number].append(MISSING if level == NO_LEVEL else level)
                terms[number].append(_term(model, comparison, level, a, b))
            facts.append(facts_of(a, b))
        skipped = _skipped(people)
        return PairPatterns(
            left,
            right,
            [np.array(column, dtype=np.uint8) for column in levels],
            [
                np.array(column, dtype=np.float64) if comparison.table else None
                for comparison, column in zip(model.comparisons, terms, strict=True)
            ],
            np.array(facts, dtype=np.int64),
            skipped_keys=len(skipped),
            skipped_records=sum(skipped),
        )


def sources_of(data: Dataset) -> NDArray[np.int64]:
    """The place of each record's file."""
    import pyarrow.parquet as pq

    found: NDArray[np.int64] = np.array(pq.read_table(data.prepared, columns=["source"])["source"].to_pylist())
    return found


def _term(model: LinkageModel, comparison: Comparison, level: int, a: Prepared, b: Prepared) -> float:
    """The bits of the frequency table, 0 where the level takes no share of them or a side has no value."""
    if comparison.table is None or level == NO_LEVEL or not comparison.levels[level].frequency:
        return 0.0
    get = getter(comparison.table)
    x, y = get(a), get(b)
    if x is None or y is None:
        return 0.0
    table = model.frequencies[comparison.table]
    return min(table.bits(x), table.bits(y))


def _skipped(people: Sequence[Prepared]) -> list[int]:
    """How many records share each key that is too common."""
    counts = Counter(key for p in people for key in blocking_keys(p))
    return [count for count in counts.values() if count > BLOCK_LIMIT]

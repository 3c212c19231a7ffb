"""A model estimated from a prepared data set over columns: the very model that `mpi.engines.estimate` gives."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mpi.domain.errors import BadInput
from mpi.engines.base import Dataset, Progress, silent
from mpi.engines.estimate import Counted, from_counts
from mpi.engines.local.columns import Table
from mpi.engines.local.engine import Compared, LocalEngine
from mpi.engines.pairs import SHARED_VALUES, Codes, sample_sharing, stratified
from mpi.engines.weigh_columns import counted_patterns
from mpi.matching.model import Comparison, LinkageModel
from mpi.matching.shape import starting_model
from mpi.matching.train import TARGET_FALSE_LINKS, Pattern


@runtime_checkable
class Comparing(Protocol):
    """What an estimate asks of the engine that compares: `LocalEngine` and the Spark engine do it."""

    def table(self, data: Dataset) -> Table:
        """The data set's columns, for the samples that are drawn here."""
        ...

    def compared(self, data: Dataset, comparisons: Sequence[Comparison], *, progress: Progress = silent) -> Compared:
        """The candidate pairs and their levels."""
        ...

    def levels(
        self,
        table: Table,
        comparisons: Sequence[Comparison],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        progress: Progress = silent,
    ) -> list[NDArray[np.uint8]]:
        """The level of each comparison for each of these pairs."""
        ...


def estimate(
    data: Dataset,
    engine: Comparing | None = None,
    *,
    seed: int,
    name: str = "trained",
    population: int | None = None,
    target: float = TARGET_FALSE_LINKS,
    progress: Progress = silent,
) -> LinkageModel:
    """A model of this data set, estimated without truth; the same data and seed give the same model.

    Given the `engine` that is to link, pairs and levels are worked out once for both. `population` and `target` are
    those of `mpi.engines.estimate.estimate`. Raises `BadInput` where there are fewer than two records.
    """
    if data.records < 2:
        raise BadInput("a model needs at least two records to be estimated from", code="too-few-records")
    return _Estimate(data, engine or LocalEngine(), seed, progress).model(name, population, target)


class _Estimate:
    """One estimate: records are numbered without placeholder persons, as the pure functions number them."""

    def __init__(self, data: Dataset, engine: Comparing, seed: int, progress: Progress) -> None:
        self.data = data
        self.engine = engine
        self.seed = seed
        self.progress = progress
        self.table: Table = engine.table(data)
        self.known = np.flatnonzero(~self.table.flag("placeholder"))
        self.number = np.cumsum(~self.table.flag("placeholder")) - 1
        self.random = np.random.default_rng(seed)

    def model(self, name: str, population: int | None, target: float) -> LinkageModel:
        """The model."""
        whole, partial = (
            int((self.table.column(field).codes[self.known] >= 0).sum()) for field in ("birth", "birth_partial")
        )
        start = starting_model(self.data.extras, name=name, births_in_years=partial > whole)
        found = self.engine.compared(self.data, start.comparisons, progress=self.progress)
        n = len(self.known)
        in_blocks = self.number[found.pairs.left] * n + self.number[found.pairs.right]
        parts = stratified(n, in_blocks, self._sharing, self._share, self.random)
        sizes = [len(c.levels) for c in start.comparisons]
        others: dict[Pattern, float] = {}
        for part in parts[1:]:
            left, right = (self.known[side].astype(np.int32) for side in (part.codes // n, part.codes % n))
            levels = self.engine.levels(self.table, start.comparisons, left, right)
            for pattern, count in counted_patterns(levels, sizes).items():
                others[pattern] = others.get(pattern, 0.0) + count * part.weight
        counted = Counted(
            records=n,
            blocked={pattern: float(count) for pattern, count in counted_patterns(found.levels, sizes).items()},
            others=others,
            looked_at=sum(len(part.codes) for part in parts),
            values={field: self._values(field) for field in start.frequencies},
        )
        self.progress("train", 0.5)
        model = from_counts(start, counted, seed=self.seed, population=population, target=target)
        self.progress("train", 1.0)
        return model

    def _values(self, field: str) -> dict[str, int]:
        column = self.table.column(field)
        codes = column.codes[self.known]
        counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
        return {value: count for value, count in zip(column.values, counts.tolist(), strict=True) if count}

    def _sharing(self, sample: int) -> tuple[Codes, float]:
        members: list[NDArray[np.int64]] = []
        sizes: list[NDArray[np.int64]] = []
        for field in sorted(SHARED_VALUES):
            codes = self.table.column(field).codes[self.known]
            # Code and record in one number: sorting these is many times as fast as a stable order of the codes.
            placed = np.sort(codes[codes >= 0].astype(np.int64) << 32 | np.flatnonzero(codes >= 0))
            order = placed & 0xFFFFFFFF
            counts = np.bincount(codes[order])
            members.append(order[counts[codes[order]] > 1])
            sizes.append(counts[counts > 1])
        return sample_sharing(_joined(members), _joined(sizes), len(self.known), sample, self.random)

    def _share(self, left: Codes, right: Codes) -> NDArray[np.bool_]:
        found = np.zeros(len(left), dtype=bool)
        for field in SHARED_VALUES:
            codes = self.table.column(field).codes[self.known]
            x, y = codes[left], codes[right]
            found |= (x == y) & (x >= 0)
        return found


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.concatenate(parts).astype(np.int64)
    return found

"""The Spark engine: blocking, levels, terms and facts of all pairs as Spark jobs over Parquet."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import Dataset, PairPatterns, Progress, silent
from mpi.engines.local.columns import Table
from mpi.engines.local.engine import Compared
from mpi.engines.local.keys import Candidates
from mpi.engines.spark.run import Run
from mpi.engines.spark.session import spark_session
from mpi.matching.model import Comparison, LinkageModel


class SparkEngine:
    """Works out pairs on Spark: on this machine, or on the cluster that `spark-submit` or `SPARK_MASTER` names.

    The data set's folder must be one that driver and workers see. What Spark writes lies in its folder `spark` and is
    removed when the pairs have been read. Every method raises `MissingExtra` without pyspark and `TemporaryFailure`
    where Spark does not start or a job fails.
    """

    name = "spark"

    def __init__(self, *, master: str | None = None, partitions: int | None = None) -> None:
        self.master = master
        self.partitions = partitions
        self._data: Dataset | None = None

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """Patterns of all candidate pairs, and facts of those that a rule can ask about."""
        with self._run(data, progress) as run:
            pairs, skipped_keys, skipped_records = run.blocked(between=between)
            found = run.patterns(pairs, model)
        return PairPatterns(
            left=_numbers(found, "left_rid"),
            right=_numbers(found, "right_rid"),
            levels=_levels(found, len(model.comparisons)),
            terms=[
                found.column(f"term_{place}").to_numpy() if c.table else None
                for place, c in enumerate(model.comparisons)
            ],
            facts=found.column("facts").to_numpy(),
            skipped_keys=skipped_keys,
            skipped_records=skipped_records,
            seconds=run.seconds,
        )

    # --- what training asks of an engine -----------------------------------------------------------------------------

    def table(self, data: Dataset) -> Table:
        """The data set's columns, read here as they are asked for: training draws its samples from four of them."""
        self._data = data
        return Table(data)

    def compared(
        self,
        data: Dataset,
        comparisons: Sequence[Comparison],
        *,
        between: bool = False,
        progress: Progress = silent,
    ) -> Compared:
        """The candidate pairs and their levels."""
        with self._run(data, progress) as run:
            pairs, skipped_keys, skipped_records = run.blocked(between=between)
            found = run.levels(pairs, comparisons)
        candidates = Candidates(
            _numbers(found, "left_rid"), _numbers(found, "right_rid"), skipped_keys, skipped_records
        )
        return Compared(candidates, _levels(found, len(comparisons)), run.seconds)

    def levels(
        self,
        table: Table,
        comparisons: Sequence[Comparison],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        progress: Progress = silent,
    ) -> list[NDArray[np.uint8]]:
        """The level of each comparison for each pair of the data set that `table` was asked for last."""
        data = self._data
        if data is None or table.records != data.records:
            raise ValueError("levels are asked of the data set whose table was asked for last")
        with self._run(data, progress) as run:
            found = run.levels(run.chosen(np.minimum(left, right), np.maximum(left, right)), comparisons)
        # The answer is sorted by pair; the question need not be.
        order = np.lexsort((np.maximum(left, right), np.minimum(left, right)))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return [level[back] for level in _levels(found, len(comparisons))]

    @contextmanager
    def _run(self, data: Dataset, progress: Progress) -> Iterator[Run]:
        work = data.folder / "spark"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield Run(spark_session(master=self.master, partitions=self.partitions), data, work, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _numbers(found: Any, name: str) -> NDArray[np.int32]:
    numbers: NDArray[np.int32] = found.column(name).to_numpy().astype(np.int32)
    return numbers


def _levels(found: Any, count: int) -> list[NDArray[np.uint8]]:
    return [found.column(f"level_{place}").to_numpy().astype(np.uint8) for place in range(count)]

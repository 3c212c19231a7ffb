"""The engine for one machine: candidate pairs, levels and facts over columns, in chunks of bounded size."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import MISSING, Dataset, PairPatterns, Progress, Weighed, silent, take_memory_plainly
from mpi.engines.local.columns import Table
from mpi.engines.local.facts import PairFacts
from mpi.engines.local.keys import Candidates, candidates
from mpi.engines.local.levels import Chunk
from mpi.engines.local.room import LIMIT, Room
from mpi.engines.weigh_columns import asked, weigh
from mpi.matching.model import Comparison, LinkageModel
from mpi.matching.weigh import Terms

CHUNK = 1 << 21
"""Pairs compared at a time: what many of them have in common is worked out once."""


@dataclass
class Compared:
    """Candidate pairs with their levels: what training and linking of one data set share."""

    pairs: Candidates
    levels: list[NDArray[np.uint8]]
    seconds: dict[str, float] = field(default_factory=dict)


class LocalEngine:
    """Pairs, patterns and facts on this machine. Keeps the data set it looked at last, for a second question.

    The answer is the same whatever the number of threads. `memory` limits DuckDB, which works out similarities; a
    column of pairs of more than `column_limit` bytes lies in a file in the data set's folder.
    """

    name = "local"

    def __init__(self, *, threads: int = 2, memory: str = "1GB", column_limit: int = LIMIT) -> None:
        import duckdb

        take_memory_plainly()
        self.threads = threads
        self.column_limit = column_limit
        self.connection = duckdb.connect(config={"threads": 1, "memory_limit": memory})
        self._data: Dataset | None = None
        self._table: Table | None = None
        self._compared: tuple[tuple[object, ...], Compared] | None = None

    def table(self, data: Dataset) -> Table:
        """The data set's columns."""
        if self._table is None or self._data != data:
            room = Room(data.folder, self.column_limit)
            self._data, self._table, self._compared = data, Table(data, room), None
        return self._table

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """Patterns of all candidate pairs, and facts of those that a rule can ask about."""
        compared = self.compared(data, model.comparisons, between=between, progress=progress)
        table, found = self.table(data), compared.pairs
        begin = time.perf_counter()
        terms = self.terms(table, model, compared)
        weighed = weigh(model, compared.levels, terms, table.room.empty)
        facts = self._facts(table, compared, weighed, progress)
        seconds = {**compared.seconds, "facts": time.perf_counter() - begin}
        return PairPatterns(
            found.left,
            found.right,
            compared.levels,
            terms,
            facts,
            found.skipped_keys,
            found.skipped_records,
            seconds,
            weighed,
        )

    def compared(
        self,
        data: Dataset,
        comparisons: Sequence[Comparison],
        *,
        between: bool = False,
        progress: Progress = silent,
    ) -> Compared:
        """The candidate pairs and their levels; the last answer is kept, weights do not matter to it."""
        table = self.table(data)
        question = (between, _conditions(comparisons))
        if self._compared is None or self._compared[0] != question:
            begin = time.perf_counter()
            progress("block", 0.0)
            found = candidates(table, between=between, threads=self.threads)
            blocked = time.perf_counter()
            progress("block", 1.0)
            levels = self.levels(table, comparisons, found.left, found.right, progress)
            seconds = {"block": blocked - begin, "compare": time.perf_counter() - blocked}
            self._compared = question, Compared(found, levels, seconds)
        return self._compared[1]

    def levels(
        self,
        table: Table,
        comparisons: Sequence[Comparison],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        progress: Progress = silent,
    ) -> list[NDArray[np.uint8]]:
        """The level of each comparison for each pair."""
        found = [table.room.empty(len(left), np.uint8) for _ in comparisons]
        parts = _parts(len(left), 1)
        # Those with most levels first, so that no thread is left with one of them at the end.
        order = sorted(range(len(comparisons)), key=lambda place: -len(comparisons[place].levels))
        with ThreadPoolExecutor(self.threads) as pool:
            for done, part in enumerate(parts, 1):
                chunk = Chunk(table, left[part], right[part], self.connection)
                levels = pool.map(chunk.level, [comparisons[place] for place in order])
                for place, own in zip(order, levels, strict=True):
                    found[place][part] = own
                progress("compare", done / len(parts))
        return found

    def terms(self, table: Table, model: LinkageModel, compared: Compared) -> list[NDArray[np.float64] | None]:
        """Per comparison the bits of its frequency table for each pair, 0 where the level takes no share of them."""

        def of_comparison(place: int) -> NDArray[np.float64] | None:
            c = model.comparisons[place]
            if c.table is None:
                return None
            column, of = table.column(c.table), Terms(model, c).of
            bits = np.array([*(of(value) for value in column.values), 0.0])
            shares = np.zeros(MISSING + 1, dtype=bool)
            shares[: len(c.levels)] = [level.frequency != 0.0 for level in c.levels]
            term = table.room.zeros(len(compared.pairs.left), np.float64)
            for part in _parts(len(term), 1):
                pairs = part.start + np.flatnonzero(shares[compared.levels[place][part]])
                x, y = column.codes[compared.pairs.left[pairs]], column.codes[compared.pairs.right[pairs]]
                own = np.minimum(bits[x], bits[y])
                own[(x < 0) | (y < 0)] = 0.0
                term[pairs] = own
            return term

        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(of_comparison, range(len(model.comparisons))))

    def _facts(self, table: Table, compared: Compared, weighed: Weighed, progress: Progress) -> NDArray[np.int64]:
        left, right = compared.pairs.left, compared.pairs.right
        names = ("nhs_number", "other_id", "birth")
        with ThreadPoolExecutor(self.threads) as pool:
            same = list(pool.map(lambda name: _equal(table, name, left, right), names))
        wanted = np.flatnonzero(asked(weighed.zones, *same))
        facts = table.room.zeros(len(left), np.int64)

        def work(part: slice) -> None:
            own = wanted[part]
            facts[own] = PairFacts(Chunk(table, left[own], right[own], self.connection)).work_out()

        parts = _parts(len(wanted), self.threads)
        with ThreadPoolExecutor(self.threads) as pool:
            for done, _ in enumerate(pool.map(work, parts), 1):
                progress("facts", done / len(parts))
        return facts


def _conditions(comparisons: Sequence[Comparison]) -> tuple[object, ...]:
    """What levels depend on: neither names nor m and u."""
    return tuple((c.needs, tuple(level.when for level in c.levels)) for c in comparisons)


def _equal(table: Table, field: str, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.bool_]:
    codes = table.column(field).codes
    x, y = codes[left], codes[right]
    found: NDArray[np.bool_] = (x == y) & (x >= 0)
    return found


def _parts(count: int, threads: int) -> list[slice]:
    """Slices of no more than `CHUNK`, at least one for each thread where there is much to do."""
    size = min(CHUNK, max(count // threads + 1, 20_000))
    return [slice(at, min(at + size, count)) for at in range(0, count, size)]

"""The engine on recordlinkage: its `Index` over our blocking keys, its `Compare` with our levels as compare features.

For small data: a second way to the same answers, in the toolkit that analysts know. `level_features` and `BlockingKeys`
serve in notebooks by themselves. recordlinkage and pandas are imported when they are used.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mpi.engines.base import MISSING, Dataset, PairPatterns, Progress, silent
from mpi.engines.reference import sources_of
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.compare import MISSING as NO_LEVEL
from mpi.matching.compare import Comparer
from mpi.matching.facts import facts_of
from mpi.matching.kinds import getter
from mpi.matching.model import Comparison, Frequencies, LinkageModel
from mpi.matching.prepared import Prepared

if TYPE_CHECKING:
    import pandas as pd

RECORD = "record"
"""The column of a frame that holds a record's `Prepared`."""


def frame_of(people: Sequence[Prepared], sources: Sequence[int] | None = None) -> "pd.DataFrame":
    """A frame as the classes below read it: `record` and `source`, the index being the record's number from 0."""
    import pandas as pd

    return pd.DataFrame({RECORD: pd.Series(list(people), dtype=object), "source": list(sources or [0] * len(people))})


@cache
def _classes() -> tuple[Any, Any]:
    """Our two classes, made when recordlinkage is first needed: its base classes cost two seconds to import."""
    import pandas as pd
    from recordlinkage.base import BaseCompareFeature, BaseIndexAlgorithm

    class BlockingKeys(BaseIndexAlgorithm):  # type: ignore[misc]  # it has no annotations
        """All pairs of a frame's records that share one of our blocking keys; `limit` as `BLOCK_LIMIT`."""

        def __init__(self, *, limit: int = BLOCK_LIMIT, between: bool = False, **rest: Any) -> None:
            super().__init__(**rest)
            self.limit = limit
            self.between = between
            self.skipped: list[int] = []

        def _dedup_index(self, df_a: pd.DataFrame) -> pd.MultiIndex:
            return self._pairs(df_a)

        def _pairs(self, frame: pd.DataFrame) -> pd.MultiIndex:
            keys = frame[RECORD].map(blocking_keys).explode().dropna()
            sizes = keys.groupby(keys).size()
            self.skipped = sizes[sizes > self.limit].tolist()
            kept = keys[keys.map(sizes).between(2, self.limit)]
            table = pd.DataFrame({"key": kept.array, "left": kept.index}).merge(
                pd.DataFrame({"key": kept.array, "right": kept.index}), on="key"
            )
            table = table[table["left"] < table["right"]][["left", "right"]].drop_duplicates()
            if self.between:
                source = frame["source"]
                apart = source.loc[table["left"]].to_numpy() != source.loc[table["right"]].to_numpy()
                table = table[apart]
            return pd.MultiIndex.from_frame(table.sort_values(["left", "right"]), names=["left", "right"])

    class LevelFeature(BaseCompareFeature):  # type: ignore[misc]  # the same
        """One of our comparisons as a compare feature: the place of the level, 255 where it is missing."""

        name = "level"
        description = "The agreement level of a linkage model's comparison."

        def __init__(self, comparer: Comparer, label: str) -> None:
            super().__init__(RECORD, RECORD, label=label)
            self.comparer = comparer

        def _compute_vectorized(self, left: pd.Series, right: pd.Series) -> pd.Series:
            found = [self.comparer(a, b) for a, b in zip(left, right, strict=True)]
            levels = np.array([MISSING if level == NO_LEVEL else level for level in found], dtype=np.uint8)
            return pd.Series(levels, index=left.index)

    return BlockingKeys, LevelFeature


def blocking_index(*, limit: int = BLOCK_LIMIT, between: bool = False) -> Any:
    """A recordlinkage index algorithm over our blocking keys; add it to a `recordlinkage.Index`.

    After use its `skipped` holds how many records share each key above `limit`.
    """
    return _classes()[0](limit=limit, between=between)


def level_features(model: LinkageModel) -> list[Any]:
    """Compare features, one for each comparison of the model: give them to a `recordlinkage.Compare`."""
    made = _classes()[1]
    return [made(comparer, c.name) for comparer, c in zip(model.comparers, model.comparisons, strict=True)]


class RecordLinkageEngine:
    """Works out pairs by recordlinkage."""

    name = "recordlinkage"

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """As `Engine.pairs`."""
        import recordlinkage

        progress("blocking", 0.0)
        frame = frame_of(list(data.people()), sources_of(data).tolist())
        blocking = blocking_index(between=between)
        # Fewer than two records have no pairs, and recordlinkage divides by their number.
        index = recordlinkage.Index([blocking]).index(frame) if len(frame) > 1 else blocking.index(frame)
        progress("comparing", 0.0)
        left = index.get_level_values(0).to_numpy().astype(np.int32)
        right = index.get_level_values(1).to_numpy().astype(np.int32)
        levels = self._levels(index, frame, model)
        records = frame[RECORD].tolist()
        people = [(records[i], records[j]) for i, j in zip(left.tolist(), right.tolist(), strict=True)]
        return PairPatterns(
            left,
            right,
            levels,
            [
                np.array(_terms(c, model.frequencies[c.table], level.tolist(), people)) if c.table else None
                for c, level in zip(model.comparisons, levels, strict=True)
            ],
            np.array([facts_of(a, b) for a, b in people], dtype=np.int64),
            skipped_keys=len(blocking.skipped),
            skipped_records=sum(blocking.skipped),
        )

    def _levels(self, index: Any, frame: Any, model: LinkageModel) -> list[Any]:
        import recordlinkage

        if len(index) == 0:
            return [np.empty(0, dtype=np.uint8) for _ in model.comparisons]
        found = recordlinkage.Compare(level_features(model), indexing_type="position").compute(index, frame)
        return [found[c.name].to_numpy().astype(np.uint8) for c in model.comparisons]


def _terms(
    comparison: Comparison, table: Frequencies, levels: Sequence[int], pairs: Sequence[tuple[Prepared, Prepared]]
) -> list[float]:
    """The bits of the commoner value where the level takes a share of them, else 0."""
    get = getter(comparison.table or "")
    sharing = {place for place, level in enumerate(comparison.levels) if level.frequency}
    found = []
    for level, (a, b) in zip(levels, pairs, strict=True):
        x, y = (get(a), get(b)) if level in sharing else (None, None)
        found.append(0.0 if x is None or y is None else min(table.bits(x), table.bits(y)))
    return found

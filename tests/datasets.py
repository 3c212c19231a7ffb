"""Prepared records written as the folder that batch engines read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mpi.engines.base import FLAGS, TEXTS, Dataset
from mpi.matching.prepared import Prepared


def write_dataset(
    folder: Path,
    people: Sequence[Prepared],
    *,
    sources: Sequence[int] | None = None,
    extras: Mapping[str, str] | None = None,
) -> Dataset:
    """The records in their order; `sources` is the file of each, `extras` the user's own fields and their kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(people)
    columns: dict[str, pa.Array] = {
        "source": pa.array(sources or [0] * count, pa.int16()),
        "line": pa.array(range(1, count + 1), pa.int64()),
        "record_id": pa.array([f"r{n}" for n in range(count)], pa.string()),
        "authority": pa.nulls(count, pa.string()),
    }
    columns |= {name: pa.array([getattr(p, name) for p in people], pa.string()) for name in TEXTS}
    columns |= {name: pa.array([getattr(p, name) for p in people], pa.bool_()) for name in FLAGS}
    for name in extras or {}:
        columns[f"extra.{name}"] = pa.array([dict(p.extra).get(name) for p in people], pa.string())
    pq.write_table(pa.table(columns), folder / "prepared.parquet")
    about = {"records": count, "extras": dict(extras or {}), "sources": sorted(set(sources or [0])), "problems": {}}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return Dataset(folder)

"""Synthetic rows written to CSV or Parquet, in bounded memory."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from mpi.domain.errors import BadInput
from mpi.synth.population import COLUMNS, Row

_CHUNK = 50_000


def write(rows: Iterable[Row], path: Path) -> int:
    """Write rows to `path` (`.csv` or `.parquet`); gives their number. Empty is null in Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        return _csv(rows, path)
    if path.suffix == ".parquet":
        return _parquet(rows, path)
    raise BadInput(f"{path.name}: a synthetic population is written as .csv or .parquet", field="out")


def _csv(rows: Iterable[Row], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([row[name] for name in COLUMNS])
            count += 1
    return count


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _parquet(rows: Iterable[Row], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for chunk in _chunks(rows):
            columns = [pa.array([row[name] or None for row in chunk], pa.string()) for name in COLUMNS]
            writer.write_table(pa.table(columns, schema=schema))
            count += len(chunk)
    return count

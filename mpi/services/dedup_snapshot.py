"""The index as batch linkage sees it: every record prepared, and what humans and earlier runs have decided."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import FLAGS, TEXTS, Dataset
from mpi.matching.cluster import Standing
from mpi.matching.prepared import Prepared
from mpi.store.unit_of_work import UnitOfWork
from mpi.store.whole import IndexRow, MergedRow

_BATCH = 20_000
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Snapshot:
    """Records by number (`rid`): first those that belong to a person, in order of id, then those merged into others."""

    data: Dataset
    """Prepared values of the records that belong to a person."""
    ids: Ints
    """Record ids; `count` of them belong to a person."""
    count: int
    versions: Ints
    persons: Ints
    standing: Standing
    doubtful: frozenset[int]
    """Persons of several records of whom it is being asked whether all are theirs: nobody joins them."""

    def rid(self, record_id: int) -> int:
        """The number of a record that belongs to a person."""
        return int(np.searchsorted(self.ids[: self.count], record_id))


@dataclass(slots=True)
class _Kept:
    """What is kept of each record beside its prepared values."""

    ids: list[int]
    versions: list[int]
    persons: list[int]
    numbers: list[str | None]
    verified: list[bool]


def take(unit: UnitOfWork, folder: Path) -> Snapshot:
    """The index as `unit` sees it; prepared values are written to `folder`."""
    kept = _Kept([], [], [], [], [])
    folder.mkdir(parents=True, exist_ok=True)
    _write(unit.whole.records(), folder, kept)
    count = len(kept.ids)
    (folder / "dataset.json").write_text(json.dumps({"records": count, "extras": {}}), encoding="utf-8")
    merged = unit.whole.merged()
    for row in merged:
        kept.ids.append(row.id)
        kept.numbers.append(row.number)
        kept.verified.append(row.verified)
    ids = np.array(kept.ids, dtype=np.int64)
    place = {record: rid for rid, record in enumerate(kept.ids)}
    persons = np.array(kept.persons, dtype=np.int64)
    apart = [(place[a], place[b]) for a, b in unit.whole.kept_apart() if a in place and b in place]
    standing = Standing(
        _codes(kept.numbers),
        np.array(kept.verified, dtype=bool),
        _ends(apart),
        np.concatenate((_of_one_person(persons), _ends(_chains(merged, place)))),
    )
    doubtful = {int(persons[place[r]]) for r in unit.whole.in_doubt() if r in place and place[r] < count}
    several = {int(p) for p, n in zip(*np.unique(persons, return_counts=True), strict=True) if n > 1}
    return Snapshot(
        Dataset(folder),
        ids,
        count,
        np.array(kept.versions, dtype=np.int64),
        persons,
        standing,
        frozenset(doubtful & several),
    )


def _write(rows: Iterator[IndexRow], folder: Path, kept: _Kept) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flags = dict.fromkeys(FLAGS, pa.bool_())
    head = {"source": pa.int16(), "line": pa.int64(), "record_id": pa.string(), "authority": pa.string()}
    schema = pa.schema([*head.items(), *((name, flags.get(name, pa.string())) for name in (*TEXTS, *FLAGS))])
    with pq.ParquetWriter(folder / "prepared.parquet", schema, compression="lz4") as writer:
        while batch := list(islice(rows, _BATCH)):
            people = [Prepared.from_json(row.prepared) for row in batch]
            columns: dict[str, object] = {
                "source": [0] * len(batch),
                "line": [row.id for row in batch],
                "record_id": [str(row.id) for row in batch],
                "authority": [row.authority for row in batch],
            }
            columns |= {name: [getattr(p, name) for p in people] for name in (*TEXTS, *FLAGS)}
            writer.write_table(pa.table(columns, schema=schema))
            kept.ids += [row.id for row in batch]
            kept.versions += [row.version for row in batch]
            kept.persons += [row.person_id for row in batch]
            kept.numbers += [p.nhs for p in people]
            kept.verified += [p.nhs_verified for p in people]


def _codes(numbers: Iterable[str | None]) -> Ints:
    seen: dict[str, int] = {}
    return np.array([-1 if n is None else seen.setdefault(n, len(seen)) for n in numbers], dtype=np.int64)


def _ends(pairs: Iterable[tuple[int, int]]) -> Ints:
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def _of_one_person(persons: Ints) -> Ints:
    """Pairs that tie each person's records together, first to each other one."""
    order = np.argsort(persons, kind="stable")
    labels = persons[order]
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    first = np.repeat(order[starts], np.diff(np.append(starts, len(labels))))
    pairs: Ints = np.column_stack((first, order))
    several: Ints = pairs[pairs[:, 0] != pairs[:, 1]]
    return several


def _chains(merged: list[MergedRow], place: dict[int, int]) -> list[tuple[int, int]]:
    return [(place[row.id], place[row.merged_into]) for row in merged if row.merged_into in place]

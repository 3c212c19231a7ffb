"""Recorded text in columns made into a prepared data set: each distinct value is read once and joined back.

Every row equals what `mpi.matching.prepare.prepare` makes of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.engines.base import FLAGS, TEXTS, Dataset, Progress, silent
from mpi.engines.distinct import NAME_PARTS, Readers, Row, readers
from mpi.matching.prepare import READERS, TEST_PEOPLE

Codes = NDArray[np.int32]
"""For each record the place of its value in a list, -1 where it has none."""
FIRST_LINES = 5
_NAMES = ("family_name", "given_name", "previous_family_name")


@dataclass
class Coded:
    """A column as codes into its distinct values, and the row that each distinct value was read into."""

    codes: Codes
    rows: list[Row]

    def flags(self, place: int) -> NDArray[np.bool_]:
        """Whether each record's value has this place of its row set."""
        own = np.array([bool(row[place]) for row in self.rows] + [False], dtype=bool)
        found: NDArray[np.bool_] = own[self.codes]
        return found

    def text(self, place: int) -> "Text":
        """This place of each record's row."""
        return Text.of([row[place] for row in self.rows], self.codes)


@dataclass
class Text:
    """A prepared column: codes into `values`, which are sorted and distinct."""

    codes: Codes
    values: list[str]

    @staticmethod
    def of(read: Sequence[Any], codes: Codes) -> "Text":
        """The column that has `read[code]` for each code, None being missing."""
        values = sorted({value for value in read if value is not None})
        place = {value: n for n, value in enumerate(values)}
        own = np.array([-1 if value is None else place[value] for value in read] + [-1], dtype=np.int32)
        return Text(own[codes], values)

    def __or__(self, other: "Text") -> "Text":
        """This column, and the other's value where this one has none."""
        values = sorted({*self.values, *other.values})
        place = {value: n for n, value in enumerate(values)}
        mine = np.array([*(place[v] for v in self.values), -1], dtype=np.int32)[self.codes]
        theirs = np.array([*(place[v] for v in other.values), -1], dtype=np.int32)[other.codes]
        return Text(np.where(mine < 0, theirs, mine), values)

    def equals(self, value: str) -> NDArray[np.bool_]:
        """Whether each record has this value."""
        place = self.values.index(value) if value in self.values else -2
        found: NDArray[np.bool_] = self.codes == place
        return found

    def arrow(self) -> Any:
        """The column as Arrow's dictionary type: Parquet keeps it so."""
        import pyarrow as pa

        indices = pa.array(self.codes, mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.values, pa.string()))


def prepare_dataset(
    raw: Path,
    folder: Path,
    *,
    extras: Mapping[str, str] | None = None,
    allow_test_numbers: bool = True,
    workers: int = 2,
    sources: Sequence[str] = (),
    progress: Progress = silent,
) -> Dataset:
    """Prepare the records of `raw` (Parquet of text: `file`, `line`, columns of a person file, `extra.NAME`).

    Any column may be missing; without `file` and `line` it is one file and its rows count from 1. `extras` are the
    user's own fields and how each is compared. `sources` are the files' names, kept for reports. Writes `folder`.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    file = pq.ParquetFile(raw)
    kinds = {name: kind for name, kind in sorted((extras or {}).items()) if f"extra.{name}" in file.schema_arrow.names}
    kinds |= {name: kind for name, kind in (extras or {}).items() if name not in kinds}
    job = _Job(file, dict(sorted(kinds.items())), progress)
    with readers(job.count, workers=workers, allow_test_numbers=allow_test_numbers) as reading:
        job.read(reading)
    job.write(folder / "prepared.parquet")
    about = {
        "records": job.count,
        "extras": job.extras,
        "sources": list(sources),
        "problems": job.problems,
    }
    (folder / "dataset.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return Dataset(folder)


class _Job:
    """One preparation: what was read so far."""

    def __init__(self, file: Any, extras: Mapping[str, str], progress: Progress) -> None:
        self.file = file
        self.count: int = file.metadata.num_rows
        self.extras = dict(extras)
        self.present = set(file.schema_arrow.names)
        self.progress = progress
        self.columns: dict[str, Coded] = {}
        self.problems: list[dict[str, Any]] = []
        self.source = self._numbers("file", np.zeros(self.count, dtype=np.int64)).astype(np.int16)
        self.line = self._numbers("line", np.arange(1, self.count + 1))

    def _numbers(self, name: str, otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
        if name not in self.present:
            return otherwise
        found: NDArray[np.int64] = self.file.read([name]).column(0).to_numpy().astype(np.int64)
        return found

    def read(self, reading: Readers) -> None:
        """Read every column: workers are busy with one while the next is taken apart."""
        jobs = [*DEMOGRAPHIC_FIELDS, *(f"extra.{name}" for name in self.extras)]
        # Columns with many distinct values first, so that workers have something to do from the start.
        early = ("email", "phone", "nhs_number", "address_line", "postcode", "other_identifier")
        jobs.sort(key=lambda name: early.index(name) if name in early else len(early))
        started = []
        for name in jobs:
            codes, values = self._coded(name)
            asked = f"{name}:{self.extras[name.removeprefix('extra.')]}" if name.startswith("extra.") else name
            started.append((name, codes, reading.start(asked, values)))
        for done, (name, codes, rows) in enumerate(started, 1):
            column = Coded(codes, reading.finish(rows))
            self.columns[name] = column
            self._count_problems(name, column)
            self.progress("prepare", done / len(started))
        self.problems.sort(key=lambda p: (p["source"], p["field"], p["problem"]))

    def _coded(self, name: str) -> tuple[Codes, list[str]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in self.present:
            return np.full(self.count, -1, dtype=np.int32), []
        column = self.file.read([name]).column(0)
        if pa.types.is_null(column.type):
            return np.full(self.count, -1, dtype=np.int32), []
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        coded = column.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        codes: Codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        return codes, coded.dictionary.to_pylist()

    def _count_problems(self, name: str, column: Coded) -> None:
        found = [row[-1] for row in column.rows]
        for problem in sorted({str(p) for p in found if p is not None}):
            bad = np.array([p == problem for p in found] + [False], dtype=bool)
            places = np.flatnonzero(bad[column.codes])
            for source in np.unique(self.source[places]).tolist():
                own = places[self.source[places] == source]
                first = [int(line) for line in self.line[own[:FIRST_LINES]]]
                self.problems.append(
                    {"source": source, "field": name, "problem": problem, "count": len(own), "first_lines": first}
                )

    def prepared(self) -> tuple[dict[str, Text], dict[str, NDArray[np.bool_]]]:
        """The prepared columns: text, and yes or no."""
        columns = self.columns
        family, given, previous = (columns[name] for name in _NAMES)
        part = {name: place for place, name in enumerate(NAME_PARTS)}
        texts = {to: columns[name].text(0) for name, (to, _) in READERS.items()}
        texts |= {
            "family": family.text(part["name"]),
            "given": given.text(part["name"]),
            "middle": columns["middle_names"].text(0),
            "previous_family": previous.text(part["name"]) | family.text(part["previous"]),
            "birth": columns["birth_date"].text(0),
            "birth_partial": columns["birth_date"].text(1),
            "nhs": columns["nhs_number"].text(0),
            "birth_order": texts["birth_order"] | given.text(part["order"]) | family.text(part["order"]),
        }
        no_given, no_family = texts["given"].codes < 0, texts["family"].codes < 0
        status, numbered = columns["nhs_number_status"].text(0), texts["nhs"].codes >= 0
        placeholder = family.flags(part["placeholder"]) | given.flags(part["test"])
        placeholder |= no_family & given.flags(part["placeholder"])
        for surname, forename in TEST_PEOPLE:
            placeholder |= texts["family"].equals(surname) & texts["given"].equals(forename)
        flags = {
            "nhs_verified": numbered & status.equals("01"),
            "nhs_usable": numbered & ~status.equals("04") & ~status.equals("05"),
            "newborn": (given.flags(part["newborn"]) | family.flags(part["newborn"])) & no_given,
            "placeholder": placeholder,
        }
        texts |= {f"extra.{name}": columns[f"extra.{name}"].text(0) for name in self.extras}
        return texts, flags

    def write(self, path: Path) -> None:
        """Write the prepared records, and let go of what was read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, flags = self.prepared()
        self.columns.clear()
        columns: dict[str, Any] = {"source": pa.array(self.source), "line": pa.array(self.line)}
        for name in ("record_id", "authority"):
            there = name in self.present
            columns[name] = self.file.read([name]).column(0) if there else pa.nulls(self.count, pa.string())
        columns |= {name: texts.pop(name).arrow() for name in TEXTS}
        columns |= {name: pa.array(flags[name]) for name in FLAGS}
        columns |= {name: column.arrow() for name, column in sorted(texts.items())}
        pq.write_table(
            pa.table(columns),
            path,
            compression="lz4",
            row_group_size=max(self.count, 1),
            dictionary_pagesize_limit=1 << 28,
            write_statistics=False,
        )
        self.progress("prepare", 1.0)

"""Recorded text in columns made into a prepared data set: each distinct value is read once and joined back.

Every row equals what `mpi.matching.prepare.prepare` makes of it.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.engines.base import FLAGS, TEXTS, Dataset, Kept, Progress, silent, take_memory_plainly
from mpi.engines.distinct import NAME_PARTS, Readers, readers
from mpi.engines.plain import read_plain
from mpi.matching.prepare import READERS, TEST_PEOPLE

Codes = NDArray[np.int32]
"""For each record the place of its value in a list, -1 where it has none."""
FIRST_LINES = 5
_NAMES = ("family_name", "given_name", "previous_family_name")
_FEW_VALUES = (
    "family_name", "given_name", "middle_names", "previous_family_name", "birth_date", "sex", "town", "gp_practice",
    "nhs_number_status", "multiple_birth_order", "death_date",
)  # fmt: skip
"""Columns whose values are read as the file has them coded, which is quick where few are distinct."""
_EARLY = ("address_line", "family_name", "nhs_number", "phone", "birth_date", "given_name", "postcode", "email")


@dataclass
class Text:
    """A prepared column: codes into `values` (Arrow strings), which are sorted and distinct."""

    codes: Codes
    values: Any

    @staticmethod
    def of(read: Any, codes: Codes) -> "Text":
        """The column that has `read[code]` (Arrow strings) for each code, null being missing."""
        import pyarrow.compute as pc

        coded = read.dictionary_encode()
        order = pc.array_sort_indices(coded.dictionary).to_numpy()
        rank = np.empty(len(order) + 1, dtype=np.int32)
        rank[order], rank[-1] = np.arange(len(order)), -1
        own = np.append(rank[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)], np.int32(-1))
        return Text(own[codes], coded.dictionary.take(order))

    def __or__(self, other: "Text") -> "Text":
        """This column, and the other's value where this one has none."""
        import pyarrow as pa

        missing = self.codes < 0
        behind = np.where(other.codes < 0, -1, other.codes + len(self.values)).astype(np.int32)
        both = pa.concat_arrays([self.values, other.values])
        return Text.of(both, np.where(missing, behind, self.codes))

    def equals(self, value: str) -> NDArray[np.bool_]:
        """Whether each record has this value."""
        import pyarrow as pa
        import pyarrow.compute as pc

        place = pc.index(self.values, pa.scalar(value, pa.string())).as_py()
        found: NDArray[np.bool_] = self.codes == (place if place >= 0 else -2)
        return found

    def arrow(self) -> Any:
        """The column as Arrow's dictionary type: Parquet keeps it so."""
        import pyarrow as pa

        indices = pa.array(self.codes, mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(indices, self.values)


@dataclass
class Coded:
    """A column as codes into its distinct values, and what each of these was read into.

    `parts` has for each place of a row (see `mpi.engines.distinct`) what all values have there; `problems` the problem
    of each value that has one.
    """

    codes: Codes
    parts: Sequence[Any]
    problems: Mapping[int, str]

    def flags(self, place: int) -> NDArray[np.bool_]:
        """Whether each record's value has this place of its row set."""
        own = np.array([*map(bool, self.parts[place]), False], dtype=bool)
        found: NDArray[np.bool_] = own[self.codes]
        return found

    def text(self, place: int) -> Text:
        """This place of each record's row."""
        import pyarrow as pa

        read = self.parts[place]
        return Text.of(read if isinstance(read, pa.Array) else pa.array(read, pa.string()), self.codes)


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
    `workers` is how many threads, and processes where values must be read one by one, do the work.
    """
    import pyarrow.parquet as pq

    take_memory_plainly()
    folder.mkdir(parents=True, exist_ok=True)
    file = pq.ParquetFile(raw)
    kinds = {name: kind for name, kind in sorted((extras or {}).items()) if f"extra.{name}" in file.schema_arrow.names}
    kinds |= {name: kind for name, kind in (extras or {}).items() if name not in kinds}
    job = _Job(raw, file, dict(sorted(kinds.items())), progress)
    with readers(job.count, workers=workers, allow_test_numbers=allow_test_numbers) as reading:
        job.read(reading, threads=max(workers, 1))
    kept = job.write(folder / "prepared.parquet", threads=max(workers, 1))
    about = {
        "records": job.count,
        "extras": job.extras,
        "sources": list(sources),
        "problems": job.problems,
    }
    (folder / "dataset.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return Dataset(folder, kept)


class _Job:
    """One preparation: what was read so far."""

    def __init__(self, raw: Path, file: Any, extras: Mapping[str, str], progress: Progress) -> None:
        self.raw = raw
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

    def read(self, reading: Readers, *, threads: int) -> None:
        """Read every column, several at a time."""
        jobs = [*DEMOGRAPHIC_FIELDS, *(f"extra.{name}" for name in self.extras)]
        # Those that take longest first, so that no thread is left with one of them at the end.
        jobs.sort(key=lambda name: _EARLY.index(name) if name in _EARLY else len(_EARLY))
        with ThreadPoolExecutor(threads) as pool:
            for done, (name, column) in enumerate(
                zip(jobs, pool.map(lambda name: self._column(reading, name), jobs), strict=True), 1
            ):
                self.columns[name] = column
                self._count_problems(name, column)
                self.progress("prepare", 0.8 * done / len(jobs))
        self.problems.sort(key=lambda p: (p["source"], p["field"], p["problem"]))

    def _column(self, reading: Readers, name: str) -> Coded:
        import pyarrow as pa
        import pyarrow.compute as pc

        codes, texts = self._coded(name)
        asked = f"{name}:{self.extras[name.removeprefix('extra.')]}" if name.startswith("extra.") else name
        plain = read_plain(name, texts, reading.allow_test_numbers)
        if plain is None:
            rows = reading.read(asked, texts.to_pylist())
            parts = list(zip(*rows, strict=True)) or [()] * len(NAME_PARTS)
            return Coded(codes, parts, {n: str(p) for n, p in enumerate(parts[-1]) if p is not None})
        found, unsure = plain
        places = np.flatnonzero(unsure)
        rows = reading.read(asked, texts.take(pa.array(places)).to_pylist())
        values = pa.array([row[0] for row in rows], pa.string())
        if len(places):
            found = pc.replace_with_mask(found, pa.array(unsure), values)
        problems = {n: str(row[-1]) for n, row in zip(places.tolist(), rows, strict=True) if row[-1] is not None}
        return Coded(codes, [found], problems)

    def _coded(self, name: str) -> tuple[Codes, Any]:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        none = np.full(self.count, -1, dtype=np.int32), pa.array([], pa.string())
        if name not in self.present:
            return none
        # A handle of its own: one Parquet file may be read by one thread at a time.
        column = (
            pq.ParquetFile(self.raw, read_dictionary=[name] if name in _FEW_VALUES else None).read([name]).column(0)
        )
        if pa.types.is_null(column.type):
            return none
        if pa.types.is_dictionary(column.type):
            coded = column.unify_dictionaries().combine_chunks()
        else:
            coded = column.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        codes: Codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        return codes, coded.dictionary.cast(pa.string())

    def _count_problems(self, name: str, column: Coded) -> None:
        for problem in sorted(set(column.problems.values())):
            bad = np.zeros(max(column.problems) + 1, dtype=bool)
            bad[[code for code, own in column.problems.items() if own == problem]] = True
            here = (column.codes >= 0) & (column.codes < len(bad))
            places = np.flatnonzero(here)[bad[column.codes[here]]]
            for source in np.unique(self.source[places]).tolist():
                own = places[self.source[places] == source]
                first = [int(line) for line in self.line[own[:FIRST_LINES]]]
                self.problems.append(
                    {"source": source, "field": name, "problem": problem, "count": len(own), "first_lines": first}
                )

    def prepared(self, threads: int) -> tuple[dict[str, Text], dict[str, NDArray[np.bool_]]]:
        """The prepared columns: text, and yes or no."""
        columns = self.columns
        family, given, previous = (columns[name] for name in _NAMES)
        part = {name: place for place, name in enumerate(NAME_PARTS)}
        asked = {to: (columns[name], 0) for name, (to, _) in READERS.items()}
        asked |= {
            "nhs": (columns["nhs_number"], 0),
            "family": (family, part["name"]),
            "given": (given, part["name"]),
            "middle": (columns["middle_names"], 0),
            "birth": (columns["birth_date"], 0),
            "birth_partial": (columns["birth_date"], 1),
            "status": (columns["nhs_number_status"], 0),
        }
        asked |= {f"extra.{name}": (columns[f"extra.{name}"], 0) for name in self.extras}
        with ThreadPoolExecutor(threads) as pool:
            texts = dict(zip(asked, pool.map(lambda one: one[0].text(one[1]), asked.values()), strict=True))
        texts["previous_family"] = previous.text(part["name"]) | family.text(part["previous"])
        texts["birth_order"] = texts["birth_order"] | given.text(part["order"]) | family.text(part["order"])
        no_given, no_family = texts["given"].codes < 0, texts["family"].codes < 0
        status, numbered = texts.pop("status"), texts["nhs"].codes >= 0
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
        return texts, flags

    def write(self, path: Path, *, threads: int) -> Kept:
        """Write the prepared records, let go of what was read, and give back the columns for a first use."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, flags = self.prepared(threads)
        self.columns.clear()
        columns: dict[str, Any] = {"source": pa.array(self.source), "line": pa.array(self.line)}
        for name in ("record_id", "authority"):
            there = name in self.present
            columns[name] = self.file.read([name]).column(0) if there else pa.nulls(self.count, pa.string())
        columns |= {name: texts[name].arrow() for name in TEXTS}
        columns |= {name: pa.array(flags[name]) for name in FLAGS}
        columns |= {name: column.arrow() for name, column in sorted(texts.items()) if name not in TEXTS}
        pq.write_table(
            pa.table(columns),
            path,
            compression="lz4",
            row_group_size=max(self.count, 1),
            dictionary_pagesize_limit=1 << 28,
            # Each record has an id and a line of its own: a dictionary of them would only cost.
            use_dictionary=[name for name in columns if name not in ("record_id", "line", "source")],
            write_statistics=False,
        )
        self.progress("prepare", 1.0)
        return Kept({name: (column.codes, column.values) for name, column in texts.items()}, flags)

"""Prepared records as columns of codes, and what is worked out once for each distinct value."""

from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import FLAGS, Dataset
from mpi.matching.block import sound
from mpi.matching.places import postcode_part

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]


class Column:
    """One field: the code of each record's value (-1: missing). `values` are sorted, so codes order as they do."""

    def __init__(self, codes: Codes, values: list[str]) -> None:
        self.codes = codes
        self.values = values
        self._parts: dict[str, Ints] = {}

    @cached_property
    def arrow(self) -> Any:
        """The values as an Arrow array."""
        import pyarrow as pa

        return pa.array(self.values, pa.string())

    def ints(self, function: Callable[[str], int]) -> Ints:
        """A number for each value, worked out once; one more at the end, -1, for a missing one."""
        return np.array([*(function(value) for value in self.values), -1], dtype=np.int64)

    def numbered(self, function: Callable[[str], str | None]) -> tuple[Ints, list[str]]:
        """A text for each value as a code into the sorted texts (-1: None), and these texts."""
        texts = [function(value) for value in self.values]
        distinct = sorted({text for text in texts if text is not None})
        place = {text: n for n, text in enumerate(distinct)}
        return np.array([*(-1 if t is None else place[t] for t in texts), -1], dtype=np.int64), distinct

    # --- what several kinds of comparison ask for ---

    @cached_property
    def sounds(self) -> tuple[Ints, list[str]]:
        """Soundex of each value."""
        return self.numbered(sound)

    @cached_property
    def lengths(self) -> Ints:
        """Characters of each value."""
        return self.ints(len)

    @cached_property
    def firsts(self) -> Ints:
        """The first character of each value."""
        return self.ints(lambda value: ord(value[0]) if value else -2)

    @cached_property
    def has_space(self) -> NDArray[np.bool_]:
        """Whether a value has several words, perhaps."""
        return self.ints(lambda value: any(c.isspace() for c in value)) > 0

    @cached_property
    def dates(self) -> tuple[Ints, Ints, Ints]:
        """Year, month and day of ISO dates, as the text between the hyphens says."""
        return (
            self.numbered(lambda value: value[:4])[0],
            self.numbered(lambda value: value[5:7])[0],
            self.numbered(lambda value: value[8:])[0],
        )

    @cached_property
    def months_and_days(self) -> tuple[Ints, Ints]:
        """Month and day of ISO dates, coded alike."""
        both = sorted({part for value in self.values for part in (value[5:7], value[8:])})
        place = {text: n for n, text in enumerate(both)}
        return self.ints(lambda value: place[value[5:7]]), self.ints(lambda value: place[value[8:]])

    @cached_property
    def matrix(self) -> NDArray[np.uint8]:
        """The values' bytes, one row each, filled up with zeros. For ASCII values."""
        packed = np.array([value.encode("utf-8", "surrogatepass") for value in self.values], dtype=np.bytes_)
        width = max(packed.dtype.itemsize, 1)
        return np.frombuffer(packed.tobytes(), dtype=np.uint8).reshape(len(self.values), width)

    @cached_property
    def is_ascii(self) -> bool:
        """Whether bytes are characters."""
        return all(value.isascii() and "\0" not in value for value in self.values)

    def part(self, name: str) -> Ints:
        """A part of each British postcode."""
        if name not in self._parts:
            self._parts[name] = self.numbered(lambda value: postcode_part(value, name))[0]
        return self._parts[name]


class Table:
    """A data set in memory, a column at a time as they are asked for, by any thread."""

    def __init__(self, data: Dataset) -> None:
        import pyarrow.parquet as pq

        self.records = data.records
        self._file = pq.ParquetFile(data.prepared)
        self._columns: dict[str, Column] = {}
        self._flags: dict[str, NDArray[np.bool_]] = {}
        self._across: dict[tuple[str, str], Ints] = {}
        # A Parquet file may be read by one thread at a time: two at once have ended the process, or may read rubbish.
        self._lock = RLock()

    def column(self, field: str) -> Column:
        """A field as the models name it: `nhs` is absent where its status is 04 or 05, `nhs_number` is not."""
        with self._lock:
            if field not in self._columns:
                self._columns[field] = self._counted_nhs() if field == "nhs" else self._read(field)
            return self._columns[field]

    def across(self, field: str, other: str) -> Ints:
        """For each value of `field` the code of the same text among the values of `other`, -3 where it is not there."""
        with self._lock:
            if (field, other) not in self._across:
                place = {value: n for n, value in enumerate(self.column(other).values)}
                self._across[field, other] = self.column(field).ints(lambda value: place.get(value, -3))
            return self._across[field, other]

    def flag(self, name: str) -> NDArray[np.bool_]:
        """A yes or no of each record."""
        with self._lock:
            if name not in self._flags:
                self._flags[name] = self._file.read([name]).column(0).to_numpy().astype(bool)
            return self._flags[name]

    @property
    def source(self) -> NDArray[np.int16]:
        """The place of each record's file."""
        with self._lock:
            found: NDArray[np.int16] = self._file.read(["source"]).column(0).to_numpy().astype(np.int16)
        return found

    def _counted_nhs(self) -> Column:
        whole = self.column("nhs_number")
        return Column(np.where(self.flag("nhs_usable"), whole.codes, -1).astype(np.int32), whole.values)

    def _read(self, field: str) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        name = "nhs" if field == "nhs_number" else field
        if name in FLAGS:
            raise KeyError(field)
        if name not in self._file.schema_arrow.names:
            return Column(np.full(self.records, -1, dtype=np.int32), [])
        column = self._file.read([name]).column(0)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0)
        codes: Codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        values: list[str] = column.dictionary.to_pylist()
        if values != sorted(values):
            return _sorted(codes, values)
        return Column(codes, values)


def _sorted(codes: Codes, values: list[str]) -> Column:
    distinct = sorted(set(values))
    place = {value: n for n, value in enumerate(distinct)}
    own = np.array([*(place[value] for value in values), -1], dtype=np.int32)
    return Column(own[codes], distinct)

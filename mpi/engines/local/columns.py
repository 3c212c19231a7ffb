"""Prepared records as columns of codes, and what is worked out once for each distinct value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import FLAGS, Dataset
from mpi.engines.local.room import Room
from mpi.matching.block import sound
from mpi.matching.model import EXTRA
from mpi.matching.places import postcode_part

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
_MOST_MEMBERS = 6
"""Words or groups of a value that are kept as a row of codes; more are rare."""


class Column:
    """One field: the code of each record's value (-1: missing), and the values.

    `arrow` holds them as Arrow strings, sorted and distinct, so that codes order as they do.
    """

    def __init__(self, codes: Codes, arrow: Any) -> None:
        self.codes = codes
        self.arrow = arrow
        self._parts: dict[str, Ints] = {}
        self._members: dict[str, Members] = {}

    @cached_property
    def values(self) -> list[str]:
        """The values as Python has them."""
        found: list[str] = self.arrow.to_pylist()
        return found

    def __len__(self) -> int:
        return len(self.arrow)

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
        import pyarrow.compute as pc

        return np.append(pc.utf8_length(self.arrow).to_numpy(zero_copy_only=False).astype(np.int64), -1)

    @cached_property
    def firsts(self) -> Ints:
        """The first character of each value."""
        return self.ints(lambda value: ord(value[0]) if value else -2)

    @cached_property
    def without_spaces(self) -> Ints:
        """Each value without its spaces."""
        return self.numbered(lambda value: value.replace(" ", ""))[0]

    @cached_property
    def has_space(self) -> NDArray[np.bool_]:
        """Whether a value has several words, perhaps."""
        return self.ints(lambda value: value.split() != [value]) > 0

    @cached_property
    def days(self) -> tuple[Ints, Ints, Ints]:
        """Year, month and day of ISO dates, -1 behind the last for a missing one."""
        digits = self.matrix[:, :10].astype(np.int64) - ord("0")
        if digits.shape[1] < 10:
            digits = np.zeros((len(self), 10), dtype=np.int64)
        whole = (1000, 100, 10, 1) @ digits[:, :4].T, (10, 1) @ digits[:, 5:7].T, (10, 1) @ digits[:, 8:10].T
        year, month, day = (np.append(part, -1) for part in whole)
        return year, month, day

    @cached_property
    def dates(self) -> tuple[Ints, Ints]:
        """ISO dates as one number of year, month and day, 20 bits each, and the same with the latter two exchanged."""
        year, month, day = self.days
        return (year << 40) + (month << 20) + day, (year << 40) + (day << 20) + month

    @cached_property
    def _bytes(self) -> tuple[NDArray[np.uint8], Ints]:
        """All values' bytes one after the other, and how many each has."""
        import pyarrow as pa

        arrow = self.arrow.cast(pa.large_string())
        _, offsets, data = arrow.buffers()
        if not len(arrow) or data is None:
            return np.empty(0, dtype=np.uint8), np.zeros(len(arrow), dtype=np.int64)
        ends = np.frombuffer(offsets, dtype=np.int64)[arrow.offset : arrow.offset + len(arrow) + 1]
        return np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]], np.diff(ends)

    @cached_property
    def matrix(self) -> NDArray[np.uint8]:
        """The values' bytes, one row each, filled up with zeros to a multiple of eight. For ASCII values."""
        data, lengths = self._bytes
        width = -(-max(int(lengths.max(initial=1)), 1) // 8) * 8
        found = np.zeros((len(lengths), width), dtype=np.uint8)
        found[np.arange(width) < lengths[:, None]] = data
        return found

    @cached_property
    def words(self) -> NDArray[np.uint64]:
        """The same bytes, eight to a number."""
        return self.matrix.view(np.uint64)

    @cached_property
    def is_ascii(self) -> bool:
        """Whether bytes are characters, and none is zero."""
        data, _ = self._bytes
        return not len(data) or (int(data.max()) < 128 and int(data.min()) > 0)

    def members(self, name: str, function: Callable[[str], frozenset[str]]) -> "Members":
        """What `function` says belongs to each value; worked out once under this name."""
        if name not in self._members:
            self._members[name] = _members([function(value) for value in self.values])
        return self._members[name]

    def part(self, name: str) -> Ints:
        """A part of each British postcode."""
        if name not in self._parts:
            self._parts[name] = self.numbered(lambda value: postcode_part(value, name))[0]
        return self._parts[name]


@dataclass(frozen=True)
class Members:
    """Words or groups of each value of a column.

    `table` has a row of codes for each value, filled up with -1, and an empty one for a missing value; `many` says
    which values have too many for it (their rows are empty); `place` is the code of each word or group.
    """

    table: NDArray[np.int32]
    many: NDArray[np.bool_]
    place: Mapping[str, int]


def _members(sets: Sequence[frozenset[str]]) -> Members:
    place = {member: n for n, member in enumerate(sorted({member for own in sets for member in own}))}
    many = np.array([*(len(own) > _MOST_MEMBERS for own in sets), False], dtype=bool)
    width = max((len(own) for own in sets if len(own) <= _MOST_MEMBERS), default=0)
    table = np.full((len(sets) + 1, width), -1, dtype=np.int32)
    for row, own in enumerate(sets):
        if own and len(own) <= _MOST_MEMBERS:
            table[row, : len(own)] = [place[member] for member in own]
    return Members(table, many, place)


class Table:
    """A data set in memory, a column at a time as they are asked for, by any thread; `room` is where its pairs lie."""

    def __init__(self, data: Dataset, room: Room | None = None) -> None:
        import pyarrow.parquet as pq

        self.records = data.records
        self.extras = tuple(f"{EXTRA}{name}" for name in sorted(data.extras))
        self._file = pq.ParquetFile(data.prepared)
        self._kept = data.kept
        self.room = Room(data.folder) if room is None else room
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
            if name not in self._flags and self._kept is not None:
                self._flags[name] = self._kept.flags[name]
            elif name not in self._flags:
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
        return Column(np.where(self.flag("nhs_usable"), whole.codes, -1).astype(np.int32), whole.arrow)

    def _read(self, field: str) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        name = "nhs" if field == "nhs_number" else field
        if name in FLAGS:
            raise KeyError(field)
        if self._kept is not None and name in self._kept.texts:
            return Column(*self._kept.texts[name])
        if name not in self._file.schema_arrow.names:
            return Column(np.full(self.records, -1, dtype=np.int32), pa.array([], pa.string()))
        column = self._file.read([name]).column(0)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0)
        codes: Codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        return _sorted(codes, column.dictionary)


def _sorted(codes: Codes, values: Any) -> Column:
    """The column with its values sorted and distinct, as preparation writes them and others may not."""
    import pyarrow.compute as pc

    if len(values) < 2 or pc.all(pc.less(values[:-1], values[1:])).as_py():
        return Column(codes, values)
    coded = values.dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    own = np.append(rank[coded.indices.to_numpy(zero_copy_only=False)], np.int32(-1))
    return Column(own[codes], coded.dictionary.take(order))

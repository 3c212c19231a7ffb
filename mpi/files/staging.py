"""Person files made into one Parquet file of recorded text, column by column: what batch linkage starts from."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mpi.domain.columns import Columns
from mpi.domain.errors import BadInput
from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.files.parquet_rows import text_of
from mpi.files.person_file import LONGEST_ID, PersonFile, clean
from mpi.files.set_aside import SideFile

TARGETS = ("record_id", "authority", *DEMOGRAPHIC_FIELDS)
EXTRA = "extra."
"""Before the name of a user's own field, in the names of staged columns."""
_BATCH = 100_000
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Staged:
    """How many rows each file gave, and how many were set aside."""

    rows: tuple[int, ...]
    set_aside: int


@dataclass(slots=True)
class _Batch:
    """Some rows of one file: text by staged column, and where each stood."""

    columns: dict[str, Any]
    lines: Any
    refused: list[tuple[int, str, str]]


def staged_columns(files: Sequence[PersonFile]) -> list[str]:
    """The columns of the staged file: where a row stood, the person file's columns, and the users' own fields."""
    extras = sorted({extra.name for file in files for extra in file.columns.extras})
    return ["file", "line", *TARGETS, *(EXTRA + name for name in extras)]


def stage(files: Sequence[PersonFile], out: Path, set_aside: SideFile, advance: Callable[[int], None]) -> Staged:
    """Write the rows of all files to `out`, in order; empty text and missing columns are null.

    A row without a usable `record_id`, and a line that is torn, are set aside. `advance` is told of rows as they are
    read. Raises `BadInput` where a file is damaged, and OSError where `out` cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = staged_columns(files)
    kinds = {"file": pa.int16(), "line": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    rows: Counter[int] = Counter()
    refused = 0
    # Each record has an id and a line of its own: a dictionary of them would only cost.
    coded = [name for name in names if name not in ("record_id", "line")]
    with pq.ParquetWriter(out, schema, compression="lz4", use_dictionary=coded) as writer:
        for number, file in enumerate(files):
            for batch in _parquet(file) if file.is_parquet else _csv(file):
                kept = _kept(batch, number, schema)
                writer.write_table(kept)
                named = [(file.path.name, *row) for row in batch.refused] if len(files) > 1 else batch.refused
                set_aside.add(named)
                rows[number] += kept.num_rows
                refused += len(batch.refused)
                advance(kept.num_rows + len(batch.refused))
    return Staged(tuple(rows[number] for number in range(len(files))), refused)


def set_aside_header(files: Sequence[PersonFile]) -> tuple[str, ...]:
    """The header of the rows set aside: with the file's name where there are several."""
    return (*(("file",) if len(files) > 1 else ()), "line", "reason", "row")


def _kept(batch: _Batch, number: int, schema: Any) -> Any:
    """The rows of a batch that have a usable id, as a table; the others join the refused."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = batch.columns["record_id"]
    missing = pc.is_null(ids)
    long = pc.fill_null(pc.greater(pc.utf8_length(ids), LONGEST_ID), False)
    wrong = pc.or_(missing, long)
    if pc.any(wrong).as_py():
        for place in pc.indices_nonzero(wrong).to_pylist():
            why = "missing" if missing[place].as_py() else f"longer than {LONGEST_ID} characters"
            batch.refused.append((batch.lines[place].as_py(), f"the record_id is {why}", ""))
        fine = pc.invert(wrong)
        batch.columns = {name: column.filter(fine) for name, column in batch.columns.items()}
        batch.lines = batch.lines.filter(fine)
    count = len(batch.lines)
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name == "file":
            arrays.append(pa.repeat(pa.scalar(number, kind), count))
        elif name == "line":
            arrays.append(batch.lines)
        else:
            arrays.append(batch.columns[name] if name in batch.columns else pa.nulls(count, kind))
    return pa.table(arrays, schema=schema)


# --- text files ------------------------------------------------------------------------------------------------------


def _csv(file: PersonFile) -> Iterator[_Batch]:
    """Batches of a text file, read line by line so that one torn line costs one row."""
    import pyarrow as pa

    columns = file.columns
    names = [*columns.sources, *(EXTRA + extra.name for extra in columns.extras)]
    rows = file.rows()
    while some := list(islice(rows, _BATCH)):
        refused = [(line, fault, raw) for line, raw, _, fault in some if fault]
        whole = [(line, row) for line, _, row, fault in some if not fault]
        gathered: dict[str, list[str | None]] = {name: [] for name in names}
        for _, row in whole:
            values = columns.values(row)
            for name in columns.sources:
                gathered[name].append(clean(values[name]) or None if name in values else None)
            if columns.extras:
                extra = columns.extra_values(row)
                for one in columns.extras:
                    text = extra.get(one.name)
                    gathered[EXTRA + one.name].append(clean(text) or None if text else None)
        arrays = {name: pa.array(texts, pa.string()) for name, texts in gathered.items()}
        yield _Batch(arrays, pa.array([line for line, _ in whole], pa.int64()), refused)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet(file: PersonFile) -> Iterator[_Batch]:
    """Batches of a Parquet file, without a Python object for each value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [header for headers in file.columns.sources.values() for header in headers]
    wanted += [header for extra in file.columns.extras for header in extra.headers]
    done = 0
    try:
        opened = pq.ParquetFile(file.path)
        with ThreadPoolExecutor(_THREADS) as pool:
            for batch in opened.iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(wanted))):
                lines = pa.array(range(done + 1, done + batch.num_rows + 1))
                yield _Batch(_texts(batch, file.columns, pool), lines, [])
                done += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{file.path.name} is damaged after row {done}", code="file") from error


def _texts(batch: Any, columns: Columns, pool: Executor) -> dict[str, Any]:
    names = batch.schema.names
    headers = dict(zip(names, pool.map(lambda header: _as_text(batch.column(header)), names), strict=True))
    found = {target: _joined([headers[h] for h in own]) for target, own in columns.sources.items()}
    found |= {
        EXTRA + extra.name: _joined([headers[h] for h in _there(extra.headers, headers)]) for extra in columns.extras
    }
    if columns.birth_date_format and "birth_date" in found:
        found["birth_date"] = _distinct(found["birth_date"], columns.dated)
    return dict(zip(found, pool.map(_cleaned, found.values()), strict=True))


def _there(names: Sequence[str], headers: dict[str, Any]) -> list[str]:
    return [name for name in names if name in headers]


def _as_text(column: Any) -> Any:
    """A column as text, as `text_of` has it."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_date32(kind)
    ):
        return column.cast(pa.string())
    return pa.array([text_of(value) for value in column.to_pylist()], pa.string())


def _joined(parts: list[Any]) -> Any:
    """Trimmed, joined by a space where several are there, null where none is."""
    import pyarrow.compute as pc

    found = _trimmed(parts[0])
    for part in parts[1:]:
        more = _trimmed(part)
        found = pc.coalesce(pc.binary_join_element_wise(found, more, " "), found, more)
    return found


def _is_plain(column: Any) -> bool:
    """Whether every value is printable ASCII, none is empty, and none begins or ends with a space: most columns.

    Seen from the bytes of the whole column at once.
    """
    import numpy as np

    _, offsets, data = column.buffers()
    whole = len(column) - column.null_count
    if data is None or not whole:
        return not whole
    ends = np.frombuffer(offsets, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data, dtype=np.uint8)
    first, last = ends[:-1], ends[1:]
    there = last > first
    if int(there.sum()) != whole:
        return False
    own = text[ends[0] : ends[-1]]
    if int(own.min()) < ord(" ") or int(own.max()) > ord("~"):
        return False
    return not bool((text[first[there]] == ord(" ")).any() or (text[last[there] - 1] == ord(" ")).any())


def _trimmed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_plain(column):
        return column
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _cleaned(column: Any) -> Any:
    """Without control characters. Values of printable ASCII, nearly all, are seen by one expression."""
    import pyarrow.compute as pc

    if _is_plain(column):
        return column
    odd = pc.fill_null(pc.match_substring_regex(column, r"[^ -~]"), False)
    if not pc.any(odd).as_py():
        return column
    return _distinct(column, lambda text: clean(text) or None)


def _distinct(column: Any, function: Callable[[str], str | None]) -> Any:
    """A function of each value, worked out once per distinct value."""
    import pyarrow as pa

    coded = column.dictionary_encode()
    values = [None if text is None else function(text) for text in coded.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(coded.indices)

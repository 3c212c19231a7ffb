"""A backup's file: every table of one moment as lines of JSON, compressed, with counts and a checksum at the end.

    {"archive": "mpi", "format": 1, "revision": "0001", ...}
    {"table": "person", "columns": ["id", ...], "bytes": []}
    [1, "P...", ...]
    {"end": "person", "rows": 1}
    {"done": true, "rows": 1, "head": [seq, hash], "sha256": "..."}

It says nothing of the database it came from, so that SQLite and PostgreSQL both can read it. The checksum finds what
was damaged or cut off; whoever can rewrite the file can rewrite the checksum too, but not the audit chain inside.
"""

import base64
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mpi.domain.errors import BadInput

FORMAT = 1
_LEVEL = 3

Row = Sequence[Any]
Progress = Callable[[str, int], None]
"""Told the table and how many more of its rows are done."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an archive holds: schema revision, when it was made, rows by table, and the last audit event."""

    revision: str
    made_at: str
    rows: dict[str, int]
    head: tuple[int, str]


def _refuse(why: str) -> BadInput:
    return BadInput(f"this is no whole backup: {why}; nothing was restored", code="backup-file")


class Writer:
    """Writes an archive beside its final name and puts it there when it is whole; on an error nothing is left."""

    def __init__(self, file: Path, revision: str, made_at: str) -> None:
        self._file = file
        self._partial = file.with_name(file.name + ".partial")
        self._hash = hashlib.sha256()
        self._rows = 0
        # Patients' data: for nobody but the owner.
        handle = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._raw = os.fdopen(handle, "wb")
        self._packed = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_LEVEL, mtime=0, filename="")
        self._line({"archive": "mpi", "format": FORMAT, "revision": revision, "made_at": made_at})

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()
        self._partial.unlink(missing_ok=True)

    def table(
        self, name: str, columns: Sequence[str], packed: Sequence[int], rows: Iterable[Row], progress: Progress
    ) -> int:
        """Write all rows of a table; how many there were. `packed` are the places of columns that hold bytes."""
        self._line({"table": name, "columns": list(columns), "bytes": list(packed)})
        count = 0
        for row in rows:
            self._line([_plain(value) for value in row] if packed else list(row))
            count += 1
            if count % 1000 == 0:
                progress(name, 1000)
        progress(name, count % 1000)
        self._line({"end": name, "rows": count})
        self._rows += count
        return count

    def finish(self, head: tuple[int, str]) -> None:
        """Write the end, flush it to the disk, and give the archive its name."""
        self._line({"done": True, "rows": self._rows, "head": list(head), "sha256": self._hash.hexdigest()})
        self._packed.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._partial.replace(self._file)

    def _line(self, value: Any) -> None:
        data = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        self._packed.write(data)
        self._hash.update(data)


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class TableRows:
    """One table of an archive; `rows` must be read to its end before the next one."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[list[Any]]


class Reader:
    """Reads an archive; what is cut off, damaged or no archive raises `BadInput`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.counts: dict[str, int] = {}
        self.summary: Summary | None = None
        """Known once all tables are read."""

    def tables(self) -> Iterator[TableRows]:
        """The tables in their order."""
        try:
            with gzip.open(self._file, "rb") as stream:
                yield from self._tables(stream)
        except FileNotFoundError:
            raise BadInput("there is no such backup file", code="backup-file") from None
        except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
            raise _refuse("the file is cut off or damaged") from error

    def _tables(self, stream: gzip.GzipFile) -> Iterator[TableRows]:
        header = self._next(stream)
        if not isinstance(header, dict) or header.get("archive") != "mpi":
            raise _refuse("it does not begin like one")
        if header.get("format") != FORMAT:
            raise _refuse(f"its format is {header.get('format')}, this software reads {FORMAT}")
        while True:
            so_far = self._hash.hexdigest()
            opening = self._next(stream)
            if isinstance(opening, dict) and opening.get("done"):
                self._check_end(header, opening, so_far, stream)
                return
            if not isinstance(opening, dict) or "table" not in opening:
                raise _refuse("a table is expected and not there")
            yield TableRows(opening["table"], tuple(opening["columns"]), self._rows(stream, opening))
            if opening["table"] not in self.counts:
                raise AssertionError("a table was not read to its end")

    def _rows(self, stream: gzip.GzipFile, opening: dict[str, Any]) -> Iterator[list[Any]]:
        packed = opening["bytes"]
        count = 0
        while isinstance(row := self._next(stream), list):
            if len(row) != len(opening["columns"]):
                raise _refuse(f"a row of {opening['table']} has other columns than its table")
            for at in packed:
                row[at] = base64.b64decode(row[at]) if row[at] is not None else None
            yield row
            count += 1
        if not isinstance(row, dict) or row != {"end": opening["table"], "rows": count}:
            raise _refuse(f"rows of {opening['table']} are missing")
        self.counts[opening["table"]] = count

    def _check_end(self, header: dict[str, Any], end: dict[str, Any], so_far: str, stream: gzip.GzipFile) -> None:
        if end.get("sha256") != so_far or end.get("rows") != sum(self.counts.values()):
            raise _refuse("the checksum does not fit: it was changed or damaged")
        if stream.read(1):
            raise _refuse("something stands after its end")
        seq, digest = end["head"]
        self.summary = Summary(header["revision"], header["made_at"], dict(self.counts), (seq, digest))

    def _next(self, stream: gzip.GzipFile) -> Any:
        line = stream.readline()
        if not line.endswith(b"\n"):
            raise _refuse("it ends before its end")
        self._hash.update(line)
        try:
            return json.loads(line)
        except ValueError as error:
            raise _refuse("a line is damaged") from error


def check(file: Path, progress: Progress) -> Summary:
    """Read a whole archive without using it; raises `BadInput` where it is not whole."""
    reader = Reader(file)
    for table in reader.tables():
        for _ in table.rows:
            pass
        progress(table.name, reader.counts[table.name])
    if reader.summary is None:
        raise AssertionError("an archive that ended has a summary")
    return reader.summary

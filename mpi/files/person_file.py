"""A person file opened: what its headers mean, and its rows as records."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mpi.config import Config
from mpi.domain.columns import ColumnMap, Columns
from mpi.domain.errors import BadInput
from mpi.domain.file_row import FileRow
from mpi.domain.person import NHS, SourceRecord
from mpi.files.csv_lines import CsvLines, Split
from mpi.files.encoding import FALLBACK, Survey, refuse_what_is_no_text, survey
from mpi.files.parquet_rows import ParquetRows

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", "")
LONGEST_ID = 250
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PersonFile:
    """A file that can be read, again and again. `expected` is its number of rows, at most; shown as progress."""

    path: Path
    survey: Survey
    columns: Columns
    headers: tuple[str, ...]
    expected: int
    delimiter: str | None = None

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else CSV."""
        return self.delimiter is None

    def notes(self) -> list[str]:
        """What a user should know of how the file is read; nothing where it is as the documentation says."""
        found = [f"column {header} read as {target}" for header, target in self.columns.recognised.items()]
        found += [f"the column map names {header}, which the file does not have" for header in self.columns.absent]
        if self.survey.encoding == FALLBACK and not self.is_parquet:
            found.append(f"the file is not UTF-8: read as {FALLBACK}")
        if self.delimiter not in (None, ","):
            found.append("fields are separated by " + {"\t": "tabs"}.get(self.delimiter or "", repr(self.delimiter)))
        used = {h for hs in self.columns.sources.values() for h in hs} | {"true_person"}
        used |= {h for extra in self.columns.extras for h in extra.headers}
        if unused := [header for header in self.headers if header.strip() and header not in used]:
            found.append(f"not used: {', '.join(unused)}")
        return found

    def rows(self) -> Iterator[tuple[int, str, Mapping[str, str | None], str | None]]:
        """(line, the row as it stood, text by header, fault or None) of each row."""
        if self.is_parquet:
            wanted = [h for hs in self.columns.sources.values() for h in hs]
            wanted += [h for extra in self.columns.extras for h in extra.headers]
            for number, row in enumerate(ParquetRows(self.path).rows(list(dict.fromkeys(wanted))), 1):
                yield number, json.dumps(row, ensure_ascii=False), row, None
            return
        with closing(self.path.open(encoding=self.survey.encoding, errors="replace")) as stream:
            lines = CsvLines(stream)
            for split in lines.records():
                yield split.line, split.raw, self._by_header(split), split.fault

    def _by_header(self, split: Split) -> dict[str, str | None]:
        return {} if split.fault else dict(zip(self.headers, split.fields, strict=True))


def open_person_file(path: Path, column_map: ColumnMap | None = None) -> PersonFile:
    """The file at `path`, its headers understood. Raises `BadInput` for one that cannot be read at all."""
    suffix = path.suffix.lower()
    if suffix not in PARQUET + TEXT:
        raise BadInput(f"{path.name}: person files are .csv or .parquet", code="file")
    found = survey(path)
    if found.size == 0:
        raise BadInput(f"{path.name} is empty: there is not even a header line", code="file")
    column_map = column_map or ColumnMap()
    if suffix in PARQUET:
        parquet = ParquetRows(path)
        columns = _resolved(path, parquet.header, column_map)
        return PersonFile(path, found, columns, tuple(parquet.header), parquet.count)
    refuse_what_is_no_text(path, found.encoding)
    with path.open(encoding=found.encoding, errors="replace") as stream:
        lines = CsvLines(stream)
    header = [name.strip() for name in lines.header]
    columns = _resolved(path, header, column_map)
    return PersonFile(path, found, columns, tuple(header), max(found.lines - 1, 0), lines.delimiter)


def _resolved(path: Path, header: list[str], column_map: ColumnMap) -> Columns:
    if not any(header):
        raise BadInput(f"{path.name} is empty: there is not even a header line", code="file")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadInput(f"{path.name}: the header {twice[0]} stands twice", code="file")
    columns = column_map.resolve(header)
    if "record_id" not in columns.sources:
        text = f"{path.name} has no column record_id (headers: {', '.join(header)[:300]}); name it by --columns"
        raise BadInput(text, code="file", field="record_id")
    return columns


class Records:
    """The rows of a file as source records. Iterate it as often as you like."""

    def __init__(self, file: PersonFile, config: Config, authority: str | None, *, any_authority: bool = False) -> None:
        """`authority` is for files without such a column. Raises `BadInput` for one that is unknown or conflicts.

        With `any_authority` it may be missing or unknown, for a reader that stores nothing: it is empty then.
        """
        self._file = file
        self._config = config
        self._any = any_authority
        self._codes: dict[str, str | None] = {}
        self.authority = _known(config, authority) if authority else None
        in_file = "authority" in file.columns.sources
        if self.authority is None and not in_file and not any_authority:
            raise BadInput(f"{file.path.name} has no column authority: give --authority CODE", field="authority")
        if self.authority is not None and in_file:
            self._refuse_conflict(self.authority)

    def _refuse_conflict(self, authority: str) -> None:
        """Read the whole file before anything is stored: one row of another authority, and the file is not loaded."""
        for line, _, row, fault in self._file.rows():
            said = None if fault else self._file.columns.values(row).get("authority")
            if said is not None and self._code(said) != authority:
                text = f"line {line} of {self._file.path.name} is of another authority than --authority says"
                raise BadInput(text, code="authority", field="authority")

    def __iter__(self) -> Iterator[FileRow]:
        for line, raw, row, fault in self._file.rows():
            yield FileRow(line, raw, fault=fault) if fault else self._row(line, raw, row)

    def _row(self, line: int, raw: str, row: Mapping[str, str | None]) -> FileRow:
        columns = self._file.columns
        values = {name: clean(text) for name, text in columns.values(row).items()}
        record_id, said = values.pop("record_id", ""), values.pop("authority", "")
        if not record_id:
            return FileRow(line, raw, fault="the record_id is missing")
        if len(record_id) > LONGEST_ID:
            return FileRow(line, raw, fault=f"the record_id is longer than {LONGEST_ID} characters")
        authority = self._code(said) if said else self.authority
        if authority is None and not self._any:
            fault = "the authority is not configured" if said else "the authority is missing"
            return FileRow(line, raw, fault=fault)
        kept = {name: text for name, text in values.items() if text}
        extra = columns.extra_values(row) if columns.extras else {}
        return FileRow(line, raw, SourceRecord(authority or "", record_id, kept, complete=True, extra=extra))

    def _code(self, spelling: str) -> str | None:
        if spelling not in self._codes:
            found = self._config.authority(spelling)
            self._codes[spelling] = found.code if found and found.code != NHS else None
        return self._codes[spelling]


def _known(config: Config, spelling: str) -> str:
    found = config.authority(spelling)
    if found is None:
        place = config.path or "mpi.toml (there is none here)"
        raise BadInput(f"the authority {spelling} is not configured in {place}", code="authority", field="authority")
    if found.code == NHS:
        raise BadInput("NHS issues NHS numbers, not local ones", code="authority", field="authority")
    return found.code


def clean(text: str) -> str:
    """Without control characters: they mean nothing in a value, and PostgreSQL cannot store all of them."""
    return text if text.isprintable() else _SURROGATES.sub("\ufffd", _CONTROL.sub(" ", text)).strip()

"""A row of a person file as it comes out of the file door: a record, or the reason why there is none."""

from dataclasses import dataclass

from mpi.domain.person import SourceRecord


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row. Either `record` is there, or `fault` says in plain English (no patient values) why it cannot be stored.

    `line` is the line of a text file that the row begins on (the header is line 1), or the number of a Parquet row.
    `raw` is the row as it stood in the file, for the rows that are set aside.
    """

    line: int
    raw: str
    record: SourceRecord | None = None
    fault: str | None = None

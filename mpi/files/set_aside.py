"""The rows that could not be stored, kept beside the file they came from so that somebody can mend them."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mpi.domain.errors import BadInput


class SideFile:
    """A CSV file that is made when its first row comes, readable by its owner only: it may hold what patients told.

    `keep_upto` keeps the rows of an earlier, broken run up to that line (column `line`), and drops the rest.
    """

    def __init__(self, path: Path, header: Sequence[str], keep_upto: int = 0) -> None:
        self.path = path
        self._header = list(header)
        self._file: IO[str] | None = None
        self._writer: Any = None
        kept = _kept(path, keep_upto) if keep_upto else []
        path.unlink(missing_ok=True)
        self.add(kept)

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Write rows, and hand them to the operating system. Raises `BadInput` when the file cannot be written."""
        if not rows:
            return
        try:
            if self._file is None:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
                self._writer = csv.writer(self._file, lineterminator="\n")
                self._writer.writerow(self._header)
            self._writer.writerows(rows)
            self._file.flush()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written: {error.strerror}", code="file") from error

    @property
    def written(self) -> bool:
        """Whether there is anything in it."""
        return self._file is not None

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def _kept(path: Path, upto: int) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [row for row in rows if row and row[0].isdigit() and int(row[0]) <= upto]

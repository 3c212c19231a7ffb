"""Rows of a Parquet file as text by column, in bounded memory."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from mpi.domain.errors import BadInput

_BATCH = 5_000


class ParquetRows:
    """Reads one file; raises `BadInput` for what is none, or torn. `header` names its columns, `count` is its rows."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        self._damage: tuple[type[Exception], ...] = (pa.ArrowException, OSError, ValueError)
        try:
            self._file = pq.ParquetFile(path)
        except self._damage as error:
            text = f"{path.name} is no Parquet file, or its end is missing (a copy that broke off?)"
            raise BadInput(text, code="file") from error
        self.header: list[str] = list(self._file.schema_arrow.names)
        self.count: int = self._file.metadata.num_rows

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, str | None]]:
        """Rows with these columns only, in order. Raises `BadInput` where the file is damaged further on."""
        done = 0
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    yield {name: text_of(value) for name, value in row.items()}
                    done += 1
        except self._damage as error:
            raise BadInput(f"{self._path.name} is damaged after row {done}", code="file") from error


def text_of(value: Any) -> str | None:
    """A value as a person file would write it; None where there is nothing.

    Whole numbers that a tool has turned into fractions because others were missing (1980.0) lose the fraction again.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)

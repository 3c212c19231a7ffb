"""A data set's columns are asked for by several threads; its file is read by one at a time."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mpi.engines.local.columns import Table
from mpi.engines.preparing import prepare_dataset


class _Watched:
    """A file that notices when a second thread reads while one does."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._reading = Lock()
        self.at_once = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, columns: list[str]) -> Any:
        if not self._reading.acquire(blocking=False):
            self.at_once += 1
            self._reading.acquire()
        try:
            time.sleep(0.005)
            return self._file.read(columns)
        finally:
            self._reading.release()


def test_two_threads_never_read_the_file_at_once(tmp_path: Path) -> None:
    pq.write_table(pa.table({"record_id": ["1", "2"], "family_name": ["Ashworth", "Okafor"]}), tmp_path / "raw.parquet")
    table = Table(prepare_dataset(tmp_path / "raw.parquet", tmp_path / "data"))
    table._file = watched = _Watched(table._file)
    fields = ["family", "given", "birth", "postcode", "nhs", "phone", "email", "town"]
    with ThreadPoolExecutor(4) as pool:
        flags = [pool.submit(table.flag, name) for name in ("newborn", "placeholder", "nhs_usable")]
        columns = list(pool.map(table.column, fields))
    assert watched.at_once == 0
    assert columns[0].values == ["ASHWORTH", "OKAFOR"]
    assert all(not flag.result().any() for flag in flags)

"""Columns of pairs: in memory while they are small, else in files, so that more pairs than fit there can be linked."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 1 << 28
"""Bytes of a column from which on it lies in a file: the system keeps of it in memory what there is room for."""


class Room:
    """Makes columns. Files have no name once they are made, and go when nobody uses their column any more."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit

    def empty(self, count: int, dtype: Any) -> NDArray[Any]:
        """A column of this length with no values yet. Raises OSError where the disk has no room for it."""
        size = count * np.dtype(dtype).itemsize
        if size <= self.limit:
            return np.empty(count, dtype=dtype)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            # A file with holes would end the process where the disk is full only when it is written to.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=(count,))

    def zeros(self, count: int, dtype: Any) -> NDArray[Any]:
        """A column of zeros."""
        found = self.empty(count, dtype)
        found[:] = 0
        return found

"""The one Python function of each column run on distinct values, in worker processes where there are many."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from mpi.matching import nhs_number
from mpi.matching.dates import read_date
from mpi.matching.names import read_middle, read_name
from mpi.matching.prepare import READERS, prepare_extra

Row = tuple[str | bool | None, ...]
"""What one value was read into; the places depend on the column."""

NAME_PARTS = ("name", "newborn", "placeholder", "test", "order", "previous", "problem")
"""The places of a row that `family_name`, `given_name` and `previous_family_name` are read into."""

_CHUNK = 25_000
"""Values sent to a worker at a time."""
MANY = 200_000
"""Values of a column from which on another process is worth its start."""


def read_values(column: str, values: Sequence[str], allow_test_numbers: bool) -> list[Row]:
    """A row for each value of a column of the person file, or of `extra.NAME:kind`; blank text is all None.

    Rows are (value, problem), but for names (`NAME_PARTS`), dates of birth (whole, partial, problem).
    """
    if column in ("family_name", "given_name", "previous_family_name"):
        given = column == "given_name"
        return [_name(text, given) for text in values]
    if column == "middle_names":
        return [(read_middle(text), None) for text in values]
    if column == "birth_date":
        found = [read_date(text) if text.strip() else None for text in values]
        return [(r.whole, r.partial, r.problem) if r else (None, None, None) for r in found]
    if column == "nhs_number":
        numbers = (
            nhs_number.read(text, allow_test_numbers=allow_test_numbers) if text.strip() else None for text in values
        )
        return [(r.number, r.problem) if r else (None, None) for r in numbers]
    if column == "nhs_number_status":
        return [_status(text) for text in values]
    if column.startswith("extra."):
        kind = column.rpartition(":")[2]
        return [(prepare_extra(text, kind), None) for text in values]
    reader = READERS[column][1]
    return [reader(text) if text.strip() else (None, None) for text in values]


def _name(text: str, given: bool) -> Row:
    if not text.strip():
        return (None, False, False, False, None, None, None)
    read = read_name(text, given=given)
    return (read.name, read.newborn, read.placeholder, read.test, read.order, read.previous, read.problem)


def _status(text: str) -> Row:
    if not text.strip():
        return (None, None)
    code = nhs_number.status(text)
    return (code, "unknown-code" if code is None else None)


class Readers:
    """Reads distinct values: at once, or in worker processes where a column has `MANY`. For several threads."""

    def __init__(self, pool: ProcessPoolExecutor | None, allow_test_numbers: bool) -> None:
        self._pool = pool
        self.allow_test_numbers = allow_test_numbers

    def read(self, column: str, values: Sequence[str]) -> list[Row]:
        """The rows, in the order of the values; read here where there are no workers, or they died."""
        allow = self.allow_test_numbers
        if self._pool is None or len(values) < MANY:
            return read_values(column, values, allow)
        parts = [values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK)]
        try:
            promises = [self._pool.submit(read_values, column, part, allow) for part in parts]
            return [row for promise in promises for row in promise.result()]
        except BrokenProcessPool:
            # A script that starts us without a guard for its own start cannot have workers; memory may run out.
            return [row for part in parts for row in read_values(column, part, allow)]


@contextmanager
def readers(records: int, *, workers: int, allow_test_numbers: bool) -> Iterator[Readers]:
    """Readers with `workers` processes, or none where there are few records."""
    if workers < 1 or records < MANY:
        yield Readers(None, allow_test_numbers)
        return
    # Not a fork: libraries of this process have threads of their own by now.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield Readers(pool, allow_test_numbers)

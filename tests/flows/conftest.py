"""The index behind the listener: real services on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from mpi.bootstrap import App
from tests.index import open_index
from tests.invariants import check_index


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """An empty index; after the test its invariants are checked."""
    index = open_index(migrated_url)
    yield index
    check_index(index.store)
    index.close()

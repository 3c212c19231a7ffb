"""The connection to SQLite or PostgreSQL: how transactions begin, which failures a repeat may mend."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, InvalidRequestError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from mpi.domain.errors import BadInput, MissingExtra, StoreFailure, TemporaryFailure

_T = TypeVar("_T")

_WRITER_LOCK = 0x4D504901
"""PostgreSQL advisory lock held by the one transaction that may change identities (decision record on locks)."""

RECYCLE_SECONDS = 20
"""A PostgreSQL connection is made anew after so long: it keeps the plans of its first statements, and those made while
the tables were nearly empty get slower with each row."""

LOCK_WAIT_SECONDS = 5.0
"""How long a writer waits for another before it gives up with `TemporaryFailure`."""


class Database:
    """One index: a place to take transactions from. Thread-safe; `close` it at the end."""

    def __init__(self, url: str, *, create: bool = False, lock_wait: float = LOCK_WAIT_SECONDS) -> None:
        """`create` lets SQLite make the file; without it a missing file is a database that is gone."""
        self.url = make_url(url)
        self._create = create
        self.dialect = self.url.get_backend_name()
        if self.dialect == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        elif self.dialect != "sqlite":
            raise BadInput(f"a {self.dialect} database is not supported; use sqlite or postgresql", code="database-url")
        self.lock_wait = lock_wait
        self._writer = threading.Lock()
        self.engine = self._engine()

    def _engine(self) -> Engine:
        if self.dialect == "sqlite":
            engine = create_engine(self.url, connect_args={"timeout": self.lock_wait, "check_same_thread": False})
            event.listen(engine, "do_connect", self._before_connect)
            event.listen(engine, "connect", _open_sqlite)
            event.listen(engine, "checkout", self._check_file)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        try:
            return create_engine(
                self.url,
                pool_pre_ping=True,
                pool_recycle=RECYCLE_SECONDS,
                pool_size=10,
                max_overflow=20,
                connect_args={"connect_timeout": max(2, int(self.lock_wait))},
            )
        except ImportError as error:
            raise MissingExtra("PostgreSQL needs the extra: pip install 'mpi[postgresql]'") from error

    def _before_connect(self, *_args: object) -> None:
        file = Path(self.url.database or "")
        if self._create:
            file.parent.mkdir(parents=True, exist_ok=True)
        elif not file.is_file():
            # SQLite would make an empty file here, and what it then stores would belong to nobody.
            raise sqlite3.OperationalError("the database file is not there")

    def _check_file(self, _connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        # A file that was moved or deleted under an open connection would go on taking writes that nobody can find.
        try:
            inode = Path(self.url.database or "").stat().st_ino
        except OSError as error:
            raise DisconnectionError("the database file is gone") from error
        if record.info.setdefault("inode", inode) != inode:
            raise DisconnectionError("the database file was replaced")

    @contextmanager
    def begin(self, *, identities: bool) -> Iterator[Connection]:
        """A writing transaction: committed at the end, rolled back on any error.

        `identities` is True where records, links or persons may change: of those only one runs at a time, in all
        processes together, so that what was read before a decision still holds when it is written. Raises
        `TemporaryFailure` when the database is gone, full, or stays locked.
        """
        with translated():
            if self.dialect == "sqlite":
                # Threads of one process queue here, fairly and without SQLite's sleeping retries.
                if not self._writer.acquire(timeout=self.lock_wait):
                    raise TemporaryFailure("another writer holds the database")
                try:
                    with self.engine.begin() as connection:
                        yield connection
                finally:
                    self._writer.release()
                return
            with self.engine.begin() as connection:
                connection.execute(_LOCK_TIMEOUT, {"ms": f"{int(self.lock_wait * 1000)}ms"})
                if identities:
                    connection.execute(_TAKE_LOCK, {"key": _WRITER_LOCK})
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A reading transaction that sees one consistent state and never waits for writers."""
        with translated():
            options: dict[str, Any] = {"mpi_read": True}
            if self.dialect == "postgresql":
                options["isolation_level"] = "REPEATABLE READ"
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection

    @property
    def busy(self) -> bool:
        """Whether a thread of this process is writing and another writer would wait for it (SQLite only)."""
        return self.dialect == "sqlite" and self._writer.locked()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


# Every look-up of a writer goes by an index; a new table, which has no statistics yet, must not be read whole instead.
_LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :ms, true), set_config('enable_seqscan', 'off', true)")
_TAKE_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.execute("PRAGMA temp_store = MEMORY")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a transaction that reads first and writes later could not be upgraded
    # when another one wrote in between, and would fail at the end of its work instead of waiting at the start.
    reads = connection.get_execution_options().get("mpi_read")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


_TRANSIENT_STATES = ("08", "40", "53", "55P03", "57P", "58")
"""SQLSTATE classes that a repeat may mend: connection, rollback, resources, lock timeout, shutdown, system error."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise `TemporaryFailure` or `StoreFailure` for what the database driver raises in the block."""
    try:
        yield
    except DBAPIError as error:
        if is_temporary(error):
            # The driver's text may quote values of the statement: name the kind of failure only.
            raise TemporaryFailure(f"the database did not answer ({type(error.orig).__name__})") from error
        raise StoreFailure(f"the database refused a statement ({type(error.orig).__name__})") from error
    except (DisconnectionError, InvalidRequestError, sqlite3.OperationalError) as error:
        # InvalidRequestError is what the pool raises when `_check_file` refuses every connection it has.
        raise TemporaryFailure(f"the database is out of reach ({type(error).__name__})") from error


def is_temporary(error: DBAPIError) -> bool:
    """Whether a repeat may mend `error`: the database gone, locked, full, or a deadlock."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_TRANSIENT_STATES)
    return isinstance(error, OperationalError)


def retrying(action: Callable[[], _T], *, attempts: int = 3, pause: float = 0.05) -> _T:
    """What `action` returns; it is a whole transaction, run again when it fails with `TemporaryFailure`."""
    for attempt in range(attempts):
        try:
            return action()
        except TemporaryFailure:
            if attempt == attempts - 1:
                raise
            time.sleep(pause * 2**attempt)
    raise AssertionError("attempts must be positive")

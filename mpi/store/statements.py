"""Running statements inside one transaction, with as few round trips to the database as may be.

A write whose result nobody reads can wait (`later`): what waits is sent together, in order, before the next
statement that is waited for. On PostgreSQL that is one round trip for all of them (its pipeline mode); on SQLite,
where a round trip costs nothing, nothing waits.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Executable, Table, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.sql.dml import Insert, Update

Values = Mapping[str, Any]


class IdPool:
    """Ids taken from the database's sequences in handfuls, so that a new row need not be waited for to know its id.

    Ids that were taken and not used leave gaps, which harm nobody. Thread-safe.
    """

    HANDFUL = 64

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Iterator[int]] = {}

    def take(self, table: str, connection: Connection) -> int:
        """The next id for a row of `table` (PostgreSQL only)."""
        with self._lock:
            found = next(self._waiting.get(table, iter(())), None)
        if found is not None:
            return found
        rows = connection.execute(_NEXT_IDS, {"sequence": f"{table}_id_seq", "most": self.HANDFUL}).scalars().all()
        with self._lock:
            self._waiting[table] = itertools.chain(self._waiting.get(table, iter(())), iter(rows[1:]))
        return int(rows[0])


_NEXT_IDS = text("SELECT nextval(CAST(:sequence AS regclass)) FROM generate_series(1, :most)")

_compiled: dict[tuple[int, frozenset[str]], tuple[Insert | Update, str, Values]] = {}
"""SQL text of the statements that wait. They are built once, at import, so that their identity is a key; each is kept
with its text, so that no other can take its place in memory."""


_with_id: dict[int, tuple[Insert, Executable]] = {}


def _returning(statement: Insert, table: Table) -> Executable:
    """The statement that also gives the new id, made once: SQLAlchemy keeps its SQL by its identity."""
    found = _with_id.get(id(statement))
    if found is None:
        found = _with_id[id(statement)] = (statement, statement.returning(table.c.id))
    return found[1]


class Statements:
    """Runs the statements of one transaction."""

    def __init__(self, connection: Connection, ids: IdPool) -> None:
        self._connection = connection
        self._ids = ids
        self._waits = connection.dialect.name == "postgresql"
        self._waiting: list[tuple[str, Sequence[Values] | Values | None]] = []

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self._connection.dialect

    def execute(
        self, statement: Executable, values: Sequence[Values] | Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """The result of a statement; what waited has been sent before it."""
        self.flush()
        return self._connection.execute(statement, values)

    def later(self, statement: Insert | Update, values: Sequence[Values] | Values) -> None:
        """Run a write whose result nobody reads. What is wrong with it shows at the next statement, or at the end."""
        if not self._waits:
            self._connection.execute(statement, values)
            return
        sql, constants = self._compiled(statement, frozenset(values if isinstance(values, Mapping) else values[0]))
        if constants:
            values = (
                {**constants, **values} if isinstance(values, Mapping) else [{**constants, **row} for row in values]
            )
        self._waiting.append((sql, values))

    def insert(self, statement: Insert, table: Table, values: Values) -> int:
        """Insert one row; its id."""
        if not self._waits:
            return int(self._connection.execute(_returning(statement, table), values).scalar_one())
        row_id = self._ids.take(table.name, self._connection)
        self.later(statement, {**values, "id": row_id})
        return row_id

    def savepoint(self, name: str) -> None:
        """Open a part of the transaction that can fail alone."""
        self._plain(f"SAVEPOINT {name}")

    def release(self, name: str) -> None:
        """Close a part that went well; what is wrong with its writes shows here at the latest."""
        self._plain(f"RELEASE SAVEPOINT {name}")
        self.flush()

    def roll_back(self, name: str) -> None:
        """Take a part back, with what waits of it; what waited before it goes on waiting.

        When the way back fails too (the connection is gone), that failure is raised: nothing may go on then.
        """
        opening = (f"SAVEPOINT {name}", None)
        if opening in self._waiting:
            del self._waiting[self._waiting.index(opening) :]
            return
        self._waiting.clear()
        self._connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {name}")
        self._connection.exec_driver_sql(f"RELEASE SAVEPOINT {name}")

    def _plain(self, sql: str) -> None:
        if self._waits:
            self._waiting.append((sql, None))
        else:
            self._connection.exec_driver_sql(sql)

    def flush(self) -> None:
        """Send what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        import psycopg

        raw: Any = self._connection.connection.driver_connection
        try:
            with raw.pipeline(), raw.cursor() as cursor:
                for sql, values in waiting:
                    if values is None or isinstance(values, Mapping):
                        cursor.execute(sql, values)
                    else:
                        cursor.executemany(sql, values)
        except psycopg.Error as error:
            if raw.closed:
                self._connection.invalidate(error)
            kind = OperationalError if isinstance(error, psycopg.OperationalError) else DBAPIError
            raise kind("several statements at once", None, error) from error

    def _compiled(self, statement: Insert | Update, names: frozenset[str]) -> tuple[str, Values]:
        """The statement's SQL for values of these names, and the values that stand in the statement itself."""
        key = (id(statement), names)
        found = _compiled.get(key)
        if found is None:
            compiled = statement.compile(dialect=self._connection.dialect, column_keys=sorted(names))
            constants = {name: value for name, value in compiled.params.items() if name not in names}
            found = _compiled[key] = (statement, str(compiled), constants)
        return found[1], found[2]

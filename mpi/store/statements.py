"""Running statements inside one transaction, with as few round trips to the database as may be.

A write whose result nobody reads can wait (`later`): what waits is sent together, in order, before the next
statement that is waited for. On PostgreSQL that is one round trip for all of them (its pipeline mode); on SQLite,
where a round trip costs nothing, nothing waits.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Dialect, Executable, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert, Update

from mpi.store.plain import Fixed, Form, Rows, Values, writing


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

_written: dict[tuple[str, int, frozenset[str]], tuple[Insert | Update, Form]] = {}
"""How writes read as SQL. They are built once, at import, so that their identity is a key; each is kept with its text,
so that no other can take its place in memory."""


class Step(NamedTuple):
    """One statement for the driver: `values` None has no parameters, `many` is run once for each of a list."""

    sql: str
    values: Any = None
    many: bool = False


class Statements:
    """Runs the statements of one transaction."""

    def __init__(self, connection: Connection, ids: IdPool) -> None:
        self._connection = connection
        self._ids = ids
        self._dialect = connection.dialect
        self._waits = self._dialect.name == "postgresql"
        self._waiting: list[Step] = []

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self._dialect

    def execute(
        self, statement: Executable, values: Sequence[Values] | Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """The result of a statement of any kind; what waited has been sent before it."""
        self.flush()
        return self._connection.execute(statement, values)

    def ask(self, statement: Fixed, values: Values) -> Rows:
        """What a statement built at import finds; what waited is sent with it."""
        form, spread = statement.form(self._dialect, values)
        names, found = self._run(Step(form.sql, form.bind(spread)), fetch=True)
        return form.rows(names, found)

    def change(self, statement: Fixed, values: Sequence[Values] | Values) -> None:
        """Run a write built at import, for one or many, as `later` does."""
        rows = [values] if isinstance(values, Mapping) else values
        spread = [statement.form(self._dialect, row) for row in rows]
        self._write(spread[0][0], [row for _, row in spread] if len(spread) > 1 else spread[0][1])

    def later(self, statement: Insert | Update, values: Sequence[Values] | Values) -> None:
        """Run a write whose result nobody reads. What is wrong with it shows at the next statement, or at the end."""
        self._write(self._writing(statement, values if isinstance(values, Mapping) else values[0]), values)

    def _write(self, form: Form, values: Sequence[Values] | Values) -> None:
        one = isinstance(values, Mapping)
        bound = form.bind(values) if isinstance(values, Mapping) else [form.bind(row) for row in values]
        step = Step(form.sql, bound, many=not one)
        if self._waits:
            self._waiting.append(step)
        else:
            self._run(step)

    def insert(self, statement: Insert, table: Table, values: Values) -> int:
        """Insert one row; its id."""
        if not self._waits:
            form = self._writing(statement, values)
            return int(self._run(Step(form.sql, form.bind(values)))[1])
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
        opening = Step(f"SAVEPOINT {name}")
        if opening in self._waiting:
            del self._waiting[self._waiting.index(opening) :]
            return
        self._waiting.clear()
        self._connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {name}")
        self._connection.exec_driver_sql(f"RELEASE SAVEPOINT {name}")

    def _plain(self, sql: str) -> None:
        if self._waits:
            self._waiting.append(Step(sql))
        else:
            self._run(Step(sql))

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self._run(None)

    def _run(self, step: Step | None, *, fetch: bool = False) -> tuple[Sequence[str], Any]:
        """Send what waits and then `step`: the names of its columns and its rows with `fetch`, else its new id.

        Raises what SQLAlchemy raises for the same failure.
        """
        try:
            raw: Any = self._connection.connection.driver_connection
            return self._run_sqlite(raw, step, fetch) if not self._waits else self._run_postgresql(raw, step, fetch)
        except _drivers_error(self._dialect) as error:
            if self._waits and raw.closed:
                self._connection.invalidate(error)
            raise DBAPIError.instance(None, None, error, _drivers_error(self._dialect)) from error

    def _run_sqlite(self, raw: Any, step: Step | None, fetch: bool) -> tuple[Sequence[str], Any]:
        if step is None:
            return (), None
        cursor = raw.executemany(step.sql, step.values) if step.many else raw.execute(step.sql, step.values or ())
        if not fetch:
            return (), cursor.lastrowid
        return [column[0] for column in cursor.description], cursor.fetchall()

    def _run_postgresql(self, raw: Any, step: Step | None, fetch: bool) -> tuple[Sequence[str], Any]:
        waiting, self._waiting = self._waiting, []
        if not waiting and step is not None:
            cursor = raw.execute(step.sql, step.values)
        else:
            with raw.pipeline(), raw.cursor() as writer:
                for one in waiting:
                    (writer.executemany if one.many else writer.execute)(one.sql, one.values)
                cursor = raw.execute(step.sql, step.values) if step is not None else None
        if not fetch or cursor is None:
            return (), None
        return [column.name for column in cursor.description], cursor.fetchall()

    def _writing(self, statement: Insert | Update, values: Values) -> Form:
        key = (self._dialect.name, id(statement), frozenset(values))
        found = _written.get(key)
        if found is None:
            found = _written[key] = (statement, writing(statement, self._dialect, list(values)))
        return found[1]


def _drivers_error(dialect: Dialect) -> type[Exception]:
    error: type[Exception] = dialect.loaded_dbapi.Error
    return error

"""Taking a whole index out of its database, and putting one in, while the feed runs or before it starts."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, inspect, select, text

from mpi.domain.audit import AuditEvent
from mpi.domain.errors import BadInput, Conflict, TemporaryFailure
from mpi.store import audit, clock, schema
from mpi.store.archive import Progress, Reader, Summary, TableRows, Writer, check
from mpi.store.database import Database, translated
from mpi.store.statements import IdPool, Statements
from mpi.store.tables import audit_event, metadata, web_session

_LEFT_OUT = {web_session.name}
"""Who was signed in signs in again: a session that has ended since must not come back."""
_CHUNK = 2000


def save(database: Database, file: Path, progress: Progress) -> Summary:
    """Write all tables, as they were at one moment, to `file`. Nobody waits for it, and it waits for nobody.

    Raises `TemporaryFailure` when the database or the disk is gone or full.
    """
    try:
        with _moment(database, file) as connection:
            revision = schema.revision(connection)
            made_at = clock.now()
            head = _head(connection)
            with Writer(file, revision, made_at) as writer:
                counts = {
                    table.name: writer.table(
                        table.name, table.columns.keys(), _packed(table), _rows(connection, table), progress
                    )
                    for table in metadata.sorted_tables
                    if table.name not in _LEFT_OUT
                }
                writer.finish(head)
    except (OSError, sqlite3.Error) as error:
        raise TemporaryFailure(f"the backup could not be written ({type(error).__name__})") from error
    return Summary(revision, made_at, counts, head)


@contextmanager
def _moment(database: Database, file: Path) -> Iterator[Connection]:
    """The database as it is now, standing still.

    SQLite is copied first, by its online backup: a transaction that reads for long would let the log grow.
    """
    if database.dialect != "sqlite":
        with database.read() as connection:
            yield connection
        return
    copy = file.with_name(file.name + ".copy")
    _remove(copy)
    try:
        _copy_file(Path(database.url.database or ""), copy)
        still = Database(f"sqlite:///{copy}")
        try:
            with still.read() as connection:
                yield connection
        finally:
            still.close()
    finally:
        _remove(copy)


def _copy_file(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    try:
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        finally:
            writing.close()
    finally:
        reading.close()


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def _rows(connection: Connection, table: Table) -> Iterator[Any]:
    ordered = select(table).order_by(*table.primary_key.columns)
    result = connection.execution_options(yield_per=_CHUNK).execute(ordered)
    for row in result:
        yield tuple(row)


def _packed(table: Table) -> list[int]:
    return [at for at, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]


def _head(connection: Connection) -> tuple[int, str]:
    last = select(audit_event.c.seq, audit_event.c.hash).order_by(audit_event.c.seq.desc()).limit(1)
    row = connection.execute(last).first()
    return (row.seq, row.hash) if row else (0, audit.GENESIS)


def load(url: str, file: Path, *, replace: bool, event: AuditEvent, progress: Progress) -> Summary:
    """Put the index of `file` into the database at `url`, all of it or nothing.

    The file is read whole before anything is touched. Raises `BadInput` for a file that is not whole, and `Conflict`
    for a database that is in use, or holds something while `replace` is False, or for a file of a newer version.
    """
    summary = check(file, lambda _table, _rows: None)
    if not schema.knows(summary.revision):
        raise Conflict("the backup is of a version of this software that is not known here")
    database = Database(url, create=True)
    try:
        if database.dialect == "sqlite":
            _load_sqlite(database, file, summary, replace, event, progress)
        else:
            _load_postgresql(database, file, summary, replace, event, progress)
    except (OSError, sqlite3.Error) as error:
        raise TemporaryFailure(f"the backup could not be restored ({type(error).__name__})") from error
    finally:
        database.close()
    return summary


def _load_sqlite(
    database: Database, file: Path, summary: Summary, replace: bool, event: AuditEvent, progress: Progress
) -> None:
    """Build the index beside the database and exchange the files at the end; the old one is kept with another name."""
    target = Path(database.url.database or "")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        with database.read() as connection:
            _check_empty(connection, replace)
        database.close()
    building = target.with_name(target.name + ".restoring")
    _remove(building)
    try:
        fresh = Database(f"sqlite:///{building}", create=True)
        try:
            with translated(), fresh.engine.begin() as connection:
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
                _fill(connection, file, summary, event, progress)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise BadInput("rows of the backup lead nowhere; nothing was restored", code="backup-file")
        finally:
            fresh.close()
        _alone(building)
        if target.exists():
            _alone(target)
            target.rename(target.with_name(f"{target.name}.before-{clock.now().replace(':', '')[:17]}"))
        building.rename(target)
        _flush_folder(target.parent)
    finally:
        _remove(building)


def _alone(file: Path) -> None:
    """Fold the log into the file, which SQLite does only for the last one who has it open; else `Conflict`."""
    connection = sqlite3.connect(file, timeout=2, isolation_level=None)
    try:
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.OperationalError:
        mode = "in use"
    finally:
        connection.close()
    if mode != "delete":
        raise Conflict("the database is in use; stop mpi listen, serve and work first")
    with open(file, "rb+") as handle:
        os.fsync(handle.fileno())


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def _load_postgresql(
    database: Database, file: Path, summary: Summary, replace: bool, event: AuditEvent, progress: Progress
) -> None:
    """Everything in one transaction: whoever looks sees the old index or the new one."""
    with translated(), database.engine.begin() as connection:
        if connection.execute(_OTHERS).scalar_one():
            raise Conflict("the database is in use; stop mpi listen, serve and work first")
        _check_empty(connection, replace)
        present = set(inspect(connection).get_table_names())
        for name in [*(table.name for table in reversed(metadata.sorted_tables)), "alembic_version"]:
            if name in present:
                connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS audit_event_refuse() CASCADE")
        _fill(connection, file, summary, event, progress)


def _check_empty(connection: Connection, replace: bool) -> None:
    if replace:
        return
    present = set(inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        if table.name in present and connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise Conflict("the database is not empty; --replace puts the backup in its place")


def _fill(connection: Connection, file: Path, summary: Summary, event: AuditEvent, progress: Progress) -> None:
    """Make the tables as the backup knows them, fill them, hold them against the backup, and bring them up to date."""
    schema.upgrade(connection, summary.revision)
    known = {name: inspect(connection).get_columns(name) for name in inspect(connection).get_table_names()}
    reader = Reader(file)
    for table in reader.tables():
        columns = {column["name"] for column in known.get(table.name, [])}
        if not set(table.columns) <= columns:
            raise BadInput("the backup names tables or columns that do not exist", code="backup-file")
        _insert(connection, table, progress)
    if reader.summary != summary:
        raise BadInput("the backup changed while it was read; nothing was restored", code="backup-file")
    _verify(connection, summary)
    if connection.dialect.name == "postgresql":
        _set_sequences(connection, summary)
    schema.upgrade(connection, "head")
    statements = Statements(connection, IdPool())
    audit.append(statements, [(clock.now(), event)])
    statements.flush()


def _insert(connection: Connection, table: TableRows, progress: Progress) -> None:
    raw: Any = connection.connection.driver_connection
    names = ", ".join(f'"{name}"' for name in table.columns)
    if connection.dialect.name == "postgresql":
        with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
            for chunk in _chunks(table):
                for row in chunk:
                    copy.write_row(row)
                progress(table.name, len(chunk))
        return
    marks = ", ".join("?" * len(table.columns))
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - names of our own tables
    for chunk in _chunks(table):
        raw.executemany(statement, chunk)
        progress(table.name, len(chunk))


def _chunks(table: TableRows) -> Iterator[list[Any]]:
    chunk = []
    for row in table.rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _verify(connection: Connection, summary: Summary) -> None:
    """What lies in the database now is what was saved: row counts, and the audit chain to its last event."""
    for name, wanted in summary.rows.items():
        found = connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()  # noqa: S608 - as above
        if found != wanted:
            raise BadInput(f"{wanted - found} rows of {name} are missing; nothing was restored", code="backup-file")
    checked, broken = audit.verify(Statements(connection, IdPool()))
    if broken is not None or (checked, _head(connection)[1]) != summary.head:
        raise BadInput("the audit chain of the backup does not hold; nothing was restored", code="backup-file")


def _set_sequences(connection: Connection, summary: Summary) -> None:
    for name in summary.rows:
        sequence = connection.execute(
            text(
                "SELECT pg_get_serial_sequence(:name, column_name) FROM information_schema.columns"
                " WHERE table_name = :name AND column_name = 'id' AND table_schema = current_schema()"
            ),
            {"name": name},
        ).scalar()
        if sequence:
            connection.exec_driver_sql(
                f"SELECT setval('{sequence}', (SELECT coalesce(max(id), 0) + 1 FROM \"{name}\"), false)"  # noqa: S608 - as above
            )

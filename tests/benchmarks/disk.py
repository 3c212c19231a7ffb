"""How many durable commits of one row the disk takes a second: what one message at a time cannot beat."""

import sqlite3
import time
from pathlib import Path

SECONDS = 3.0


def sqlite_commits(folder: Path) -> float:
    """Commits a second of SQLite in `folder`, write-ahead log and full synchronisation as the index has them."""
    file = folder / "disk.db"
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (at REAL)")
        return _rate(lambda: connection.execute("INSERT INTO t VALUES (?)", (time.time(),)))
    finally:
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


def postgresql_commits(socket_dir: str, database: str) -> float:
    """Commits a second of PostgreSQL with its own settings."""
    import psycopg

    with psycopg.connect(host=socket_dir, user="postgres", dbname=database, autocommit=True) as connection:
        connection.execute("CREATE TABLE disk_commits (at double precision)")
        try:
            return _rate(lambda: connection.execute("INSERT INTO disk_commits VALUES (%s)", (time.time(),)))
        finally:
            connection.execute("DROP TABLE disk_commits")


def _rate(commit: object) -> float:
    assert callable(commit)
    done = 0
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < SECONDS:
        commit()
        done += 1
    return done / passed

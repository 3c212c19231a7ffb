"""Indexes to measure on: built by the real `mpi load`, kept under var/bench, copied for each run."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.engine import make_url

from mpi.store import schema
from mpi.store.tables import metadata
from tests.benchmarks.machine import index_key
from tests.benchmarks.population import CONFIG, SEED, Population

_CHUNK = 20_000


def mpi(*arguments: str, url: str) -> str:
    """What `mpi` prints."""
    environment = {**os.environ, "MPI_DATABASE_URL": url, "MPI_CONFIG": str(CONFIG)}
    done = subprocess.run(
        [sys.executable, "-m", "mpi.cli.main", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def sqlite_index(persons: int, population: Population, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The SQLite file of the loaded population, and how the load went (of the run that built it)."""
    kept = folder / "indexes" / f"{index_key()}-{SEED}-{persons}"
    file, figures = kept / "mpi.db", kept / "load.json"
    if figures.is_file() and index_key() != "unsaved":
        return file, json.loads(figures.read_text(encoding="utf-8"))
    for old in (folder / "indexes").glob(f"*-{SEED}-{persons}"):
        shutil.rmtree(old)
    kept.mkdir(parents=True)
    url = f"sqlite:///{file}"
    schema.migrate(url)
    found = load(population.file, url)
    figures.write_text(json.dumps(found), encoding="utf-8")
    return file, found


def load(file: Path, url: str) -> dict[str, Any]:
    """Load a file by the real command: counts, seconds, rows a second (process start included)."""
    begin = time.perf_counter()
    done: dict[str, Any] = json.loads(mpi("load", str(file), "--json", url=url))
    seconds = time.perf_counter() - begin
    done["seconds"] = round(seconds, 1)
    done["rows_per_second"] = round(done["rows"] / seconds)
    return done


def copy_sqlite(file: Path, folder: Path, name: str = "run.db") -> str:
    """The URL of a copy that a run may write to, as warm as an index that is in use."""
    copy = folder / name
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(file, copy)
    os.sync()  # or the copying would be written out during the measurement
    with copy.open("rb") as warm:
        while warm.read(1 << 22):
            pass
    return f"sqlite:///{copy}"


def copy_to_postgresql(file: Path, url: str) -> None:
    """Fill an empty PostgreSQL database with the rows of an SQLite index: the same decisions, not taken twice."""
    schema.migrate(url)
    source = create_engine(f"sqlite:///{file}")
    target = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with source.connect() as reading, target.begin() as writing:
        writing.execute(text("SET session_replication_role = replica"))  # rows come in any order, triggers rest
        for table in metadata.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            rows = reading.execute(select(table))
            raw = writing.connection.cursor()
            with raw.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copy:
                for row in rows.yield_per(_CHUNK):
                    copy.write_row(tuple(row))
            if "id" in table.columns and table.columns["id"].autoincrement is not False:
                highest = reading.execute(select(func.max(table.columns["id"]))).scalar() or 0
                sequence = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {highest + 1}, false)"
                writing.execute(text(sequence))
    _settle(target)
    source.dispose()
    target.dispose()


def _settle(engine: Engine) -> None:
    """Statistics for the planner and a checkpoint, so that neither falls into the measurement."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
        connection.execute(text("CHECKPOINT"))

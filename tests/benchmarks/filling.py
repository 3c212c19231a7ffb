"""An index of very many people, filled without matching: what the feed and queries are measured against.

`mpi load` would need half an hour of a quiet machine for a million records, so that its rate is measured on some
thousands at both ends instead. Here records, numbers, keys, persons and links are written as `mpi load` writes them;
the truth says who is one person. There is no audit trail before the measurement.
"""

import csv
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from mpi.domain.enterprise_id import new_enterprise_id
from mpi.domain.person import DEMOGRAPHIC_FIELDS, NHS, Demographics
from mpi.matching.block import blocking_keys
from mpi.matching.prepare import prepare
from mpi.store import clock, schema

_BATCH = 200_000
_SOURCE = "file:benchmark"
_RECORD = (
    "INSERT INTO source_record (id, authority, local_id, status, version, recorded, prepared, problems, restricted,"
    " source, created_at, updated_at) VALUES (?, ?, ?, 'active', 1, ?, ?, ?, 0, ?, ?, ?)"
)
_NUMBER = (
    "INSERT INTO identifier (record_id, authority, value, verified, verified_at, valid_from) VALUES (?, ?, ?, ?, ?, ?)"
)
_PERSON = "INSERT INTO person (id, enterprise_id, created_at) VALUES (?, ?, ?)"
_LINK = "INSERT INTO link (record_id, person_id, valid_from, how, made_by) VALUES (?, ?, ?, ?, 'operator')"


def fill(file: Path, people: Path) -> None:
    """Make the SQLite index `file` out of a person file."""
    schema.migrate(f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TEMP TABLE loose (key TEXT NOT NULL, record_id INTEGER NOT NULL)")
        with people.open(encoding="utf-8", newline="") as lines:
            for batch in _batches(_Filling().rows(csv.DictReader(lines))):
                for statement, rows in batch.items():
                    connection.executemany(statement, rows)
        connection.execute("INSERT INTO blocking_key SELECT key, record_id FROM loose ORDER BY key, record_id")
        connection.commit()
        connection.execute("DROP TABLE loose")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


class _Filling:
    def __init__(self) -> None:
        self._persons: dict[str, int] = {}
        self._now = clock.now()

    def rows(self, people: Iterable[dict[str, str]]) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Statements with their values, record by record."""
        now = self._now
        for record_id, row in enumerate(people, 1):
            recorded = Demographics(**{name: row[name] for name in DEMOGRAPHIC_FIELDS if row.get(name)})
            prepared, problems = prepare(recorded, allow_test_numbers=True)
            yield (
                _RECORD,
                (
                    record_id,
                    row["authority"],
                    row["record_id"],
                    json.dumps(recorded.as_dict(), ensure_ascii=False, separators=(",", ":")),
                    prepared.to_json(),
                    json.dumps([[p.field, p.problem] for p in problems]),
                    _SOURCE,
                    now,
                    now,
                ),
            )
            if prepared.nhs:
                sure = prepared.nhs_verified
                yield _NUMBER, (record_id, NHS, prepared.nhs, sure, now if sure else None, now)
            for key in blocking_keys(prepared):
                yield "INSERT INTO loose VALUES (?, ?)", (key, record_id)
            person_id = self._persons.get(row["true_person"])
            how = "automatic"
            if person_id is None:
                person_id = self._persons[row["true_person"]] = len(self._persons) + 1
                how = "new"
                yield _PERSON, (person_id, new_enterprise_id(secrets.randbits), now)
            yield _LINK, (record_id, person_id, now, how)


def _batches(
    rows: Iterable[tuple[str, tuple[object, ...]]],
) -> Iterator[dict[str, list[tuple[object, ...]]]]:
    """Rows by statement; a record comes before its person's link, which nothing holds back while filling."""
    batch: dict[str, list[tuple[object, ...]]] = {}
    for count, (statement, values) in enumerate(rows, 1):
        batch.setdefault(statement, []).append(values)
        if count % _BATCH == 0:
            yield batch
            batch = {}
    yield batch

"""Small tables about the index itself: models used, value problems counted, load runs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import bindparam, func, insert, select, text, update

from mpi.domain.audit import AuditEvent
from mpi.domain.person import ValueProblem
from mpi.store.plain import Fixed
from mpi.store.records import TrailLike
from mpi.store.statements import Statements
from mpi.store.tables import linkage_model, load_run, quality_count

_count_problem = Fixed(
    text(
        "INSERT INTO quality_count (day, source, field, problem, n) VALUES (:day, :source, :field, :problem, 1)"
        " ON CONFLICT (day, source, field, problem) DO UPDATE SET n = quality_count.n + 1"
    )
)
_problems = (
    select(quality_count.c.source, quality_count.c.field, quality_count.c.problem, func.sum(quality_count.c.n))
    .group_by(quality_count.c.source, quality_count.c.field, quality_count.c.problem)
    .order_by(quality_count.c.source, quality_count.c.field, quality_count.c.problem)
)
_model = Fixed(
    text(
        "INSERT INTO linkage_model (hash, name, document, first_used_at) VALUES (:hash, :name, :document, :at)"
        " ON CONFLICT (hash) DO NOTHING"
    )
)
_model_by_hash = select(linkage_model.c.document).where(linkage_model.c.hash == bindparam("hash"))
_run = (
    select(load_run)
    .where(load_run.c.file_digest == bindparam("digest"), load_run.c.authority == bindparam("authority"))
    .order_by(load_run.c.id.desc())
    .limit(1)
)
_insert_run = insert(load_run).returning(load_run.c.id)
_update_run = update(load_run).where(load_run.c.id == bindparam("run_id"))


class LoadRun(NamedTuple):
    """One reading of a file into the index; `rows_done` rows are committed, `counts` says with which outcome."""

    id: int
    state: str
    rows_done: int
    counts: dict[str, int]


class Registry:
    """The index's own small tables inside one transaction."""

    def __init__(self, connection: Statements, trail: TrailLike) -> None:
        self._connection = connection
        self._trail = trail

    def count_problems(self, source: str, problems: Iterable[ValueProblem]) -> None:
        """Count values of `source` that matching cannot use, by day and field."""
        rows = [
            {"day": self._trail.now[:10], "source": source, "field": p.field, "problem": p.problem} for p in problems
        ]
        if rows:
            self._connection.change(_count_problem, rows)

    def problems(self) -> list[tuple[str, str, str, int]]:
        """(source, field, problem, how often) of all time."""
        return [(row[0], row[1], row[2], int(row[3])) for row in self._connection.execute(_problems)]

    def keep_model(self, hash_: str, name: str, document: str) -> None:
        """Keep the model that decisions name by its hash; known ones are left."""
        self._connection.change(_model, {"hash": hash_, "name": name, "document": document, "at": self._trail.now})

    def model(self, hash_: str) -> str | None:
        """The JSON document of a model that was used here; None when it never was."""
        found: str | None = self._connection.execute(_model_by_hash, {"hash": hash_}).scalar()
        return found

    def find_run(self, digest: str, authority: str) -> LoadRun | None:
        """The latest load of the file with this digest; None when it was never loaded."""
        row = self._connection.execute(_run, {"digest": digest, "authority": authority}).first()
        return LoadRun(row.id, row.state, row.rows_done, json.loads(row.counts)) if row else None

    def start_run(self, name: str, digest: str, authority: str, *, event: AuditEvent) -> int:
        """Open a load run; its id."""
        now = self._trail.now
        run_id = int(
            self._connection.execute(
                _insert_run,
                {
                    "file_name": name,
                    "file_digest": digest,
                    "authority": authority,
                    "state": "running",
                    "rows_done": 0,
                    "counts": "{}",
                    "started_at": now,
                    "updated_at": now,
                },
            ).scalar_one()
        )
        self._trail.add(replace(event, detail={**event.detail, "run": run_id}))
        return run_id

    def advance_run(self, run_id: int, rows_done: int, counts: Mapping[str, int]) -> None:
        """Note how far a run has come, in the transaction that stores the rows."""
        self._connection.later(
            _update_run,
            {
                "run_id": run_id,
                "rows_done": rows_done,
                "updated_at": self._trail.now,
                "counts": json.dumps(dict(counts), sort_keys=True),
            },
        )

    def finish_run(self, run_id: int, *, event: AuditEvent) -> None:
        """Close a run."""
        self._connection.later(_update_run, {"run_id": run_id, "state": "finished", "updated_at": self._trail.now})
        self._trail.add(replace(event, detail={**event.detail, "run": run_id}))

"""Loading a person file: rows registered in chunks, so that a run that was broken off goes on where it stood."""

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, StoreFailure
from mpi.domain.file_row import FileRow
from mpi.domain.person import ValueProblem
from mpi.matching.model import LinkageModel
from mpi.services.identity import Cause
from mpi.services.register import Registrar
from mpi.store.database import retrying
from mpi.store.unit_of_work import Store, UnitOfWork

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

CHUNK = 200
"""Rows of one transaction: enough to share the flush of the disk, few enough that a feed need not wait long."""
BREATH_SECONDS = 0.005
"""Pause after each chunk: SQLite wakes waiting writers by chance, and a listener must get through beside a load."""
ATTEMPTS, PAUSE_SECONDS = 8, 0.25
"""A database that is gone or locked is asked again for half a minute (0.25 s, 0.5 s, 1 s ...): a load can wait."""
FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class LoadJob:
    """What is loaded. `digest` stands for the file's bytes and how they are read.

    `authority` is empty where a column of the file says it.
    """

    name: str
    digest: str
    authority: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Chunk:
    """What became of some rows that are committed now."""

    rows: int
    set_aside: tuple[tuple[FileRow, str], ...]
    problems: tuple[tuple[int, ValueProblem], ...]
    """(line, problem) of values that are stored and kept out of matching."""


class Watcher(Protocol):
    """Who is told how a load goes; always after the commit."""

    def started(self, skipped: int, last_line: int) -> None:
        """The load begins, after the rows that an earlier, broken run had done (0: after none), up to this line."""

    def done(self, chunk: Chunk) -> None:
        """A chunk is durable."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows there were, and what became of them, an earlier part of the same run included."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    held: int = 0
    """Rows that describe another person than their number did: they wait for a human, and changed nothing."""
    linked: int = 0
    """Rows whose record joined a person who was known before."""
    tasks: int = 0
    set_aside: int = 0
    problems: int = 0
    """Values that could not be read: stored, and out of matching."""
    resumed_at: int = 0
    """Rows that an earlier, broken run had stored."""


@dataclass(slots=True)
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    set_aside: list[tuple[FileRow, str]] = field(default_factory=list)
    problems: list[tuple[int, ValueProblem]] = field(default_factory=list)

    def refuse(self, row: FileRow, reason: str) -> None:
        self.set_aside.append((row, reason))
        self.counts["set_aside"] += 1


class Loader:
    """Loads files into the index, one row at a time through the same decisions as a message of the feed."""

    def __init__(self, store: Store, model: LinkageModel, registrar: Registrar) -> None:
        self._store = store
        self._model = model
        self._registrar = registrar

    def load(self, job: LoadJob, rows: Iterable[FileRow], watcher: Watcher) -> Loaded:
        """Register all rows; a row that cannot be stored is set aside alone.

        Raises `TemporaryFailure` when the database goes away: what was committed stays, and the same call goes on
        from there.
        """
        run_id, skipped, counts = self._patiently(partial(self._open, job))
        remaining = iter(rows)
        last = 0
        for row in itertools.islice(remaining, skipped):
            last = row.line
        watcher.started(skipped, last)
        done = skipped
        for chunk in _chunks(remaining):
            done += len(chunk)
            tally = self._patiently(partial(self._store_chunk, job, run_id, chunk, done, counts))
            counts += tally.counts
            watcher.done(Chunk(len(chunk), tuple(tally.set_aside), tuple(tally.problems)))
            time.sleep(BREATH_SECONDS)
        self._patiently(partial(self._close, job, run_id, done, counts))
        return Loaded(rows=done, resumed_at=skipped, **counts)

    def _patiently(self, action: Callable[[], _T]) -> _T:
        """What a whole transaction gives, run again while the database is out of reach."""
        return retrying(action, attempts=ATTEMPTS, pause=PAUSE_SECONDS)

    def _close(self, job: LoadJob, run_id: int, done: int, counts: Counter[str]) -> None:
        with self._store.writing(identities=False) as unit:
            event = AuditEvent(job.actor, Action.RUN_FINISHED, detail={"rows": done, **counts})
            unit.registry.finish_run(run_id, event=event)

    def _open(self, job: LoadJob) -> tuple[int, int, Counter[str]]:
        """The run's id, how many rows it has done already, and with which outcome."""
        with self._store.writing(identities=False) as unit:
            unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            found = unit.registry.find_run(job.digest, job.authority)
            if found is not None and found.state != FINISHED:
                return found.id, found.rows_done, Counter(found.counts)
            event = AuditEvent(job.actor, Action.RUN_STARTED, detail={"file": job.name})
            return unit.registry.start_run(job.name, job.digest, job.authority, event=event), 0, Counter()

    def _store_chunk(
        self, job: LoadJob, run_id: int, chunk: Sequence[FileRow], done: int, before: Counter[str]
    ) -> _Tally:
        tally = _Tally()
        cause = Cause(job.actor)
        with self._store.writing() as unit:
            for row in chunk:
                self._store_row(unit, row, cause, f"file:{job.name}", tally)
            unit.registry.advance_run(run_id, done, before + tally.counts)
        return tally

    def _store_row(self, unit: UnitOfWork, row: FileRow, cause: Cause, source: str, tally: _Tally) -> None:
        if row.record is None:
            tally.refuse(row, row.fault or "the row cannot be read")
            return
        try:
            with unit.savepoint():
                found = self._registrar.register(unit, row.record, cause, source)
        except BadInput as error:
            tally.refuse(row, str(error))
            return
        except StoreFailure:
            _log.exception("row could not be stored", extra={"facts": {"line": row.line}})
            tally.refuse(row, "the database refused the row")
            return
        tally.counts[found.how] += 1
        tally.counts["linked"] += found.linked
        tally.counts["tasks"] += len(found.tasks)
        tally.counts["problems"] += len(found.problems)
        tally.problems += [(row.line, problem) for problem in found.problems]


def _chunks(rows: Iterator[FileRow]) -> Iterator[list[FileRow]]:
    while chunk := list(itertools.islice(rows, CHUNK)):
        yield chunk

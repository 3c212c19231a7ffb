"""One transaction with its audit rows: the only way to the tables.

    with store.writing() as unit:
        unit.records.create(..., event=AuditEvent(...))

Everything is committed together at the end of the block, the audit rows last, or nothing is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from mpi.domain.audit import AuditEvent
from mpi.domain.replay import Statement
from mpi.store import audit, clock
from mpi.store.crosswalk import Crosswalks
from mpi.store.database import Database, translated
from mpi.store.history import History
from mpi.store.inbox import InboxTable
from mpi.store.known_studies import KnownStudyTable
from mpi.store.moments import Moments
from mpi.store.numbers import Numbers
from mpi.store.outbox import OutboxTable
from mpi.store.persons import Persons
from mpi.store.positions import Positions
from mpi.store.quality import QualityTable
from mpi.store.quarantine import Quarantine
from mpi.store.queue import QueueTable
from mpi.store.reads import ReadAudits, Ticket
from mpi.store.records import Records
from mpi.store.registry import Registry
from mpi.store.sources import SourceTable
from mpi.store.statements import IdPool, Statements
from mpi.store.studies import Studies
from mpi.store.study_lists import StudyLists
from mpi.store.study_overrides import StudyOverrides
from mpi.store.task_times import TaskTimes
from mpi.store.tasks import Tasks
from mpi.store.upkeep import Upkeep
from mpi.store.users import Accounts
from mpi.store.whole import Whole


class Trail:
    """The audit events of the open transaction, written when it ends."""

    def __init__(self) -> None:
        self.events: list[tuple[str, AuditEvent]] = []
        self.said: list[Statement] = []
        self.closed = 0
        """How many of the events belong to changes of identities that are written down already."""
        self.now = clock.now()

    def add(self, event: AuditEvent) -> None:
        """Note `event` at the unit's instant."""
        self.events.append((self.now, event))


class UnitOfWork:
    """The tables inside one open transaction. `now` is the instant of everything it writes."""

    def __init__(self, connection: Connection, ids: IdPool) -> None:
        self.connection = Statements(connection, ids)
        self.trail = Trail()
        self._depth = 0
        self.records = Records(self.connection, self.trail)
        self.persons = Persons(self.connection, self.trail)
        self.numbers = Numbers(self.connection, self.trail)
        self.history = History(self.connection, self.trail)
        self.tasks = Tasks(self.connection, self.trail)
        self.queue = QueueTable(self.connection, self.trail)
        self.upkeep = Upkeep(self.connection, self.trail)
        self.inbox = InboxTable(self.connection, self.trail)
        self.registry = Registry(self.connection, self.trail)
        self.studies = Studies(self.connection, self.trail)
        self.quarantine = Quarantine(self.connection, self.trail)
        self.known_studies = KnownStudyTable(self.connection, self.trail)
        self.overrides = StudyOverrides(self.connection, self.trail)
        self.study_lists = StudyLists(self.connection)
        self.accounts = Accounts(self.connection, self.trail)
        self.quality = QualityTable(self.connection, self.trail)
        self.sources = SourceTable(self.connection, self.trail)
        self.task_times = TaskTimes(self.connection)
        self.moments = Moments(self.connection)
        self.whole = Whole(self.connection)
        self.positions = Positions(self.connection)
        self.outbox = OutboxTable(self.connection, self.trail)
        self.crosswalks = Crosswalks(self.connection)

    @property
    def now(self) -> str:
        """The instant of this unit, as stored."""
        return self.trail.now

    def audit(self, event: AuditEvent) -> None:
        """Note an event that goes with no change of a table, such as a look at a person."""
        self.trail.add(event)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the unit that can fail alone: on an error its changes and its audit events are gone.

        An outermost part is one change of identities (see `mpi.store.history`).
        """
        kept, said = len(self.trail.events), len(self.trail.said)
        before = self.trail.now
        self.trail.now = clock.now()
        try:
            with translated(), self._nested():
                yield
                if self._depth == 1:
                    self.history.close()
        except BaseException:
            del self.trail.events[kept:], self.trail.said[said:]
            self.trail.closed = min(self.trail.closed, kept)
            self.trail.now = before
            raise

    @contextmanager
    def _nested(self) -> Iterator[None]:
        """A savepoint in plain SQL: `begin_nested` compiles its statements anew each time, once a message."""
        self._depth += 1
        name = f"part_{self._depth}"
        self.connection.savepoint(name)
        try:
            yield
            self.connection.release(name)
        except BaseException:
            self.connection.roll_back(name)
            raise
        finally:
            self._depth -= 1


class Store:
    """The index's database. Services take units of work from it; doors never see it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ids = IdPool()
        self.reads = ReadAudits(database, self.ids)

    @contextmanager
    def writing(self, *, identities: bool = True) -> Iterator[UnitOfWork]:
        """A unit that may change things; `identities` as in `Database.begin`. The audit of waiting reads goes along."""
        taken: list[Ticket] = []
        try:
            with self.database.begin(identities=identities) as connection:
                unit = UnitOfWork(connection, self.ids)
                yield unit
                unit.history.close()
                taken = self.reads.take()
                audit.append(unit.connection, [*unit.trail.events, *(event for one in taken for event in one.events)])
                unit.connection.flush()
        except BaseException:
            self.reads.put_back(taken)
            raise
        self.reads.finished(taken)

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """A unit that only reads. Its audit events, if any, are committed after the reading and before the exit."""
        with self.database.read() as connection:
            unit = UnitOfWork(connection, self.ids)
            yield unit
        if unit.trail.events:
            self.reads.keep(unit.trail.events)

"""The audit of reads, committed before an answer leaves: with a writer's transaction that ends anyway, else alone.

On SQLite one transaction writes at a time. A query that had to wait for a batch of the feed, and then to flush the disk
for itself, would wait twice; its audit events go with that batch instead.
"""

import threading
import time
from collections.abc import Sequence

from mpi.domain.audit import AuditEvent
from mpi.domain.errors import StoreFailure, TemporaryFailure
from mpi.store import audit
from mpi.store.database import Database
from mpi.store.statements import IdPool, Statements

Events = Sequence[tuple[str, AuditEvent]]
_RECHECK_SECONDS = 0.005
"""A writer tells when it ends; those that hold the database without saying so are noticed after so long."""


class Ticket:
    """Events that wait. Written under the lock of its `ReadAudits` only."""

    __slots__ = ("done", "events", "taken")

    def __init__(self, events: Events) -> None:
        self.events = events
        self.taken = False
        self.done = False


class ReadAudits:
    """Audit events of reads on their way into the trail. Thread-safe."""

    def __init__(self, database: Database, ids: IdPool) -> None:
        self._database = database
        self._ids = ids
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []

    def keep(self, events: Events) -> None:
        """Return once `events` are committed. Raises `TemporaryFailure`; `StoreFailure` for what cannot be stored."""
        if not all(audit.storable(event) for _, event in events):
            raise StoreFailure("an audit event cannot be stored")
        ticket = Ticket(events)
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._waited(ticket):
                self._alone()
        finally:
            with self._changed:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)

    @property
    def waiting(self) -> bool:
        """Whether somebody waits, and would go along with a commit."""
        return bool(self._waiting)

    def take(self) -> list[Ticket]:
        """What waits, for a transaction that is about to commit; give it to `finished` or `put_back` afterwards."""
        with self._changed:
            taken, self._waiting = self._waiting, []
            for ticket in taken:
                ticket.taken = True
        return taken

    def finished(self, taken: Sequence[Ticket]) -> None:
        """The transaction that took them has committed."""
        with self._changed:
            for ticket in taken:
                ticket.done = True
            self._changed.notify_all()

    def put_back(self, taken: Sequence[Ticket]) -> None:
        """The transaction that took them has failed: they wait again."""
        with self._changed:
            for ticket in taken:
                ticket.taken = False
            self._waiting = [*taken, *self._waiting]
            self._changed.notify_all()

    def _waited(self, ticket: Ticket) -> bool:
        """True when the events are durable, False when nobody writes who could take them along."""
        patience = time.monotonic() + self._database.lock_wait
        with self._changed:
            while not ticket.done and (ticket.taken or self._database.busy):
                if time.monotonic() > patience:
                    raise TemporaryFailure("another writer holds the database")
                self._changed.wait(_RECHECK_SECONDS)
            return ticket.done

    def _alone(self) -> None:
        taken: list[Ticket] = []
        try:
            with self._database.begin(identities=False) as connection:
                taken = self.take()
                if taken:
                    statements = Statements(connection, self._ids)
                    audit.append(statements, [event for ticket in taken for event in ticket.events])
                    statements.flush()
        except BaseException:
            self.put_back(taken)
            raise
        self.finished(taken)

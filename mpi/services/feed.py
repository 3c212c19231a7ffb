"""What a message asks for, carried out: one place where each command of the door meets its service."""

import logging
from dataclasses import dataclass

from mpi.domain.audit import Action
from mpi.domain.known_study import ReportStudies
from mpi.domain.messages import Command, Delete, Link, Merge, Move, Register, Rename
from mpi.domain.person import Identifier, ValueProblem
from mpi.domain.review import TaskType
from mpi.services import identity, numbers
from mpi.services.identity import Cause
from mpi.services.links import Linked, Linker
from mpi.services.merge import Merged, Merger
from mpi.services.register import Registrar
from mpi.services.studies import told
from mpi.store.records import DELETED, MERGED
from mpi.store.tasks import NewTask
from mpi.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

UNKNOWN_NUMBER = ValueProblem("local_id", "unknown-number")
"""Counted for its source: an event about a number that never came. Many of them mean that a feed is lost."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command. `note` is what the sender should know of it; `held` that a human is asked first."""

    how: str
    record_id: int | None = None
    person_id: int | None = None
    problems: tuple[ValueProblem, ...] = ()
    note: str | None = None

    @property
    def held(self) -> bool:
        """Whether nothing was applied, and a human is asked."""
        return self.how == "held"


class Feed:
    """Carries the commands of messages out, inside the caller's unit of work."""

    def __init__(self, registrar: Registrar, merger: Merger, linker: Linker) -> None:
        self._registrar = registrar
        self._merger = merger
        self._linker = linker

    def carry_out(self, unit: UnitOfWork, command: Command, cause: Cause) -> Done:
        """What `command` did; raises `BadInput` where its content is at fault."""
        done = self._carry_out(unit, command, cause, cause.actor.name)
        if done.how == "unknown":
            _log.info("an event about a number that is not known", extra={"facts": {"message": cause.message_id}})
            unit.registry.count_problems(cause.actor.name, [UNKNOWN_NUMBER])
        return done

    def _carry_out(self, unit: UnitOfWork, command: Command, cause: Cause, source: str) -> Done:
        match command:
            case Register(record):
                done = self._registrar.register(unit, record, cause, source)
                if record.national and done.how not in ("held", "older"):
                    numbers.keep(unit, done.record_id, record.national, cause)
                return Done(done.how, done.record_id, done.person_id, done.problems, done.note)
            case Merge(pairs, said_at):
                return _of(self._merger.merge_all(unit, pairs, cause, said_at))
            case Rename(pair, said_at):
                return _of(self._merger.rename(unit, pair, cause, said_at))
            case Link(one, other, True):
                return _of(self._linker.unlink(unit, one, other, cause))
            case Link(one, other):
                return _of(self._linker.link(unit, one, other, cause, source))
            case Move(pairs):
                return _of(self._linker.move_all(unit, pairs, cause, source))
            case ReportStudies():
                kept = told.keep(unit, command, cause)
                return Done(kept.how, kept.record_id, kept.person_id, (), kept.note)
            case Delete(identifier, said_at):
                return self._delete(unit, identifier, said_at, cause)
        raise AssertionError(f"nothing carries out {type(command).__name__}")

    def _delete(self, unit: UnitOfWork, number: Identifier, said_at: str | None, cause: Cause) -> Done:
        """Mark a number as deleted: it matches nobody new, keeps its person and its history, and a human is asked."""
        stored = unit.records.find(number.authority, number.value)
        if stored is None:
            return Done("unknown", note="the number to be deleted is not known; nothing was changed")
        person_id = identity.person_of(unit, stored.id)
        if stored.status in (DELETED, MERGED):
            return Done("repeated", stored.id, person_id, note="the number is not in use; nothing was changed")
        event = cause.event(Action.RECORD_DELETED, person_id=person_id, reason="deleted by the source")
        unit.records.set_status(stored, DELETED, None, identity.keys_of(stored), event=event, said_at=said_at)
        reason = "The hospital deleted this number. Its record is kept and takes no part in matching any more."
        task = NewTask(TaskType.DELETED_NUMBER, stored.id, None, reason, message_id=cause.message_id)
        identity.open_task(unit, task, cause)
        return Done("deleted", stored.id, person_id)


def _of(found: Merged | Linked) -> Done:
    """A merge or a link as a command's outcome."""
    note = found.reason if isinstance(found, Merged) else found.note
    return Done(found.how, found.record_id, found.person_id, (), note)

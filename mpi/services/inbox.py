"""The inbox: every message is kept as it came, does what it asks for, and has one outcome.

A batch of messages shares one transaction and so one flush of the disk; each is a savepoint of its own, so that one
that fails takes no other with it. Nothing is answered before the commit.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from mpi.config import Config
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, MpiError, NotFound, StoreFailure, TemporaryFailure
from mpi.domain.messages import (
    AckCode,
    Acknowledge,
    ErrorCode,
    Inbound,
    MessageError,
    Outcome,
    Refused,
    Severity,
)
from mpi.domain.person import ValueProblem
from mpi.domain.roles import Permission, check_actor
from mpi.matching.model import LinkageModel
from mpi.matching.prepare import PROBLEMS
from mpi.services.feed import Done, Feed
from mpi.services.identity import Cause
from mpi.store.database import retrying
from mpi.store.inbox import CONFLICT, FINAL, TEMPORARY, Arrival, Choice, Result, StoredMessage
from mpi.store.unit_of_work import Store, UnitOfWork

_log = logging.getLogger(__name__)

READS_WAIT_SECONDS = 0.005
"""A transaction this old is committed after the message in hand when the audit of reads waits for the database."""

_GONE = Outcome(
    AckCode.REJECTED,
    (MessageError(ErrorCode.INTERNAL, "The message could not be stored now; send it again.", Severity.ERROR),),
)


_CODES = {"number-taken": ErrorCode.DUPLICATE_KEY}


class _DryRun(Exception):
    """Takes a transaction back in which everything went well."""


class Inbox:
    """Takes messages in. Safe to call from several threads; each call is one transaction."""

    def __init__(self, store: Store, config: Config, model: LinkageModel, feed: Feed) -> None:
        self._store = store
        self._config = config
        self._model = model
        self._feed = feed
        self._model_kept = False

    def process(self, batch: Sequence[Inbound]) -> list[Outcome]:
        """The outcome of each message, in order, all committed; after a temporary failure AR for what is not stored."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(batch):
            outcomes += self._first(batch[len(outcomes) :])
        return outcomes

    def _first(self, batch: Sequence[Inbound]) -> list[Outcome]:
        """The outcomes of all messages, or of the first ones where somebody waits for the database."""
        try:
            return retrying(lambda: self._transaction(batch))
        except TemporaryFailure as error:
            _log.error("inbox out of reach", extra={"facts": {"messages": len(batch), "reason": str(error)}})
            return [_GONE] * len(batch)
        except StoreFailure as error:
            # One message that the database will not even keep must not take the others of its batch with it.
            if len(batch) > 1:
                return [outcome for message in batch for outcome in self.process([message])]
            _log.error("message could not be kept", extra={"facts": {"reason": str(error)}})
            return [_GONE]

    def _transaction(self, batch: Sequence[Inbound]) -> list[Outcome]:
        with self._store.writing() as unit:
            if not self._model_kept:
                unit.registry.keep_model(self._model.hash, self._model.name, self._model.to_json())
            begun, outcomes = time.perf_counter(), []
            for message in batch:
                outcomes.append(self._receive(unit, message))
                if self._store.reads.waiting and time.perf_counter() - begun > READS_WAIT_SECONDS:
                    break
        self._model_kept = True
        return outcomes

    def _receive(self, unit: UnitOfWork, message: Inbound) -> Outcome:
        arrival = Arrival(
            message.application,
            message.facility,
            message.control_id,
            hashlib.sha256(message.raw).hexdigest(),
            message.event,
            message.peer,
            message.raw,
        )
        known, clash = unit.inbox.earlier(arrival)
        if known is not None and known.state != TEMPORARY:
            return _stored_outcome(known)
        if known is not None:
            unit.inbox.again(known.id)
            return self._carry_out(unit, known.id, message)
        message_id = unit.inbox.store(arrival)
        if clash:
            return self._clash(unit, message_id, message)
        return self._carry_out(unit, message_id, message)

    def _clash(self, unit: UnitOfWork, message_id: int, message: Inbound) -> Outcome:
        _log.warning("control id used again with other content", extra={"facts": {"message": message_id}})
        error = MessageError(
            ErrorCode.DUPLICATE_KEY,
            "This control id was used before with other content; the message is kept and was not applied.",
            Severity.ERROR,
            location="MSH^1^10",
        )
        return self._finish(
            unit,
            message_id,
            message,
            Outcome(AckCode.ERROR, (error,), message_id),
            CONFLICT,
            "control-id",
            "control id used again with other content",
        )

    def _carry_out(self, unit: UnitOfWork, message_id: int, message: Inbound) -> Outcome:
        try:
            with unit.savepoint():
                outcome, phase, reason = self._apply(unit, message_id, message)
                return self._finish(unit, message_id, message, outcome, FINAL, phase, reason)
        except TemporaryFailure:
            raise
        except BadInput as error:
            number = _CODES.get(error.code, ErrorCode.UNKNOWN_KEY)
            fault = MessageError(number, str(error), Severity.ERROR, error.field)
            outcome = Outcome(AckCode.ERROR, (fault,), message_id)
            return self._finish(unit, message_id, message, outcome, FINAL, "register", error.code)
        except Exception as error:
            # A fault of ours must not stop the feed: the message is kept with its phase and can be replayed.
            _log.exception("message failed", extra={"facts": {"message": message_id}})
            fault = MessageError(ErrorCode.INTERNAL, "The message could not be applied; it is kept.", Severity.ERROR)
            outcome = Outcome(AckCode.REJECTED, (fault,), message_id)
            code = error.code if isinstance(error, MpiError) else type(error).__name__
            return self._finish(unit, message_id, message, outcome, TEMPORARY, "apply", code)

    def _apply(self, unit: UnitOfWork, message_id: int, message: Inbound) -> tuple[Outcome, str | None, str | None]:
        cause = Cause(Actor(f"{message.application}|{message.facility}", "feed"), message_id)
        match message.command:
            case Acknowledge(note):
                return Outcome(AckCode.ACCEPTED, (), message_id), None, note
            case Refused(ack, errors):
                return Outcome(ack, errors, message_id), "read", errors[0].text if errors else None
        done = self._feed.carry_out(unit, message.command, cause)
        errors = tuple(problem_error(p) for p in done.problems)
        if done.held:
            ack, error = self._answer_to_held(message, done)
            outcome = Outcome(ack, (*errors, error), message_id, False, done.record_id, done.person_id)
            return outcome, "held", done.note
        if done.note is not None:
            errors += (MessageError(ErrorCode.ACCEPTED, done.note, Severity.INFORMATION),)
        outcome = Outcome(AckCode.ACCEPTED, errors, message_id, False, done.record_id, done.person_id)
        return outcome, None, done.note or done.how

    def _answer_to_held(self, message: Inbound, done: Done) -> tuple[AckCode, MessageError]:
        """A message that waits for a human is kept either way; whether it counts as accepted is the source's choice."""
        source = self._config.source(message.application, message.facility)
        text = f"Held for a person to decide: {done.note}"
        if source is not None and source.held == "AE":
            return AckCode.ERROR, MessageError(ErrorCode.RECORD_LOCKED, text)
        return AckCode.ACCEPTED, MessageError(ErrorCode.ACCEPTED, text, Severity.INFORMATION)

    def _finish(
        self,
        unit: UnitOfWork,
        message_id: int,
        message: Inbound,
        outcome: Outcome,
        state: str,
        phase: str | None,
        reason: str | None,
    ) -> Outcome:
        result = Result(
            state, outcome.ack.value, _errors_json(outcome.errors), phase, reason, outcome.record_id, outcome.person_id
        )
        actor = Actor(f"{message.application}|{message.facility}", "feed")
        action = Action.MESSAGE_HELD if phase == "held" else Action.MESSAGE_RECEIVED
        detail = {"event": message.event, "ack": outcome.ack.value, "state": state}
        unit.inbox.finish(message_id, result, event=AuditEvent(actor, action, reason=reason, detail=detail))
        return outcome

    def unfinished(self) -> list[StoredMessage]:
        """The messages that a person may want to replay: failed for a while, or a control id used again."""
        with self._store.reading() as unit:
            return unit.inbox.unfinished()

    def chosen(self, choice: Choice) -> Iterator[StoredMessage]:
        """The messages that were not accepted and fit `choice`, oldest first, read a page at a time."""
        after = 0
        while True:
            with self._store.reading() as unit:
                page = unit.inbox.chosen(choice, after)
            yield from page
            if not page:
                return
            after = page[-1].id

    def message(self, message_id: int) -> StoredMessage:
        """One kept message; raises `NotFound`."""
        with self._store.reading() as unit:
            found = unit.inbox.get(message_id)
        if found is None:
            raise NotFound(f"no message {message_id} in the inbox")
        return found

    def replay(self, actor: Actor, message_id: int, message: Inbound, *, dry_run: bool = False) -> Outcome:
        """Carry a kept message out now, by a person's decision; `message` is its raw text read again.

        With `dry_run` the outcome is what would come of it, and nothing is kept. Raises `NotAllowed` by role,
        `Conflict` for one that had its effect already, `NotFound`, and `TemporaryFailure`.
        """
        check_actor(actor, Permission.REPLAY)
        try:
            with self._store.writing() as unit:
                outcome = self._replay(unit, actor, message_id, message)
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass
        return outcome

    def _replay(self, unit: UnitOfWork, actor: Actor, message_id: int, message: Inbound) -> Outcome:
        found = unit.inbox.get(message_id)
        if found is None:
            raise NotFound(f"no message {message_id} in the inbox")
        if found.state == FINAL and found.ack == AckCode.ACCEPTED:
            raise Conflict(f"message {message_id} was applied already")
        unit.audit(AuditEvent(actor, Action.MESSAGE_REPLAYED, message_id=message_id))
        unit.inbox.again(message_id)
        return self._carry_out(unit, message_id, message)


def problem_error(problem: ValueProblem) -> MessageError:
    """How a value that matching cannot use is named in an acknowledgement: a warning, by field."""
    code = ErrorCode.TABLE_VALUE if problem.problem == "unknown-code" else ErrorCode.DATA_TYPE
    text = f"{PROBLEMS[problem.problem]} It is kept as recorded and takes no part in matching."
    return MessageError(code, text, Severity.WARNING, problem.field)


def _errors_json(errors: Sequence[MessageError]) -> str:
    return json.dumps([[int(e.code), e.text, str(e.severity), e.field, e.location] for e in errors])


def _stored_outcome(row: Any) -> Outcome:
    errors = tuple(
        MessageError(code, text, Severity(severity), field, location)
        for code, text, severity, field, location in json.loads(row.errors)
    )
    return Outcome(AckCode(row.ack), errors, row.id, True, row.record_id, row.person_id)

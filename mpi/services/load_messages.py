"""Loading a file of messages: each goes through the inbox like one of the feed, in chunks that can be gone on from.

The inbox knows a message again, so that a run that was broken off, or a file that is loaded twice, changes nothing
twice; where a run stood is kept beside that, so that it need not look at all messages again.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from mpi.domain.audit import Action, AuditEvent
from mpi.domain.errors import TemporaryFailure
from mpi.domain.messages import AckCode, Inbound, MessageError, Outcome, Severity
from mpi.services.inbox import Inbox
from mpi.services.load import ATTEMPTS, BREATH_SECONDS, FINISHED, PAUSE_SECONDS, LoadJob
from mpi.store.database import retrying
from mpi.store.unit_of_work import Store

_T = TypeVar("_T")

CHUNK = 100
"""Messages of one transaction."""


@dataclass(frozen=True, slots=True)
class FileMessage:
    """A message of a file. `fault` says why it is not to be taken; then `inbound` is what there is of it."""

    line: int
    inbound: Inbound
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """What became of some messages that are committed now."""

    messages: int
    set_aside: tuple[tuple[FileMessage, str], ...]


class MessageWatcher(Protocol):
    """Who is told how a load goes; always after the commit."""

    def started(self, skipped: int, last_line: int) -> None:
        """The load begins, after the messages that an earlier, broken run had done (0: after none)."""

    def done(self, chunk: MessageChunk) -> None:
        """A chunk is durable."""


@dataclass(frozen=True, slots=True)
class LoadedMessages:
    """How many messages there were, and what became of them, an earlier part of the same run included."""

    messages: int = 0
    accepted: int = 0
    held: int = 0
    """Of those accepted: kept for a person to decide."""
    repeated: int = 0
    """Of all: known already, from the feed or an earlier load; they changed nothing."""
    set_aside: int = 0
    warnings: int = 0
    """Values that could not be read: stored, and out of matching."""
    resumed_at: int = 0


class MessageLoader:
    """Loads files of messages."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox

    def load(self, job: LoadJob, messages: Iterable[FileMessage], watcher: MessageWatcher) -> LoadedMessages:
        """Have the inbox process all messages; what it does not accept is set aside, with the reason.

        Raises `TemporaryFailure` when the database goes away: the same call goes on from there.
        """
        run_id, skipped, counts = _patiently(partial(self._open, job))
        remaining = iter(messages)
        last = 0
        for message in itertools.islice(remaining, skipped):
            last = message.line
        watcher.started(skipped, last)
        done = skipped
        for chunk in _chunks(remaining):
            tally: Counter[str] = Counter()
            aside = self._process(chunk, tally)
            done += len(chunk)
            counts += tally
            _patiently(partial(self._advance, run_id, done, counts))
            watcher.done(MessageChunk(len(chunk), tuple(aside)))
            time.sleep(BREATH_SECONDS)
        _patiently(partial(self._close, job, run_id, done, counts))
        return LoadedMessages(messages=done, resumed_at=skipped, **counts)

    def _process(self, chunk: Sequence[FileMessage], tally: "Counter[str]") -> list[tuple[FileMessage, str]]:
        """Count what became of the messages of a chunk; those that were not accepted, with the reason."""
        taken = [message for message in chunk if message.fault is None]
        outcomes = iter(self._outcomes([message.inbound for message in taken]))
        aside = []
        for message in chunk:
            if message.fault is not None:
                aside.append((message, message.fault))
                continue
            outcome = next(outcomes)
            tally["repeated"] += outcome.repeated
            if outcome.ack == AckCode.ACCEPTED:
                tally["accepted"] += 1
                tally["held"] += any(error.severity == Severity.INFORMATION for error in outcome.errors)
                tally["warnings"] += sum(error.severity == Severity.WARNING for error in outcome.errors)
            else:
                aside.append((message, _reason(outcome)))
        tally["set_aside"] += len(aside)
        return aside

    def _outcomes(self, inbound: Sequence[Inbound]) -> list[Outcome]:
        """The outcomes, once every message is kept. Raises `TemporaryFailure` when the database does not for long."""
        for attempt in range(ATTEMPTS):
            outcomes = self._inbox.process(inbound)
            if all(outcome.message_id is not None for outcome in outcomes):
                return outcomes
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise TemporaryFailure("the database does not keep messages now; give the same command again later")

    def _open(self, job: LoadJob) -> "tuple[int, int, Counter[str]]":
        """The run's id, how many messages it has done already, and with which outcome."""
        with self._store.writing(identities=False) as unit:
            found = unit.registry.find_run(job.digest, job.authority)
            if found is not None and found.state != FINISHED:
                return found.id, found.rows_done, Counter(found.counts)
            event = AuditEvent(job.actor, Action.RUN_STARTED, detail={"file": job.name})
            return unit.registry.start_run(job.name, job.digest, job.authority, event=event), 0, Counter()

    def _advance(self, run_id: int, done: int, counts: "Counter[str]") -> None:
        with self._store.writing(identities=False) as unit:
            unit.registry.advance_run(run_id, done, counts)

    def _close(self, job: LoadJob, run_id: int, done: int, counts: "Counter[str]") -> None:
        with self._store.writing(identities=False) as unit:
            event = AuditEvent(job.actor, Action.RUN_FINISHED, detail={"messages": done, **counts})
            unit.registry.finish_run(run_id, event=event)


def _patiently(action: Callable[[], _T]) -> _T:
    """What a whole transaction gives, run again while the database is out of reach."""
    return retrying(action, attempts=ATTEMPTS, pause=PAUSE_SECONDS)


def _reason(outcome: Outcome) -> str:
    """Why a message was not accepted: its answer in one line, without patient values."""
    return "; ".join([outcome.ack.value, *(_error(error) for error in outcome.errors)])


def _error(error: MessageError) -> str:
    return " ".join(part for part in (str(int(error.code)), error.location or error.field, error.text) if part)


def _chunks(messages: Iterator[FileMessage]) -> Iterator[list[FileMessage]]:
    while chunk := list(itertools.islice(messages, CHUNK)):
        yield chunk

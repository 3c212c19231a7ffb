"""Messages and queries of many connections, committed together: one flush of the disk for all that wait.

Connections hand a message over and wait; one thread takes whatever has gathered, has it processed in one
transaction, and only then are the waiting connections told. While it commits, the next messages are read.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mpi.domain.messages import AckCode, ErrorCode, Inbound, MessageError, Outcome

log = logging.getLogger(__name__)

_In = TypeVar("_In")
_Out = TypeVar("_Out")

Process = Callable[[Sequence[Inbound]], list[Outcome]]
"""Processes a batch in one transaction: one outcome for each message, in the order given, after the commit."""

MAX_BATCH = 64
LINGER_SECONDS = 0.002

FAILED = Outcome(
    AckCode.REJECTED,
    (MessageError(ErrorCode.INTERNAL, "the message could not be stored now; send it again"),),
)


@dataclass(slots=True)
class _Waiting(Generic[_In, _Out]):
    inbound: _In
    answered: asyncio.Future[_Out]


class Committer(Generic[_In, _Out]):
    """Runs `process` on a thread. Start it in the loop that submits, and stop it when nobody submits any more.

    `failed` is what each of a batch gets when `process` raised. Only with one of `threads` is the order kept.
    """

    def __init__(
        self,
        process: Callable[[Sequence[_In]], Sequence[_Out]],
        failed: _Out,
        *,
        name: str = "committer",
        threads: int = 1,
        max_batch: int = MAX_BATCH,
        max_waiting: int = 1024,
    ) -> None:
        self._process = process
        self._failed = failed
        self._max_batch = max_batch
        self._queue: queue.SimpleQueue[_Waiting[_In, _Out] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(max_waiting)
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self.batches = 0
        """How many batches were processed; `messages` over it is what commits were shared by."""
        self.messages = 0
        self.expected = 1
        """How many senders are active: a batch that is smaller may wait a moment for the others."""

    def start(self) -> None:
        """Start working."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def submit(self, inbound: _In) -> _Out:
        """What became of `inbound`, once that is durable. Waits while too many others wait."""
        async with self._room:
            waiting: _Waiting[_In, _Out] = _Waiting(inbound, asyncio.get_running_loop().create_future())
            self._queue.put(waiting)
            return await waiting.answered

    async def stop(self) -> None:
        """Finish what was submitted, then end."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            outcomes = self._outcomes([waiting.inbound for waiting in batch])
            self.batches += 1
            self.messages += len(batch)
            assert self._loop is not None  # noqa: S101 - start() set it before this thread ran
            self._loop.call_soon_threadsafe(_answer, batch, outcomes)

    def _next_batch(self) -> list[_Waiting[_In, _Out]] | None:
        """At least one message, and those that come at once or within a moment; None when all is done."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        until = time.monotonic() + LINGER_SECONDS
        while len(batch) < self._max_batch:
            patience = until - time.monotonic() if len(batch) < self.expected else 0
            try:
                waiting = self._queue.get(timeout=patience) if patience > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                self._queue.put(None)  # the end: come back to it when this batch is done
                break
            batch.append(waiting)
        return batch

    def _outcomes(self, batch: list[_In]) -> Sequence[_Out]:
        """The outcomes, or a temporary failure for all when the service raised: senders send again."""
        try:
            outcomes = self._process(batch)
        except Exception:
            log.exception("batch failed", extra={"facts": {"messages": len(batch)}})
            return [self._failed] * len(batch)
        if len(outcomes) != len(batch):
            log.error("batch answered in part", extra={"facts": {"messages": len(batch), "outcomes": len(outcomes)}})
            return [self._failed] * len(batch)
        return outcomes


def _answer(batch: list[_Waiting[_In, _Out]], outcomes: Sequence[_Out]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if not waiting.answered.done():  # a connection that was cut no longer waits
            waiting.answered.set_result(outcome)

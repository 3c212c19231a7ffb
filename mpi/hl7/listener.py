"""The MLLP listener: connections in, frames to commands, outcomes to acknowledgements.

One message at a time on a connection, answered in order, each only after it is durable. A bad message is answered
and forgotten; it never ends the listener.
"""

import asyncio
import contextlib
import logging
import re
import ssl
import time
from dataclasses import dataclass

from mpi.config import Config
from mpi.domain.messages import AckCode, ErrorCode, MessageError, Outcome
from mpi.hl7 import adt, batch, mllp
from mpi.hl7.adt import Received
from mpi.hl7.committer import FAILED, Committer, Process
from mpi.hl7.desk import Desk
from mpi.hl7.enhanced import acknowledgements
from mpi.hl7.reader import Unreadable, read_header

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_SPECIAL = re.compile(rb"QBP|QCN|ACK|MCF|[FB]HS")
_KINDS = {"QBP": "query", "QCN": "query", "ACK": "acknowledgement", "MCF": "acknowledgement"}
_ACTIVE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do. Times in seconds."""

    max_message: int = mllp.DEFAULT_MAX_MESSAGE
    """Bytes; a larger message is answered AE, its beginning kept."""
    max_connections: int = 100
    """One more is closed at once: its sender connects again later."""
    idle_timeout: float = 300.0
    """Nothing came for so long: the connection is closed, which is what senders expect of an idle one."""
    frame_timeout: float = 30.0
    """A frame that began must end within so long: else it is answered AR and the connection closed."""
    write_timeout: float = 30.0
    """A sender that does not take its acknowledgement for so long is cut off."""
    grace: float = 20.0
    """At the end, messages in hand get so long to be finished and answered."""


class Listener:
    """Serves until `stop`. `process` answers batches of messages after their commit (the inbox of the services).

    `desk` answers queries; without one they are refused as a type that is not supported.
    """

    def __init__(
        self, config: Config, process: Process, limits: Limits | None = None, desk: Desk | None = None
    ) -> None:
        self._config = config
        self._limits = limits or Limits()
        self._committer = Committer(process, FAILED)
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 2575, tls: ssl.SSLContext | None = None) -> int:
        """Begin to listen; the port that is listened on (`port` 0 takes a free one). OSError when it is taken."""
        handshake = {"ssl_handshake_timeout": 15.0} if tls else {}
        self._server = await asyncio.start_server(self._connected, host, port, ssl=tls, limit=_CHUNK, **handshake)
        self._committer.start()
        if self._desk:
            self._desk.start()
        bound: int = self._server.sockets[0].getsockname()[1]
        log.info("listening", extra={"facts": {"host": host, "port": bound, "tls": tls is not None}})
        return bound

    async def stop(self) -> None:
        """Take no more connections, finish and answer what is in hand, close, and end the committing thread."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.finish()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._committer.stop()
        if self._desk:
            await self._desk.stop()
        log.info("stopped", extra={"facts": {"messages": self._committer.messages, "batches": self._committer.batches}})

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        if len(self._connections) >= self._limits.max_connections:
            log.warning("too many connections", extra={"facts": {"peer": connection.peer}})
            await connection.close()
            return
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            await connection.close()

    async def handle(self, frame: mllp.Frame, peer: str) -> list[bytes]:
        """The answers to one frame, in their order, once what it asks for is durable; none to an acknowledgement."""
        kind = None if frame.torn or frame.too_large else _special(frame.payload)
        if kind == "batch":
            return await self._batch(frame.payload, peer)
        return await self._message(frame, peer, kind)

    async def _message(self, frame: mllp.Frame, peer: str, kind: str | None) -> list[bytes]:
        if kind == "query" and self._desk:
            return await self._desk.answer(frame.payload, peer)
        if kind == "acknowledgement":
            # Answering one would be answered in turn, for ever.
            log.warning("an acknowledgement came that nothing asked for", extra={"facts": {"peer": peer}})
            return []
        started = time.perf_counter()
        received = self._read(frame, peer)
        read = time.perf_counter()
        self._committer.expected = self._active()
        outcome = await self._committer.submit(received.inbound)
        _log_outcome(received, outcome, (read - started) * 1000, (time.perf_counter() - started) * 1000)
        return acknowledgements(received, outcome)

    async def _batch(self, payload: bytes, peer: str) -> list[bytes]:
        """One frame with many messages: each is taken or refused for itself, and all answers go back in a batch."""
        found = batch.read_batch(payload)
        if found is None:
            text = f"the batch cannot be read, or holds more than {batch.MAX_MESSAGES} messages"
            refused = adt.refused(payload[: mllp.HEAD_KEPT], peer, AckCode.ERROR, MessageError(102, text))
            return acknowledgements(refused, await self._committer.submit(refused.inbound))
        if found.short:
            facts = {"peer": peer, "announced": found.said, "came": len(found.messages)}
            log.warning("a batch with another number of messages than it says", extra={"facts": facts})
        frames = [mllp.Frame(piece.raw, size=len(piece.raw)) for piece in found.messages]
        if frames and not found.ended:
            frames[-1] = mllp.Frame(frames[-1].payload, torn=True)
        each = await asyncio.gather(*(self._message(frame, peer, _special(frame.payload)) for frame in frames))
        return [batch.answer(found, [one for answers in each for one in answers])]

    def _read(self, frame: mllp.Frame, peer: str) -> Received:
        if frame.too_large:
            text = f"the message has {frame.size} bytes, more than the {self._limits.max_message} taken here"
            return adt.refused(frame.payload, peer, AckCode.ERROR, MessageError(102, text))
        if frame.torn:
            text = "the message did not end; send it again"
            return adt.refused(
                frame.payload, peer, AckCode.REJECTED, MessageError(ErrorCode.INTERNAL, text), counts=False
            )
        if batch.has_second_message(frame.payload):
            text = "more than one message in a frame: send each in its own, or all as a batch (BHS)"
            return adt.refused(frame.payload, peer, AckCode.ERROR, MessageError(100, text, location="MSH^2"))
        try:
            return adt.receive(frame.payload, peer, self._config)
        except Exception:
            log.exception("message could not be read", extra={"facts": {"peer": peer, "bytes": len(frame.payload)}})
            # Without its control id, so that the same message is read afresh once the fault is mended.
            return adt.refused(frame.payload, peer, AckCode.REJECTED, FAILED.errors[0], counts=False)

    def _active(self) -> int:
        since = time.monotonic() - _ACTIVE_SECONDS
        return sum(connection.last_message > since for connection in self._connections)

    @property
    def limits(self) -> Limits:
        """What connections may do."""
        return self._limits


class _Silence(Exception):
    """Nothing came in time."""


class _Connection:
    """One sender: reads frames, has each handled, writes its answer."""

    def __init__(self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._listener = listener
        self._reader = reader
        self._writer = writer
        self._frames = mllp.FrameReader(listener.limits.max_message)
        self._frame_began = 0.0
        self._finishing = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self.last_message = 0.0
        peer = writer.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unknown"
        current = asyncio.current_task()
        assert current is not None  # noqa: S101 - asyncio runs each connection in a task
        self.task: asyncio.Task[None] = current

    async def serve(self) -> None:
        """Until the sender goes, falls silent, or the listener stops."""
        log.info("connected", extra={"facts": {"peer": self.peer}})
        reason = "closed by peer"
        try:
            while data := await self._receive():
                was_inside = self._frames.inside
                for frame in self._frames.feed(data):
                    was_inside = False
                    await self._answer(frame)
                if self._frames.inside and not was_inside:
                    self._frame_began = time.monotonic()
        except _Silence:
            reason = "silent"
        except (ConnectionError, ssl.SSLError, TimeoutError) as error:
            reason = type(error).__name__
        if self._finishing.is_set():
            reason = "listener stops"
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            if half := self._frames.abandon():
                await self._answer(half, last=True)
        facts = {"peer": self.peer, "reason": reason, "bytes_outside_frames": self._frames.ignored}
        log.info("disconnected", extra={"facts": facts})

    def finish(self) -> None:
        """End after the message in hand."""
        self._finishing.set()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Close the connection; a peer that does not cooperate is cut off."""
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 2.0)
        except (OSError, TimeoutError):
            transport = self._writer.transport
            transport.abort()

    async def _receive(self) -> bytes:
        """The next bytes; empty at the end of the stream or of the listener. Raises `_Silence`."""
        if self._finishing.is_set():
            return b""
        limits = self._listener.limits
        patience = limits.idle_timeout
        if self._frames.inside:
            patience = self._frame_began + limits.frame_timeout - time.monotonic()
        try:
            async with asyncio.timeout(patience) as self._patience:
                return await self._reader.read(_CHUNK)
        except TimeoutError:
            if self._finishing.is_set():
                return b""
            raise _Silence from None
        finally:
            self._patience = None

    async def _answer(self, frame: mllp.Frame, *, last: bool = False) -> None:
        """Handle a frame and answer it. One that was broken off for the next gets no answer: its sender has gone on."""
        self.last_message = time.monotonic()
        answers = await self._listener.handle(frame, self.peer)
        if frame.torn and not last:
            return
        for answer in answers:
            self._writer.write(mllp.wrap(answer))
        await asyncio.wait_for(self._writer.drain(), self._listener.limits.write_timeout)


def _special(payload: bytes) -> str | None:
    """`batch`, `query` or `acknowledgement`, told by the first bytes; None for every other message."""
    if not _SPECIAL.search(payload, 0, 1024) and b"\0" not in payload[:16]:  # UTF-16 hides the letters
        return None
    if batch.is_batch(payload):
        return "batch"
    try:
        kind = read_header(payload).filled(9)
    except Unreadable:
        return None
    return _KINDS.get(kind)


def _log_outcome(received: Received, outcome: Outcome, read_ms: float, total_ms: float) -> None:
    """One line a message: who, which, what became of it, how long it took; nothing about the patient."""
    inbound = received.inbound
    facts = {
        "peer": inbound.peer,
        "application": inbound.application,
        "facility": inbound.facility,
        "control_id": inbound.control_id,
        "trigger": inbound.event,
        "ack": outcome.ack.value,
        "codes": [int(error.code) for error in outcome.errors],
        "message_id": outcome.message_id,
        "repeated": outcome.repeated,
        "read_ms": round(read_ms, 3),
        "total_ms": round(total_ms, 3),
    }
    level = logging.INFO if outcome.ack == AckCode.ACCEPTED else logging.WARNING
    log.log(level, "message", extra={"facts": facts})

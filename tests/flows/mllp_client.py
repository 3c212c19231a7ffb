"""A sender of messages, and a listener that runs while a test does."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from mpi.config import Config
from mpi.domain.messages import AckCode, Inbound, Outcome, Refused
from mpi.hl7.committer import Process
from mpi.hl7.desk import Desk
from mpi.hl7.listener import Limits, Listener
from tests.golden import messages


class Sender:
    """One connection of a hospital system."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = 20.0) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self._buffer = b""

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def send(self, message: bytes) -> "Answer":
        """Send a message in its frame; its acknowledgement."""
        self.write(b"\x0b" + message + b"\x1c\r")
        return self.answer()

    def answer(self) -> "Answer":
        """The next acknowledgement; EOFError when the listener closed instead."""
        while b"\x1c\r" not in self._buffer:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        frame, _, self._buffer = self._buffer.partition(b"\x1c\r")
        assert frame.startswith(b"\x0b")
        return Answer(frame[1:].decode("latin-1"))

    def closed(self) -> bool:
        """Whether the listener closed the connection, waiting for it."""
        with contextlib.suppress(ConnectionError):
            return self._socket.recv(65536) == b""
        return True


@dataclass(frozen=True)
class Answer:
    """An acknowledgement as text."""

    text: str

    @property
    def code(self) -> str:
        """MSA-1."""
        return self._field("MSA", 1)

    @property
    def control_id(self) -> str:
        """MSA-2."""
        return self._field("MSA", 2)

    @property
    def errors(self) -> list[tuple[str, str, str]]:
        """Place, code and severity of each ERR of v2.5."""
        found = []
        for line in self.text.split("\r"):
            if line.startswith("ERR"):
                fields = line.split("|")
                found.append((fields[2], fields[3].split("^")[0], fields[4]))
        return found

    def _field(self, segment: str, number: int) -> str:
        line = next(line for line in self.text.split("\r") if line.startswith(segment))
        fields = line.split("|")
        return fields[number] if number < len(fields) else ""


@dataclass
class FakeInbox:
    """Takes every message, in batches, and remembers them."""

    batches: list[list[Inbound]] = field(default_factory=list)
    hold: threading.Event | None = None
    fail: bool = False

    def process(self, batch: Sequence[Inbound]) -> list[Outcome]:
        """What the door alone decides."""
        self.batches.append(list(batch))
        if self.hold is not None:
            self.hold.wait(10)
        if self.fail:
            raise RuntimeError("the database is on fire")
        return [
            Outcome(message.command.ack, message.command.errors)
            if isinstance(message.command, Refused)
            else Outcome(AckCode.ACCEPTED)
            for message in batch
        ]

    @property
    def taken(self) -> list[Inbound]:
        """All messages, in order."""
        return [message for batch in self.batches for message in batch]


class Running:
    """A listener in a thread of its own."""

    def __init__(self, port: int, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self.port = port
        self._listener = listener
        self._loop = loop

    def sender(self, **options: object) -> Sender:
        """A new connection."""
        return Sender(self.port, **options)

    def begin_to_stop(self) -> "Future[None]":
        """Ask it to stop; the future is done when it has."""
        return asyncio.run_coroutine_threadsafe(self._listener.stop(), self._loop)


@contextlib.contextmanager
def listening(
    process: Process,
    *,
    config: Config | None = None,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    desk: Callable[[], Desk] | None = None,
) -> Iterator[Running]:
    """A listener on a free port, stopped at the end; `desk` makes what answers its queries."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="listener")
    thread.start()

    async def start() -> Running:
        answering = desk() if desk else None
        listener = Listener(config or messages.config(), process, limits or Limits(grace=5), answering)
        return Running(await listener.start(port=0, tls=tls), listener, loop)

    try:
        running = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield running
        finally:
            running.begin_to_stop().result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def adt(
    control_id: str,
    *,
    event: str = "A28",
    number: str = "77",
    version: str = "2.5",
    pid: str | None = None,
    application: str = "PAS",
    facility: str = "RXX",
) -> bytes:
    """A registration of an invented person; `pid` is what follows PID-3."""
    rest = "||Ashworth^Maria||19680324|F" if pid is None else pid
    return (
        f"MSH|^~\\&|{application}|{facility}|MPI|RXX|20261101||ADT^{event}|{control_id}|P|{version}\r"
        f"PID|1||{number}^^^{facility}^MR{rest}\r"
    ).encode()

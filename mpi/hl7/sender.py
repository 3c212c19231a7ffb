"""A sender of messages over MLLP: one connection, one message at a time, each waiting for its acknowledgement."""

import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType

from mpi.domain.errors import TemporaryFailure
from mpi.hl7 import reader
from mpi.hl7.mllp import FrameReader, wrap


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the receiver answered. `code` is MSA-1, `control_id` MSA-2, `text` the whole answer.

    `error` is the first error's number (ERR-3 of v2.5, table 0357); empty where none is named.
    """

    code: str
    control_id: str
    text: str
    error: str = ""


class Sender:
    """A connection to a receiver; use it as a context manager. Times in seconds."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = 30.0) -> None:
        """Connect. Raises `TemporaryFailure` when nobody answers."""
        try:
            connection = socket.create_connection((host, port), timeout=timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(connection, server_hostname=host) if tls else connection
        except OSError as error:
            raise TemporaryFailure(f"{host}:{port} does not answer ({type(error).__name__})") from error
        self._timeout = timeout
        self._frames = FrameReader()

    def __enter__(self) -> "Sender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def send(self, message: bytes, *, control_id: str | None = None) -> Acknowledgement:
        """The acknowledgement of `message`; with `control_id` answers to other messages are passed over.

        Raises `TemporaryFailure` when none comes in time: send it again, as it was, over a new connection.
        """
        ends = time.monotonic() + self._timeout
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(wrap(message))
            while data := self._receive(ends):
                for frame in self._frames.feed(data):
                    answer = _read(frame.payload)
                    if control_id in (None, answer.control_id):
                        return answer
        except OSError as error:
            raise TemporaryFailure(f"no acknowledgement ({type(error).__name__})") from error
        raise TemporaryFailure("no acknowledgement (the connection was closed)")

    def _receive(self, ends: float) -> bytes:
        """The next bytes; a receiver that answers byte by byte has no more time than any other."""
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket.recv(65536)


def _read(answer: bytes) -> Acknowledgement:
    try:
        message = reader.read(answer)
    except reader.Unreadable as error:
        raise TemporaryFailure("no acknowledgement (the answer cannot be read)") from error
    msa = message.first("MSA")
    if msa is None:
        raise TemporaryFailure("no acknowledgement (the answer has no MSA)")
    errors = message.first("ERR")
    number = errors.filled(3) if errors is not None else ""
    named = number[:3] if number.isascii() and number.isdigit() else ""
    return Acknowledgement(msa.filled(1), msa.filled(2), answer.decode(message.codec, errors="replace"), named)

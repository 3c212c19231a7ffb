"""A sender of messages over MLLP: one connection, one message at a time, each waiting for its acknowledgement."""

import socket
import ssl
from dataclasses import dataclass
from types import TracebackType

from mpi.domain.errors import TemporaryFailure
from mpi.hl7 import reader
from mpi.hl7.mllp import FrameReader, wrap


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the receiver answered. `code` is MSA-1, `control_id` MSA-2, `text` the whole answer."""

    code: str
    control_id: str
    text: str


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

    def send(self, message: bytes) -> Acknowledgement:
        """The acknowledgement of `message`. Raises `TemporaryFailure` when none comes: send it again, as it was."""
        try:
            self._socket.sendall(wrap(message))
            while data := self._socket.recv(65536):
                for frame in self._frames.feed(data):
                    return _read(frame.payload)
        except OSError as error:
            raise TemporaryFailure(f"no acknowledgement ({type(error).__name__})") from error
        raise TemporaryFailure("no acknowledgement (the connection was closed)")


def _read(answer: bytes) -> Acknowledgement:
    try:
        message = reader.read(answer)
    except reader.Unreadable as error:
        raise TemporaryFailure("no acknowledgement (the answer cannot be read)") from error
    msa = message.first("MSA")
    if msa is None:
        raise TemporaryFailure("no acknowledgement (the answer has no MSA)")
    return Acknowledgement(msa.filled(1), msa.filled(2), answer.decode(message.codec))

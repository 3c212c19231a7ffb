"""A system that is told of changes: a real MLLP receiver that answers as the test says, and remembers."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Behaviour = Callable[["Told"], str]
"""What to do: answer with an MSA-1 code, or `silent`, `close`, `garbage`, `other`, `twice`, `slow`, `drip`, `bye`."""


@dataclass(frozen=True)
class Told:
    """One message received."""

    text: str

    def field(self, segment: str, number: int) -> str:
        """A field as it was written."""
        line = next(line for line in self.text.split("\r") if line.startswith(segment))
        fields = line.split("|")
        if segment == "MSH":
            fields.insert(1, "|")
        return fields[number] if number < len(fields) else ""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field("MSH", 10)

    @property
    def identifiers(self) -> frozenset[tuple[str, str]]:
        """Authority and value of each repetition of PID-3."""
        found = set()
        for repeat in self.field("PID", 3).split("~"):
            value, *_, issuer = [*repeat.split("^"), "", "", ""][:4]
            found.add((issuer.split("&")[0], value))
        return frozenset(found)


@dataclass
class Receiver:
    """Listens on a port of its own while the block runs. `received` has every message, repeats too."""

    behave: Behaviour = lambda _: "AA"
    port: int = 0
    received: list[Told] = field(default_factory=list)
    answered: list[Told] = field(default_factory=list)
    """Those that were answered AA."""
    connections: int = 0

    def __enter__(self) -> "Receiver":
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(5)

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Told]:
        """The messages that were answered AA, once there are `count`; fails when they do not come."""
        ends = time.monotonic() + seconds
        while len(self.answered) < count:
            assert time.monotonic() < ends, f"{len(self.answered)} of {count} messages came"
            time.sleep(0.01)
        return self.answered[:]

    def groups(self) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
        """What a receiver that applies every message in order holds: identifier -> the group it is in."""
        held: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
        seen = set()
        for told in self.answered:
            if told.control_id in seen:
                continue
            seen.add(told.control_id)
            for name in told.identifiers:
                held[name] = told.identifiers
        return held

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                buffer += data
                while b"\x1c\r" in buffer:
                    frame, _, buffer = buffer.partition(b"\x1c\r")
                    self._take(connection, Told(frame.lstrip(b"\x0b").decode()))

    def _take(self, connection: socket.socket, told: Told) -> None:
        self.received.append(told)
        what = self.behave(told)
        if what == "close":
            connection.shutdown(socket.SHUT_RDWR)
        elif what == "garbage":
            connection.sendall(b"\x0bwhat?\x1c\r")
        elif what == "drip":
            for _ in range(200):
                connection.sendall(b".")
                time.sleep(0.05)
        elif what != "silent":
            self._answer(connection, told, what)

    def _answer(self, connection: socket.socket, told: Told, what: str) -> None:
        if what == "slow":
            time.sleep(0.2)
        if what in ("twice", "other"):
            connection.sendall(_ack("AA", "SOMETHING-ELSE"))
        if what == "other":
            return
        code = what if len(what) == 2 else "AA"
        if code == "AA":
            self.answered.append(told)
        connection.sendall(_ack(code, told.control_id))
        if what == "bye":
            connection.shutdown(socket.SHUT_RDWR)


def _ack(code: str, control_id: str) -> bytes:
    error = "ERR||PID^1^3|204^Unknown key identifier|E\r" if code == "AE" else ""
    header = f"MSH|^~\\&|PACS|RXX|MPI|MPI|20261121||ACK^A31^ACK|{control_id}|P|2.5\r"
    return f"\x0b{header}MSA|{code}|{control_id}\r{error}\x1c\r".encode()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens while the block runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]

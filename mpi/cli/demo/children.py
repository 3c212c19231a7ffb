"""The programs that the demonstration starts, as a user would: `mpi ...`, each with a log of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mpi.domain.errors import Conflict

_PATIENCE_SECONDS = 60.0
_GRACE_SECONDS = 25.0


class Children:
    """Starts programs and stops them all at the end."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str, capture: bool = False) -> str:
        """Run `mpi` with these arguments to its end; what it printed, if captured. Raises `Conflict` when it failed."""
        out = subprocess.PIPE if capture else None
        done = subprocess.run(_mpi(arguments), env=self._environment, stdout=out, check=False)  # noqa: S603 - ourselves
        if done.returncode != 0:
            raise Conflict(f"mpi {arguments[0]} ended with exit code {done.returncode}")
        return done.stdout.decode() if done.stdout else ""

    def start(self, *arguments: str, port: int) -> None:
        """Start `mpi` with these arguments and wait until it answers on `port`."""
        log = self._folder / f"{arguments[0]}.log"
        with log.open("wb") as out:
            child = subprocess.Popen(  # noqa: S603 - ourselves
                _mpi(arguments),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process only, which then stops them in order
            )
        self._running.append(child)
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _answers(port):
            if child.poll() is not None or time.monotonic() > until:
                raise Conflict(f"mpi {arguments[0]} does not answer; its log is {log}")
            time.sleep(0.1)

    def wait(self) -> None:
        """Until one of the programs ends, which it should not."""
        while all(child.poll() is None for child in self._running):
            time.sleep(0.5)
        raise Conflict(f"a program has ended; its log is in {self._folder}")

    def stop(self) -> None:
        """Stop all, the last one first; one that does not listen is killed."""
        for child in reversed(self._running):
            child.terminate()
        for child in reversed(self._running):
            try:
                child.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._running.clear()


@contextlib.contextmanager
def children(folder: Path, environment: Mapping[str, str]) -> Iterator[Children]:
    """Programs that do not outlive the block."""
    started = Children(folder, environment)
    try:
        yield started
    finally:
        started.stop()


def _mpi(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "mpi.cli.main", *arguments]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def port_or_another(wanted: int) -> int:
    """`wanted` when it is free on the loopback address, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found: int = probe.getsockname()[1]
                return found
    raise Conflict("no port is free on this machine")

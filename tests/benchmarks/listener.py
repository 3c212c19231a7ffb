"""Messages a second, and how long each waits, through a real `mpi listen` over sockets."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mpi.hl7.sender import Sender
from tests.benchmarks.machine import cpu_seconds, load_average, peak_memory_mib
from tests.benchmarks.population import CONFIG


@contextlib.contextmanager
def listening(url: str, log: Path) -> Iterator[tuple[int, int]]:
    """A listener as its own process: its port and process id."""
    port = _free_port()
    environment = {**os.environ, "MPI_DATABASE_URL": url, "MPI_CONFIG": str(CONFIG)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpi.cli.main", "listen", "--port", str(port)],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, process)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the listener ended; its log is in var/bench"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the listener does not answer")


def measure(
    url: str, messages: Sequence[bytes], warm_up: Sequence[bytes], connections: int, log: Path
) -> dict[str, float]:
    """Send `messages` over so many connections, each waiting for its answers; all must be accepted."""
    with listening(url, log) as (port, pid):
        _send_all(port, warm_up, connections)
        used = cpu_seconds(pid)
        begin = time.perf_counter()
        waits = _send_all(port, messages, connections)
        seconds = time.perf_counter() - begin
        used = cpu_seconds(pid) - used
        memory = peak_memory_mib(pid)
    waits.sort()
    return {
        "connections": connections,
        "messages": len(messages),
        "per_second": round(len(messages) / seconds, 1),
        "p50_ms": round(waits[len(waits) // 2] * 1000, 2),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 2),
        "cpu_ms_per_message": round(used / len(messages) * 1000, 2),
        "peak_memory_mib": memory,
        "load_average": load_average(),
    }


def _send_all(port: int, messages: Sequence[bytes], connections: int) -> list[float]:
    """Seconds from a message to its answer, for each."""
    waits: list[list[float]] = [[] for _ in range(connections)]
    refused: list[str] = []

    def sender(place: int) -> None:
        with Sender("127.0.0.1", port, timeout=120) as connection:
            for message in messages[place::connections]:
                begin = time.perf_counter()
                answer = connection.send(message)
                waits[place].append(time.perf_counter() - begin)
                if answer.code != "AA":
                    refused.append(answer.code)

    threads = [threading.Thread(target=sender, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused, f"{len(refused)} messages were not accepted: {sorted(set(refused))}"
    return [wait for own in waits for wait in own]

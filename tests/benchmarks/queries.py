"""PIX queries a second, and how long each waits, through a real `mpi listen`: alone and while a feed runs."""

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mpi.hl7.sender import Sender
from tests.benchmarks.listener import listening
from tests.benchmarks.machine import cpu_seconds, load_average, peak_memory_mib
from tests.benchmarks.population import SEED, Population

WARM_UP = 200
FEEDERS = 8


def questions(population: Population, count: int) -> list[bytes]:
    """Queries about people who are loaded, by the number of one of their records."""
    chosen = random.Random(SEED).choices(population.known, k=count)
    return [
        (
            f"MSH|^~\\&|PAS|RXA|MPI|MPI|20261101||QBP^Q23^QBP_Q21|Q{number}|P|2.5\r"
            f"QPD|IHE PIX Query|T{number}|{row['record_id']}^^^{row['authority']}\rRCP|I\r"
        ).encode()
        for number, row in enumerate(chosen)
    ]


def measure(
    url: str, population: Population, fed: Sequence[bytes], count: int, connections: int, log: Path
) -> dict[str, object]:
    """Ask over so many connections, each waiting for its answers; meanwhile `fed` is sent over eight more."""
    asked = questions(population, count + WARM_UP)
    with listening(url, log) as (port, pid):
        _ask_all(port, asked[:WARM_UP], connections)
        feed = _Feed(port, fed)
        feed.start()
        used, begin = cpu_seconds(pid), time.perf_counter()
        waits = _ask_all(port, asked[WARM_UP:], connections)
        seconds = time.perf_counter() - begin
        used = cpu_seconds(pid) - used
        feed.stop()
        memory = peak_memory_mib(pid)
    waits.sort()
    return {
        "connections": connections,
        "queries": len(waits),
        "feed_per_second": round(feed.sent / seconds),
        "per_second": round(len(waits) / seconds, 1),
        "p50_ms": round(waits[len(waits) // 2] * 1000, 2),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 2),
        "cpu_ms_per_query": None if fed else round(used / len(waits) * 1000, 2),
        "peak_memory_mib": memory,
        "load_average": load_average(),
    }


def _ask_all(port: int, asked: Sequence[bytes], connections: int) -> list[float]:
    """Seconds from a query to its answer, for each; every one must be answered AA."""
    waits: list[float] = []
    wrong: list[str] = []

    def asker(place: int) -> None:
        with Sender("127.0.0.1", port, timeout=120) as connection:
            for query in asked[place::connections]:
                begin = time.perf_counter()
                answer = connection.send(query)
                waits.append(time.perf_counter() - begin)
                if answer.code != "AA":
                    wrong.append(answer.code)

    threads = [threading.Thread(target=asker, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, f"{len(wrong)} queries were not answered: {sorted(set(wrong))}"
    return waits


class _Feed:
    """Senders that go on as long as queries are asked."""

    def __init__(self, port: int, messages: Sequence[bytes]) -> None:
        self._port = port
        self._messages = messages
        self._stopping = threading.Event()
        self._counts = [0] * FEEDERS
        self._threads = [
            threading.Thread(target=self._run, args=(place,)) for place in range(FEEDERS if messages else 0)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        if self._threads:
            time.sleep(0.5)
            self._counts = [0] * FEEDERS

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> int:
        """Messages that were answered."""
        return sum(self._counts)

    def _run(self, place: int) -> None:
        with Sender("127.0.0.1", self._port, timeout=120) as connection:
            for message in self._messages[place::FEEDERS]:
                if self._stopping.is_set():
                    return
                connection.send(message)
                self._counts[place] += 1
        assert self._stopping.is_set(), "the feed ran out of messages before the queries did"

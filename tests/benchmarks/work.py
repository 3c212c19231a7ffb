"""The work of one message without its commit: read, registered inside a savepoint, its audit rows written.

Indexes of several sizes are measured in turns, a message each, so that whatever else the machine does in the meantime
falls on all of them alike and their ratio means something.
"""

import time
from collections.abc import Mapping, Sequence

from mpi import config
from mpi.bootstrap import App, build
from mpi.domain.messages import AckCode
from mpi.hl7 import adt
from mpi.store import audit
from mpi.store.unit_of_work import UnitOfWork
from tests.benchmarks.population import CONFIG


def measure(feeds: Mapping[int, tuple[str, Sequence[bytes]]], warm_up: int) -> dict[int, dict[str, float]]:
    """For each size (people) with its URL and messages: p50 and p99 of wall time and p50 of processor time, in ms.

    The first `warm_up` messages do not count. Processor time is this process's: PostgreSQL's own is not in it.
    """
    apps = {persons: build(config.load(CONFIG, database_url=url)) for persons, (url, _) in feeds.items()}
    times: dict[int, list[tuple[float, float]]] = {persons: [] for persons in feeds}
    try:
        for place in range(min(len(messages) for _, messages in feeds.values())):
            for persons, (_, messages) in feeds.items():
                times[persons].append(_one(apps[persons], messages[place]))
    finally:
        for app in apps.values():
            app.close()
    return {persons: _summary(found[warm_up:]) for persons, found in times.items()}


def _one(app: App, raw: bytes) -> tuple[float, float]:
    """Wall and processor seconds of one message."""
    with app.store.database.begin(identities=True) as connection:
        begin, used = time.perf_counter(), time.thread_time()
        inbound = adt.receive(raw, "benchmark", app.config).inbound
        unit = UnitOfWork(connection, app.store.ids)
        outcome = app.inbox._receive(unit, inbound)
        audit.append(unit.connection, unit.trail.events)
        unit.connection.flush()
        passed = time.perf_counter() - begin, time.thread_time() - used
    assert outcome.ack == AckCode.ACCEPTED
    return passed


def _summary(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    wall = sorted(one for one, _ in times)
    used = sorted(one for _, one in times)
    middle = len(times) // 2
    return {
        "p50_ms": round(wall[middle] * 1000, 2),
        "p99_ms": round(wall[int(len(times) * 0.99)] * 1000, 2),
        "cpu_p50_ms": round(used[middle] * 1000, 2),
    }

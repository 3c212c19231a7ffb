"""The work of one message without its commit: read, registered inside a savepoint, its audit rows written."""

import time
from collections.abc import Sequence

from mpi import config
from mpi.bootstrap import build
from mpi.domain.messages import AckCode
from mpi.hl7 import adt
from mpi.store import audit
from mpi.store.unit_of_work import UnitOfWork
from tests.benchmarks.population import CONFIG


def measure(url: str, messages: Sequence[bytes], warm_up: int) -> dict[str, float]:
    """p50 and p99 in milliseconds, in this process; the first `warm_up` messages do not count."""
    app = build(config.load(CONFIG, database_url=url))
    times = []
    try:
        for number, raw in enumerate(messages):
            with app.store.database.begin(identities=True) as connection:
                begin = time.perf_counter()
                inbound = adt.receive(raw, "benchmark", app.config).inbound
                unit = UnitOfWork(connection)
                outcome = app.inbox._receive(unit, inbound)
                audit.append(connection, unit.trail.events)
                passed = time.perf_counter() - begin
            assert outcome.ack == AckCode.ACCEPTED
            if number >= warm_up:
                times.append(passed)
    finally:
        app.close()
    times.sort()
    return {"p50_ms": round(times[len(times) // 2] * 1000, 2), "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 2)}

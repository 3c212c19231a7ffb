"""Weighing one record against twenty candidates, as the feed does for each message."""

import time
from itertools import islice

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.matching.decide import Candidate, PersonFacts, decide_record
from mpi.matching.model import load_default
from mpi.matching.prepare import prepare
from mpi.synth.population import make
from tests.benchmarks.population import SEED

CANDIDATES = 20


def run() -> dict[str, float]:
    """Milliseconds a record: the best of five rounds."""
    rows = islice(make(400, SEED), 420)
    people = [
        prepare(Demographics(**{n: row[n] for n in DEMOGRAPHIC_FIELDS if row[n]}), allow_test_numbers=True)[0]
        for row in rows
    ]
    model = load_default()
    facts = {number: PersonFacts() for number in range(CANDIDATES)}
    candidates = [Candidate(n, n, person) for n, person in enumerate(people[:CANDIDATES])]
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for incoming in people[CANDIDATES:]:
            decide_record(model, incoming, candidates, facts)
        best = min(best, (time.perf_counter() - begin) / len(people[CANDIDATES:]))
    return {"candidates": CANDIDATES, "ms": round(best * 1000, 3)}

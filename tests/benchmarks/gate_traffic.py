"""The gate on synthetic traffic with labelled faults: `python -m tests.benchmarks.gate_traffic [--studies N]`.

Prints what became of each kind of study and writes the figures to var/bench/gate-traffic.json.
"""

import argparse
import json
import time
from pathlib import Path

from mpi.store.schema import migrate
from tests.benchmarks.machine import describe, load_average
from tests.gate_traffic import Tally, Traffic, table

FOLDER = Path("var/bench")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the index is made")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = options.folder / "gate-traffic.db"
    for name in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        name.unlink(missing_ok=True)
    migrate(f"sqlite:///{file}")
    traffic = Traffic(f"sqlite:///{file}", options.studies, options.seed)
    started = time.perf_counter()
    traffic.register()
    registered = time.perf_counter()
    found = traffic.run(_write_meanwhile)
    seconds = time.perf_counter() - registered
    traffic.close()
    machine = describe()
    print(table(found))
    print(f"\n{machine['cpu']}, {machine['cores']} cores, commit {machine['commit']}, seed {options.seed}")
    print(f"{len(traffic.rows):,} records in {registered - started:.0f} s, checks in {seconds:.0f} s, ", end="")
    print(f"load average {load_average()}")
    _write(found, machine=machine, seconds=round(seconds, 1))


def _write_meanwhile(done: int, found: dict[str, Tally]) -> None:
    """Keep what is known so far: a run over everything takes long."""
    if done % 500 == 0:
        _write(found, done=done)


def _write(found: dict[str, Tally], **about: object) -> None:
    figures = {kind: {**vars(tally), "reasons": dict(tally.reasons)} for kind, tally in found.items()}
    (FOLDER / "gate-traffic.json").write_text(json.dumps({**about, "found": figures}, indent=1))


if __name__ == "__main__":
    main()

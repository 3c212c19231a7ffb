"""Batch linkage of synthetic populations against Splink: seconds of each phase, peak memory, medians of three.

`python -m tests.benchmarks.batch [--full]`; figures in var/bench/batch.json. The two take turns, each in a process of
its own with two threads. Both estimate their model on the data and end with clusters. Ours starts from recorded values
in Parquet, Splink from the values we prepared.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.machine import describe, load_average

FOLDER = Path("var/bench")
SEED = 90_002
SMALL, FULL = (20_000,), (100_000, 1_000_000)
ROUNDS = 3
RECORDS_PER_PERSON = 1.95
THREADS = 2
USUAL = "splink-usual"
"""Splink with the training rules that its examples show: minutes and gigabytes at a million records."""


def ours(raw: Path) -> dict[str, Any]:
    """Prepare, block, compare, estimate, decide and cluster: seconds of each phase."""
    from mpi.engines.local.engine import LocalEngine
    from mpi.engines.local.train import estimate
    from mpi.engines.preparing import prepare_dataset
    from mpi.engines.weigh_columns import decide
    from mpi.matching.cluster import cluster
    from mpi.matching.shape import starting_model
    from mpi.services.dedup import as_pairs, standing_of

    found: dict[str, Any] = {}
    begin = time.perf_counter()

    def lap(phase: str) -> None:
        nonlocal begin
        found[phase] = time.perf_counter() - begin
        begin = time.perf_counter()

    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        data = prepare_dataset(raw, Path(folder), workers=THREADS)
        lap("prepare")
        engine = LocalEngine(threads=THREADS)
        compared = engine.compared(data, starting_model(data.extras).comparisons)
        lap("block and compare")
        model = estimate(data, engine, seed=1)
        lap("train")
        pairs = engine.pairs(data, model)
        decided = decide(model, pairs)
        lap("facts and decisions")
        clustered = cluster(
            data.records, as_pairs(model, pairs, decided), standing_of(data), link=model.thresholds.link
        )
        lap("cluster")
    return found | {"pairs": len(compared.pairs.left), "clustered": len(clustered.cluster)}


def child(side: str, path: Path) -> None:
    """One measurement, printed as JSON."""
    if side.startswith("splink"):
        from tests.benchmarks import splink_side

        found = splink_side.run(path, threads=THREADS, rules="usual" if side == USUAL else "narrow")
    else:
        found = ours(path)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Worker processes, if there are any, live while the first phase runs; each is counted as large as the largest.
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["cpu_seconds"] = sum(one.ru_utime + one.ru_stime for one in used)
    found["peak_mib"] = (own + (THREADS * workers if side == "ours" else 0)) / 1024
    print(json.dumps(found))


def measure(side: str, path: Path) -> dict[str, Any]:
    """One measurement in a process of its own; `seconds` is its total with the start of the process."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "tests.benchmarks.batch", "--child", side, "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"seconds": time.perf_counter() - begin, "load_average": load_average()}


def files(records: int) -> tuple[Path, Path]:
    """The recorded values of a population of about so many records, and Splink's input; made once."""
    from mpi.engines.preparing import prepare_dataset
    from mpi.synth.population import make
    from mpi.synth.write import write
    from tests.benchmarks import splink_side

    raw, ready = FOLDER / f"batch-{records}.parquet", FOLDER / f"batch-{records}-splink.parquet"
    write(make(round(records / RECORDS_PER_PERSON), SEED), raw)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        splink_side.write_input(prepare_dataset(raw, Path(folder), workers=THREADS), ready)
    return raw, ready


def compare(records: int, rounds: int, *, usual: bool) -> dict[str, Any]:
    """Both sides at one size, in turns: medians of each figure; with `usual` Splink once more, trained as it shows."""
    raw, ready = files(records)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "splink": []}
    for _ in range(rounds):
        for side, path in (("ours", raw), ("splink", ready)):
            runs[side].append(measure(side, path))
    if usual:
        runs[USUAL] = [measure(USUAL, ready)]
    found: dict[str, Any] = {"records": records, "rounds": rounds}
    for side, own in runs.items():
        found[side] = {name: round(median(run[name] for run in own), 2) for name in own[0]}
    if usual:
        found["times_faster_than_usual"] = round(found[USUAL]["seconds"] / found["ours"]["seconds"], 2)
    without_u = found["splink"]["seconds"] - found["splink"]["u"]
    found["times_faster_without_u"] = round(without_u / found["ours"]["seconds"], 2)
    found["times_faster"] = round(found["splink"]["seconds"] / found["ours"]["seconds"], 2)
    found["times_less_cpu"] = round(found["splink"]["cpu_seconds"] / found["ours"]["cpu_seconds"], 2)
    found["memory_share"] = round(found["ours"]["peak_mib"] / found["splink"]["peak_mib"], 2)
    return found


def run(*, full: bool, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """All sizes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return [compare(records, rounds, usual=full) for records in (FULL if full else SMALL)]


def show(found: list[dict[str, Any]]) -> None:
    """The figures as text."""
    for row in found:
        print(f"\n{row['records']:,} records, medians of {row['rounds']}")
        for side in ("ours", "splink", *([USUAL] if USUAL in row else [])):
            phases = [f"{name} {value:.2f}" for name, value in row[side].items() if name not in _NOT_PHASES]
            own = row[side]
            print(
                f"  {side:<12} {own['seconds']:>8.2f} s, {own['cpu_seconds']:>8.2f} s of processor,"
                f" {own['peak_mib']:>6,.0f} MiB, {own['pairs']:>10,.0f} pairs, load {own['load_average']:.1f}"
            )
            print(f"          {', '.join(phases)}")
        print(
            f"  {row['times_faster']} times as fast as Splink,"
            f" {row['times_faster_without_u']} without its estimate of u,"
            f" by processor time {row['times_less_cpu']}, {row['memory_share']} of the memory"
        )
        if USUAL in row:
            print(f"  {row['times_faster_than_usual']} times as fast as Splink trained as its own examples show")


_NOT_PHASES = ("seconds", "cpu_seconds", "peak_mib", "pairs", "clustered", "load_average")


def main() -> None:
    """Measure, or be one of the measured."""
    parser = argparse.ArgumentParser(description="Batch linkage against Splink.")
    parser.add_argument("--full", action="store_true", help="100,000 and 1,000,000 records")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child", choices=("ours", "splink", USUAL))
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.file)
        return
    found = run(full=options.full, rounds=options.rounds)
    show(found)
    document = {"machine": describe(), "batch": found}
    (FOLDER / "batch.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

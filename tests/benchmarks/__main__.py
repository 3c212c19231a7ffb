"""`make bench`: measure, print the table, and write it to var/bench with the machine it was measured on."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    batch,
    dicom_node,
    disk,
    hl7_reader,
    indexes,
    listener,
    queries,
    review_queue,
    scoring,
    work,
)
from tests.benchmarks.machine import describe, load_average
from tests.benchmarks.population import Population, messages, write
from tests.fixtures.postgres import PostgresServer, running_server

FOLDER = Path("var/bench")
SIZES = (10_000, 100_000)
CONNECTIONS = (1, 8)
WARM_UP = 200
FED_MEANWHILE = 7_000
"""Messages there are for the feed beside queries: more than it can send while they are asked."""
LOADED_ON_POSTGRESQL = 2_000
LOAD_FIGURES = ("rows", "seconds", "rows_per_second", "linked", "tasks")


class Bench:
    """One run: how much is sent, and what was found so far."""

    def __init__(self, *, full: bool) -> None:
        self.sent = 3_500 if full else 1_500
        self.worked = 1_500 if full else 700
        self.asked = 1_200 if full else 600
        self.populations: dict[int, Population] = {}
        self.files: dict[int, Path] = {}
        self.templates: dict[int, str] = {}
        self.found: dict[str, Any] = {
            "machine": describe(),
            "full": full,
            "feed": [],
            "queries": [],
            "work": [],
            "load": {},
            "disk": {},
        }

    def run(self, server: PostgresServer, sizes: tuple[int, ...]) -> None:
        """Everything; the feed a size at a time, the work of a message at all sizes in turns."""
        with part("small things"):
            self.found["reader_microseconds"] = hl7_reader.run()
            self.found["scoring"] = scoring.run()
        with part("the review queue"):
            self.found["review_queue"] = review_queue.run(FOLDER)
        with part("the DICOM node"):
            self.found["dicom"] = dicom_node.measured((100, 1000) if self.found["full"] else (100, 400))
        with part("batch linkage beside Splink"):
            self.found["batch"] = batch.run(full=self.found["full"])
        for persons in sizes:
            with part(f"an index of {persons:,} people"):
                population = self.populations[persons] = write(persons, FOLDER)
                file, load = indexes.sqlite_index(persons, population, FOLDER)
                self.files[persons] = file
                self.found["load"][f"sqlite, {persons:,} people"] = {name: load[name] for name in LOAD_FIGURES}
            with part(f"SQLite, {persons:,} people"):
                self._sqlite(persons)
            with part(f"PostgreSQL, {persons:,} people"):
                self._postgresql(persons, server)
        with part("the work of a message"):
            self._work("sqlite", {n: indexes.copy_sqlite(self.files[n], FOLDER, f"run-{n}.db") for n in sizes})
            copies = {n: server.create_database(self.templates[n]) for n in sizes}
            self._work("postgresql", {n: server.url(name) for n, name in copies.items()})
        with part("mpi load on PostgreSQL"):
            self._load_on_postgresql(server, self.populations[min(sizes)])

    def _sqlite(self, persons: int) -> None:
        self.found["disk"].setdefault("sqlite", []).append(round(disk.sqlite_commits(FOLDER)))
        for connections in CONNECTIONS:
            self._feed("sqlite", persons, indexes.copy_sqlite(self.files[persons], FOLDER), connections)
            for beside_feed in (False, True):
                url = indexes.copy_sqlite(self.files[persons], FOLDER)
                self._queries("sqlite", persons, url, connections, beside_feed=beside_feed)

    def _postgresql(self, persons: int, server: PostgresServer) -> None:
        template = self.templates[persons] = server.create_database()
        indexes.copy_to_postgresql(self.files[persons], server.url(template))
        rate = disk.postgresql_commits(server.socket_dir, template)
        self.found["disk"].setdefault("postgresql", []).append(round(rate))
        for connections in CONNECTIONS:
            name = server.create_database(template)
            self._feed("postgresql", persons, server.url(name), connections)
            server.drop_database(name)
            for beside_feed in (False, True):
                name = server.create_database(template)
                self._queries("postgresql", persons, server.url(name), connections, beside_feed=beside_feed)
                server.drop_database(name)

    def _feed(self, engine: str, persons: int, url: str, connections: int) -> None:
        fed = list(messages(self.populations[persons], self.sent + WARM_UP))
        log = FOLDER / f"listen-{engine}-{persons}-{connections}.log"
        figures = listener.measure(url, fed[WARM_UP:], fed[:WARM_UP], connections, log)
        self.found["feed"].append({"engine": engine, "persons": persons, **figures})

    def _queries(self, engine: str, persons: int, url: str, connections: int, *, beside_feed: bool) -> None:
        population = self.populations[persons]
        fed = list(messages(population, FED_MEANWHILE)) if beside_feed else []
        log = FOLDER / f"queries-{engine}-{persons}-{connections}.log"
        figures = queries.measure(url, population, fed, self.asked, connections, log)
        self.found["queries"].append({"engine": engine, "persons": persons, **figures})

    def _work(self, engine: str, urls: dict[int, str]) -> None:
        feeds = {n: (url, list(messages(self.populations[n], self.worked + WARM_UP))) for n, url in urls.items()}
        for persons, figures in work.measure(feeds, WARM_UP).items():
            row = {"engine": engine, "persons": persons, **figures, "load_average": load_average()}
            self.found["work"].append(row)

    def _load_on_postgresql(self, server: PostgresServer, population: Population) -> None:
        name = server.create_database()
        indexes.mpi("migrate", url=server.url(name))
        head = FOLDER / "people-few.csv"
        with population.file.open(encoding="utf-8") as lines:
            head.write_text("".join(line for _, line in zip(range(LOADED_ON_POSTGRESQL + 1), lines, strict=False)))
        load = indexes.load(head, server.url(name))
        self.found["load"][f"postgresql, {LOADED_ON_POSTGRESQL:,} records"] = {
            name: load[name] for name in LOAD_FIGURES
        }


@contextmanager
def part(name: str) -> Iterator[None]:
    """Say how long a part took."""
    begin = time.perf_counter()
    print(f"{name} ...", flush=True)
    yield
    print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)


def growth(rows: list[dict[str, Any]]) -> dict[str, float]:
    """p50 of the work at the largest index over that at the smallest, by engine."""
    found = {}
    for engine in ("sqlite", "postgresql"):
        own = sorted((row["persons"], row["p50_ms"]) for row in rows if row["engine"] == engine)
        if len(own) > 1:
            found[engine] = round(own[-1][1] / own[0][1], 2)
    return found


def show(found: dict[str, Any]) -> None:
    """The figures as tables."""
    machine = found["machine"]
    print(f"\n{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, commit {machine['commit']}")
    print("\nThrough the listener, every commit durable (`busy`: load average at the end of the run)")
    names = ("engine", "people", "connections", "messages/s", "p50 ms", "p99 ms", "cpu ms", "MiB", "busy")
    print("  {:<11} {:>8} {:>12} {:>11} {:>7} {:>7} {:>6} {:>5} {:>5}".format(*names))
    for row in found["feed"]:
        print(
            f"  {row['engine']:<11} {row['persons']:>8,} {row['connections']:>12} {row['per_second']:>11,.0f}"
            f" {row['p50_ms']:>7.1f} {row['p99_ms']:>7.1f} {row['cpu_ms_per_message']:>6.2f}"
            f" {row['peak_memory_mib']:>5.0f} {row['load_average']:>5.1f}"
        )
    print("\nPIX queries through the listener, their audit durable (`fed`: messages of a feed a second meanwhile)")
    names = ("engine", "people", "connections", "fed", "queries/s", "p50 ms", "p99 ms", "MiB", "busy")
    print("  {:<11} {:>8} {:>12} {:>5} {:>10} {:>7} {:>7} {:>5} {:>5}".format(*names))
    for row in found["queries"]:
        print(
            f"  {row['engine']:<11} {row['persons']:>8,} {row['connections']:>12} {row['feed_per_second']:>5}"
            f" {row['per_second']:>10,.0f} {row['p50_ms']:>7.1f} {row['p99_ms']:>7.1f} {row['peak_memory_mib']:>5.0f}"
            f" {row['load_average']:>5.1f}"
        )
    print("\nThe disk's own commits of one row a second")
    for engine, rates in found["disk"].items():
        print(f"  {engine:<11} {', '.join(f'{rate:,}' for rate in rates)}")
    print("\nThe work of one message without its commit")
    for row in found["work"]:
        print(
            f"  {row['engine']:<11} {row['persons']:>8,} p50 {row['p50_ms']:.2f} ms"
            f" ({row['cpu_p50_ms']:.2f} ms of processor), p99 {row['p99_ms']:.2f} ms"
        )
    for engine, factor in found["growth"].items():
        print(f"  {engine:<11} grows {factor} times from the smallest index to the largest")
    print("\nmpi load")
    for name, load in found["load"].items():
        print(f"  {name:<32} {load['rows']:>8,} rows, {load['rows_per_second']:>6,} rows/s, {load['seconds']:.0f} s")
    print(f"\nWeighing one record against {found['scoring']['candidates']} candidates: {found['scoring']['ms']} ms")
    batch.show(found["batch"])
    print("\nReading one message (microseconds)")
    for name, ways in found["reader_microseconds"].items():
        print(f"  {name:<20} " + ", ".join(f"{way} {figure:.0f}" for way, figure in ways.items()))


def main() -> None:
    """Measure everything, or the sizes asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the software on this machine.")
    parser.add_argument("--full", action="store_true", help="send more messages")
    parser.add_argument("--persons", type=int, nargs="*", default=list(SIZES), help="sizes of the index")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    bench = Bench(full=options.full)
    with running_server() as server:
        bench.run(server, tuple(options.persons))
    bench.found["growth"] = growth(bench.found["work"])
    show(bench.found)
    out = FOLDER / f"{bench.found['machine']['at'].replace(':', '')}.json"
    out.write_text(json.dumps(bench.found, indent=1), encoding="utf-8")
    print(f"\nwritten to {out}")


if __name__ == "__main__":
    main()

"""`python -m tests.benchmarks.million`: the feed, queries, memory and the load at 100,000 and 1,000,000 people.

The indexes are filled once (`filling`) and kept under var/bench/million; so is what was found, part by part, so that a
run that was broken off goes on where it stood. `--again` measures anew.
"""

import argparse
import csv
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpi.store import schema
from tests.benchmarks import disk, indexes, listener, queries, work
from tests.benchmarks.filling import fill
from tests.benchmarks.machine import describe, load_average
from tests.benchmarks.population import Population, messages, write
from tests.fixtures.postgres import PostgresServer, running_server

FOLDER = Path("var/bench/million")
SIZES = (100_000, 1_000_000)
WARM_UP, SENT, ASKED, FED_MEANWHILE, WORKED = 200, {1: 600, 8: 1_600}, 500, 2_300, 500
LOADED = 4_000
"""Rows that are loaded to see the rate of `mpi load`: into an empty index, and into the largest."""
_PARTS = {
    "sqlite": "feed, queries and memory on SQLite",
    "postgresql": "the same on PostgreSQL",
    "work": "the work of a message at both sizes",
    "load": "`mpi load` at both ends",
}


class Million:
    """What is kept, and what was found so far."""

    def __init__(self, folder: Path, sizes: tuple[int, ...]) -> None:
        self._folder = folder
        self._sizes = sizes
        self._found_file = folder / "found.json"
        self.found: dict[str, Any] = {"machine": describe()}
        self._templates: dict[int, str] = {}

    def go_on(self) -> None:
        """Believe the parts that an earlier run at the same commit had done."""
        if self._found_file.is_file():
            found = json.loads(self._found_file.read_text(encoding="utf-8"))
            if found["machine"]["commit"] == self.found["machine"]["commit"]:
                self.found = found

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        """Measure a part that is not there yet, and keep it."""
        if name in self.found:
            print(f"{name}: measured before", flush=True)
            return
        begin = time.perf_counter()
        print(f"{name} ...", flush=True)
        self.found[name] = measure()
        self._found_file.write_text(json.dumps(self.found, indent=1), encoding="utf-8")
        print(f"{name}: {time.perf_counter() - begin:.0f} s; load average {load_average()}", flush=True)

    def population(self, persons: int) -> Population:
        """The people of an index, made once."""
        kept = self._folder / f"people-{persons}.json"
        if not kept.is_file():
            made = write(persons, self._folder)
            kept.write_text(json.dumps([made.file.name, made.loaded, made.held_out, made.known]), encoding="utf-8")
        name, loaded, held_out, known = json.loads(kept.read_text(encoding="utf-8"))
        return Population(self._folder / name, loaded, tuple(held_out), tuple(known))

    def index(self, persons: int) -> Path:
        """The SQLite index of so many people, filled once."""
        file = self._folder / f"filled-{persons}.db"
        if not file.is_file():
            making = file.with_suffix(".making")
            making.unlink(missing_ok=True)
            fill(making, self.population(persons).file)
            making.rename(file)
        return file

    def copy(self, persons: int) -> str:
        """The URL of a copy with the schema of today."""
        url = indexes.copy_sqlite(self.index(persons), self._folder, f"run-{persons}.db")
        schema.migrate(url)
        return url

    def template(self, server: PostgresServer, persons: int) -> str:
        """The name of the PostgreSQL database with the same rows."""
        if persons not in self._templates:
            self._templates[persons] = server.create_database()
            source = Path(self.copy(persons).removeprefix("sqlite:///"))
            indexes.copy_to_postgresql(source, server.url(self._templates[persons]))
        return self._templates[persons]

    def through_the_listener(self, url: Callable[[int], str]) -> list[dict[str, Any]]:
        """The feed, then queries alone and beside it; each with messages of its own, one after the other."""
        rows: list[dict[str, Any]] = []
        for persons in self._sizes:
            population, used, at = self.population(persons), 0, url(persons)

            def fed(count: int, population: Population = population) -> list[bytes]:
                nonlocal used
                used += count
                return list(messages(population, count, used - count))

            for connections, count in SENT.items():
                log = self._folder / f"feed-{connections}.log"
                figures = listener.measure(at, fed(count), fed(WARM_UP), connections, log)
                rows.append({"persons": persons, "what": "feed", **figures})
                for beside in (False, True):
                    meanwhile = fed(FED_MEANWHILE) if beside else []
                    asked = queries.measure(at, population, meanwhile, ASKED, connections, log)
                    rows.append({"persons": persons, "what": "queries beside a feed" if beside else "queries", **asked})
                print(
                    f"  {persons:,} people, {connections} connections: {rows[-3]['per_second']} messages/s", flush=True
                )
        return rows

    def sqlite(self) -> dict[str, Any]:
        """Feed and queries on SQLite."""
        return {"commits": disk.sqlite_commits(self._folder), "rows": self.through_the_listener(self.copy)}

    def postgresql(self, server: PostgresServer) -> dict[str, Any]:
        """Feed and queries on PostgreSQL."""

        def url(persons: int) -> str:
            return server.url(server.create_database(self.template(server, persons)))

        commits = disk.postgresql_commits(server.socket_dir, server.create_database())
        return {"commits": commits, "rows": self.through_the_listener(url)}

    def work(self, server: PostgresServer) -> dict[str, Any]:
        """The work of a message at all sizes in turns."""
        found = {}
        for engine in ("sqlite", "postgresql"):
            feeds = {}
            for n in self._sizes:
                url = (
                    self.copy(n) if engine == "sqlite" else server.url(server.create_database(self.template(server, n)))
                )
                feeds[n] = (url, list(messages(self.population(n), WORKED + WARM_UP)))
            found[engine] = work.measure(feeds, WARM_UP)
        return found

    def load(self) -> dict[str, Any]:
        """Rows a second of `mpi load` into an empty index and into the largest, without the start of the process."""
        people = self.population(max(self._sizes))
        first, new = self._folder / "first.csv", self._folder / "new.csv"
        with people.file.open(encoding="utf-8") as lines:
            first.write_text("".join(line for _, line in zip(range(LOADED + 1), lines, strict=False)), encoding="utf-8")
        with new.open("w", encoding="utf-8", newline="") as out:
            sheet = csv.DictWriter(out, list(people.held_out[0]))
            sheet.writeheader()
            sheet.writerows(people.held_out[:LOADED])
        empty = self._folder / "run-empty.db"
        for suffix in ("", "-wal", "-shm"):
            empty.with_name(empty.name + suffix).unlink(missing_ok=True)
        schema.migrate(f"sqlite:///{empty}")
        found = {
            "empty": _rate(first, f"sqlite:///{empty}"),
            f"{max(self._sizes):,} people": _rate(new, self.copy(max(self._sizes))),
        }
        return found | {"peak_memory_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def _rate(file: Path, url: str) -> dict[str, Any]:
    head = file.with_name("head.csv")
    head.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    start, used_at_start = _loaded(head, url)
    done, used = _loaded(file, url)
    return {
        "rows": done["rows"],
        "rows_per_second": round(done["rows"] / (done["seconds"] - start["seconds"])),
        "processor_ms_a_row": round((used - used_at_start) / done["rows"] * 1000, 2),
        "linked": done["linked"],
        "tasks": done["tasks"],
    }


def _loaded(file: Path, url: str) -> tuple[dict[str, Any], float]:
    """What a load gives, and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = indexes.load(file, url)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def whole_load(folder: Path, million: Million) -> dict[str, Any]:
    """`mpi load` of all people of the largest size; goes on where an earlier, broken run stood."""
    url = f"sqlite:///{folder / 'loaded.db'}"
    schema.migrate(url)
    return indexes.load(million.population(max(SIZES)).file, url)


def show(found: dict[str, Any]) -> None:
    """The figures as tables."""
    for engine in ("sqlite", "postgresql"):
        if engine not in found:
            continue
        print(f"\n{engine}: the disk's own commits a second: {found[engine]['commits']:,.0f}")
        for row in found[engine]["rows"]:
            print(
                f"  {row['persons']:>9,} people, {row['connections']} connections, {row['what']:<21}"
                f" {row['per_second']:>7,.0f}/s, p50 {row['p50_ms']:.1f}, p99 {row['p99_ms']:.1f} ms,"
                f" {row['peak_memory_mib']:.0f} MiB,"
                f" fed {row.get('feed_per_second', '-')}/s, busy {row['load_average']}"
            )
    for name in ("work", "load", "whole load"):
        if name in found:
            print(f"\n{name}: {json.dumps(found[name], indent=1)}")


def main() -> None:
    """Measure what was not measured at this commit yet."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.million")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the filled indexes are kept")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--parts", nargs="*", default=list(_PARTS), choices=list(_PARTS))
    parser.add_argument("--again", action="store_true", help="measure all parts anew")
    parser.add_argument("--whole-load", action="store_true", help="load a million records by `mpi load`, nothing else")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    million = Million(options.folder, tuple(options.sizes))
    if not options.again:
        million.go_on()
    if options.whole_load:
        million.part("whole load", lambda: whole_load(options.folder, million))
    else:
        _measure(million, options.parts)
    show(million.found)


def _measure(million: Million, parts: list[str]) -> None:
    with running_server() as server:
        ways: dict[str, Callable[[], Any]] = {
            "sqlite": million.sqlite,
            "load": million.load,
            "postgresql": lambda: million.postgresql(server),
            "work": lambda: million.work(server),
        }
        for name, way in ways.items():
            if name in parts:
                million.part(name, way)


if __name__ == "__main__":
    main()

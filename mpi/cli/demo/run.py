"""The demonstration from beginning to end."""

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mpi import config
from mpi.bootstrap import App, build
from mpi.cli.demo import show
from mpi.cli.demo.children import Children, children, port_or_another
from mpi.cli.demo.feed import Fed, feed
from mpi.cli.demo.show import Screen
from mpi.cli.demo.stream import MESSAGES, Row, Stream, plain_people, read_people
from mpi.cli.demo.studies import Api, three_studies
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, MpiError
from mpi.domain.messages import MergePair
from mpi.domain.roles import Role

DATA = Path("data/synthetic")
FOLDER = Path("var/demo")
HL7_PORT, HTTP_PORT = 2575, 8080
_PEOPLE = (
    ("rita", Role.REVIEWER, "answers the review queue"),
    ("sam", Role.SENIOR_REVIEWER, "takes decisions back, too"),
    ("gita", Role.GATE_OPERATOR, "looks after outside studies"),
    ("ivan", Role.IG_AUDITOR, "reads the audit trail"),
    ("ada", Role.ADMINISTRATOR, "manages accounts"),
)
_ASKER = Actor("demonstration", Role.SERVICE.value)
_VIEWER = Actor("demonstration", Role.REVIEWER.value)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the parts of the demonstration share."""

    screen: Screen
    programs: Children
    app: App
    rows: list[Row]
    hl7_port: int
    http_port: int
    token: str

    @property
    def api(self) -> Api:
        return Api(self.http_port, self.token)


def main() -> None:
    """Run it; with `--once` it ends by itself. Exits 1 when something that was expected did not happen."""
    parser = argparse.ArgumentParser(prog="make demo", description="Everything once, on invented people.")
    parser.add_argument("--once", action="store_true", help="show the outcome and end")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(_run(once))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)  # noqa: T201 - the last word to the user
        sys.exit(130)
    except MpiError as error:
        print(f"demonstration: {error}", file=sys.stderr)  # noqa: T201 - as `mpi` says it
        sys.exit(error.exit_code)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(once: bool) -> int:
    began = time.perf_counter()
    if not (DATA / "people.csv").is_file():
        raise Conflict(f"{DATA}/people.csv is not here: run make demo in the project's folder")
    screen = Screen()
    with _alone(), children(FOLDER, _environment()) as programs, _open(programs, screen) as ground:
        _load(ground)
        _feed(ground)
        _show_index(ground)
        _show_gate(ground)
        screen.line(f"[dim]all of it took {time.perf_counter() - began:.0f} seconds[/dim]")
        if once:
            return _verdict(screen)
        _verdict(screen)
        _stay(ground)
    return 1 if screen.missed else 0


def _environment() -> dict[str, str]:
    return {"MPI_CONFIG": str(DATA / "mpi.toml"), "MPI_DATABASE_URL": f"sqlite:///{FOLDER / 'mpi.db'}"}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """An empty folder, which no other demonstration uses at the same time."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(FOLDER.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict("another demonstration runs in this folder") from None
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _open(programs: Children, screen: Screen) -> Iterator[_Ground]:
    """An empty index with the listener and the pages before it."""
    screen.heading("A new index")
    programs.run("migrate", capture=True)
    environment = _environment()
    app = build(config.load(environment["MPI_CONFIG"], database_url=environment["MPI_DATABASE_URL"]))
    try:
        token = app.users.issue_token(OPERATOR, "demonstration", Role.SERVICE)
        hl7, http = port_or_another(HL7_PORT), port_or_another(HTTP_PORT)
        for wanted, found in ((HL7_PORT, hl7), (HTTP_PORT, http)):
            if wanted != found:
                screen.line(f"port {wanted} is busy here: using {found}")
        programs.start("listen", "--port", str(hl7), port=hl7)
        programs.start("serve", "--plain-http", "--port", str(http), port=http)
        ground = _Ground(screen, programs, app, read_people(DATA / "people.csv"), hl7, http, token)
        screen.check(
            ground.api.get("/health/ready") == 200, f"listening for HL7 v2 on port {hl7}, pages on port {http}"
        )
        yield ground
    finally:
        app.close()


def _load(ground: _Ground) -> None:
    screen = ground.screen
    screen.heading(f"Loading {len(ground.rows):,} records of four hospitals: mpi load {DATA}/people.csv")
    began = time.perf_counter()
    done = json.loads(ground.programs.run("load", str(DATA / "people.csv"), "--json", capture=True))
    seconds = time.perf_counter() - began
    screen.check(done["created"] == len(ground.rows), f"{done['created']:,} records stored in {seconds:.0f} seconds")
    screen.check(done["linked"] > 0, f"{done['linked']:,} of them joined somebody who was known from another record")
    screen.line(f"{done['problems']:,} values could not be read: kept as recorded, left out of matching")


def _feed(ground: _Ground) -> None:
    screen = ground.screen
    stream = Stream(ground.rows)
    screen.heading(f"A hospital feed: {len(stream.steps)} ADT messages over a socket, each answered after its commit")
    fed = feed(stream.steps, ground.hl7_port, screen.console)
    rows = [[kind, n, code] for (kind, code), n in sorted(fed.answers.items(), key=lambda one: (-one[1], one[0]))]
    screen.table(("message", "sent", "answer"), rows)
    _check_feed(screen, fed)
    _check_merge(ground, stream.merged)


def _check_feed(screen: Screen, fed: Fed) -> None:
    rate = fed.codes.total() / fed.seconds
    screen.check(fed.codes.total() == MESSAGES, f"{fed.codes.total()} messages answered, {rate:.0f} a second")
    for surprise in fed.surprises:
        screen.check(False, surprise)
    screen.check(not fed.surprises, "every answer was the expected one, and the repeat got the same answer as before")


def _check_merge(ground: _Ground, pair: MergePair) -> None:
    """The subsumed number must lead to the survivor's person, as a merged number."""
    answers = [
        ground.api.post("/crosswalk", {"authority": one.authority, "value": one.value, "target": []})
        for one in (pair.subsumed, pair.surviving)
    ]
    persons = {answer.get("person") for answer in answers}
    entries = {entry["value"]: entry["status"] for entry in answers[1].get("identifiers", [])}
    merged = len(persons) == 1 and None not in persons and entries.get(pair.subsumed.value) == "merged"
    ground.screen.check(merged, "the merged number leads to the person of the number it was merged into")


def _show_index(ground: _Ground) -> None:
    screen = ground.screen
    counts = ground.app.overview.counts()
    screen.heading("What the index holds now")
    screen.line(f"{counts.records:,} records of {counts.persons:,} people")
    screen.table(("links", "number"), show.links(counts.links))
    screen.table((f"review queue: {counts.tasks_open:,} questions", "number"), show.tasks(counts.tasks_by_type))
    screen.table(("messages", "number"), show.messages(counts.messages))
    screen.check(
        counts.links.get("automatic", 0) > 0 and counts.tasks_open > 0, "what is sure was linked, the rest is asked"
    )


def _show_gate(ground: _Ground) -> None:
    screen = ground.screen
    screen.heading("The gate: may this outside study join a person? POST /api/v1/studies/check")
    one, other = _quiet_people(ground)
    for expected, (story, study) in three_studies(one, other).items():
        answer = ground.api.check(study)
        decision = answer.get("decision", f"no answer ({answer.get('status')})")
        screen.check(decision == expected, f"{decision}: {story}")
        for rule in answer.get("rules", []):
            if rule["outcome"] == "failed":
                screen.line(f"    [dim]{rule['rule']}: {rule['reason']}[/dim]")


def _quiet_people(ground: _Ground) -> tuple[Row, Row]:
    """Two people about whom no question is open: the stream's updates and chance may have raised some."""
    found: list[Row] = []
    for row in plain_people(ground.rows)[5:]:
        crosswalk = ground.app.people.crosswalk(_ASKER, row["authority"], row["record_id"])
        if not ground.app.people.person(_VIEWER, crosswalk.enterprise_id).tasks:
            found.append(row)
        if len(found) == 2:
            return found[0], found[1]
    raise Conflict("everybody in this population is in question")


def _verdict(screen: Screen) -> int:
    if screen.missed:
        screen.heading(f"[red]{len(screen.missed)} things did not go as they should[/red] (logs: {FOLDER})")
        return 1
    screen.heading("[green]Everything went as it should.[/green]")
    return 0


def _stay(ground: _Ground) -> None:
    """Make the sign-ins, say where everything is, and wait for Ctrl-C."""
    screen = ground.screen
    rows: list[list[object]] = []
    for name, role, does in _PEOPLE:
        password = secrets.token_urlsafe(12)
        ground.app.users.add(OPERATOR, name, role, password)
        rows.append([name, password, role.value, does])
    screen.heading("Have a look")
    screen.line(f"pages      http://127.0.0.1:{ground.http_port}/")
    screen.line(f"HL7 v2     127.0.0.1:{ground.hl7_port} (MLLP), sending as PAS of RXA, RXB, RXC or RXD")
    screen.line(f"held study http://127.0.0.1:{ground.http_port}/studies, for the gate operator")
    screen.line(f"JSON       http://127.0.0.1:{ground.http_port}/api/v1/openapi.json, token {ground.token}")
    screen.line(f"logs       {FOLDER}/listen.log, {FOLDER}/serve.log")
    screen.console.print()
    screen.table(("name", "password", "role", "who"), rows)
    screen.heading("Ctrl-C stops everything.")
    ground.programs.wait()

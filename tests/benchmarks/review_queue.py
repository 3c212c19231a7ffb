"""How long the queue's page takes with 10,000 open tasks on SQLite: from the request to the last byte, by filter."""

import json
import time
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import insert

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.review import KINDS, TaskState, TaskType, priority
from mpi.domain.roles import Role
from mpi.matching.prepare import prepare
from mpi.store.schema import migrate
from mpi.store.tables import link, person, review_task, source_record
from tests.benchmarks.machine import load_average
from tests.builders import demographics
from tests.website import PASSWORD, make_web, open_website_index, sign_in

TASKS = 10_000
ROUNDS = 15
_SITES = ("RXX", "RYY", "RZZ")
PAGES = {
    "first page": "/review",
    "page 300": "/review?page=300",
    "oldest first": "/review?sort=oldest",
    "one site": "/review?site=RXX",
    "nobody's, of one kind, due in a week": "/review?type=possible-duplicate&owner=nobody&due=week",
    "restricted people": "/review?restricted=yes",
}


def run(folder: Path) -> dict[str, object]:
    """Milliseconds of wall and processor for each page, medians; for an account of every site and one of a site."""
    file = folder / "review-queue.db"
    file.unlink(missing_ok=True)
    migrate(f"sqlite:///{file}")
    app = open_website_index(f"sqlite:///{file}")
    _fill(app)
    app.users.add(OPERATOR, "bound", Role.REVIEWER, PASSWORD, sites=frozenset({"RXX"}))
    clients = {"every site": make_web(app), "one site": make_web(app)}
    sign_in(clients["every site"], "reviewer")
    sign_in(clients["one site"], "bound")
    found: dict[str, object] = {"tasks": TASKS, "rounds": ROUNDS, "load_average": load_average()}
    for reader, client in clients.items():
        found[f"reader of {reader}"] = {name: _timed(client, path) for name, path in PAGES.items()}
    app.close()
    return found


def _timed(client: FlaskClient, path: str) -> dict[str, float]:
    walls, works = [], []
    for _ in range(ROUNDS):
        wall, work = time.perf_counter(), time.process_time()
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered {answer.status_code}")
        walls.append((time.perf_counter() - wall) * 1000)
        works.append((time.process_time() - work) * 1000)
    return {"wall_ms": round(sorted(walls)[ROUNDS // 2], 1), "cpu_ms": round(sorted(works)[ROUNDS // 2], 1)}


def _fill(app: App) -> None:
    """Two records of two persons for each task, one record in 500 restricted, hospitals and kinds in turns."""
    said = demographics()
    prepared, _ = prepare(said, allow_test_numbers=True)
    kinds = [kind for kind in TaskType if KINDS[kind].pair]
    with app.store.writing() as unit:
        now = unit.now
        record = {
            "status": "active", "version": 1, "recorded": json.dumps(said.as_dict()), "prepared": prepared.to_json(),
            "problems": "[]", "source": "PAS|RXX", "created_at": now, "updated_at": now,
        }  # fmt: skip
        ids = range(1, 2 * TASKS + 1)
        records = [
            {
                **record,
                "id": i,
                "authority": ("RXX", "RYY", "RZZ")[i % 3],
                "local_id": f"L{i}",
                "restricted": i % 500 == 0,
            }
            for i in ids
        ]
        unit.connection.execute(insert(source_record), records)
        people = [{"id": i, "enterprise_id": f"P{i:012d}", "created_at": now} for i in ids]
        unit.connection.execute(insert(person), people)
        links = [{"record_id": i, "person_id": i, "valid_from": now, "how": "new", "made_by": "benchmark"} for i in ids]
        unit.connection.execute(insert(link), links)
        task = {"state": TaskState.OPEN.value, "reason": "", "evidence": "{}", "created_at": now, "updated_at": now}
        tasks = [
            {
                **task,
                "type": (kind := kinds[i % len(kinds)]).value,
                "left_record": 2 * i + 1,
                "right_record": 2 * i + 2,
                "priority": priority(kind, recent=i % 2 == 0, restricted=False),
                "due_at": now,
            }
            for i in range(TASKS)
        ]
        unit.connection.execute(insert(review_task), tasks)

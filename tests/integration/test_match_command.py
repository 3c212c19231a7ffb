"""`mpi match`: what records would match, with nothing stored."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mpi.bootstrap import App
from mpi.cli.match import match
from tests.builders import demographics
from tests.index import open_index, register

CONFIG = '[[authorities]]\ncode = "RXX"\ntest = true\n[[authorities]]\ncode = "RYY"\ntest = true\n'


@pytest.fixture
def index(migrated_sqlite_url: str) -> App:
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1")
    return app


def run(folder: Path, url: str, text: str, *options: str) -> list[str]:
    (folder / "people.csv").write_text(text, encoding="utf-8")
    (folder / "mpi.toml").write_text(CONFIG, encoding="utf-8")
    files = [str(folder / "people.csv"), "--config", str(folder / "mpi.toml"), "--database", url]
    result = CliRunner().invoke(match, [*files, *options])
    assert result.exception is None, result.output
    return result.stdout.splitlines()


def same_person(record_id: str) -> str:
    said = demographics().as_dict()
    return f"record_id,{','.join(said)}\n{record_id},{','.join(said.values())}\n"


def test_a_known_person_is_named_with_the_weight_in_bits(tmp_path: Path, index: App, migrated_sqlite_url: str) -> None:
    (line,) = run(tmp_path, migrated_sqlite_url, same_person("77"))
    assert line.startswith("77 ")
    assert " link " in line
    assert "RXX 1" in line
    assert " bits" in line
    index.close()


def test_with_json_every_candidate_comes_with_its_evidence(
    tmp_path: Path, index: App, migrated_sqlite_url: str
) -> None:
    (line,) = run(tmp_path, migrated_sqlite_url, same_person("1"), "--json", "--authority", "RXX")
    found = json.loads(line)
    assert found["outcome"] == "link"
    assert found["candidates"][0]["is_this_record"]
    assert {"family_name", "given_name"} & {
        e["comparison"].split("_and_")[0] for e in found["candidates"][0]["evidence"]
    }
    index.close()


def test_nothing_is_stored_and_a_stranger_stays_apart(tmp_path: Path, index: App, migrated_sqlite_url: str) -> None:
    text = "record_id,family_name,given_name,birth_date\n5,Zwingli,Xaver,1931-02-03\n,No,Id,1931-02-03\n"
    lines = run(tmp_path, migrated_sqlite_url, text)
    assert lines == ["5                    apart", "line 3: not matched: the record_id is missing"]
    assert index.overview.counts().records == 1
    index.close()

"""`mpi load` on real databases: what is stored, what is set aside, what a second and a broken run do."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mpi.bootstrap import App, build
from mpi.cli.load import load
from mpi.config import parse
from mpi.domain.errors import BadInput, Conflict, TemporaryFailure
from mpi.services import load as loading

CONFIG = """
[[authorities]]
code = "RXX"
test = true
aliases = ["REH"]
[[authorities]]
code = "RYY"
test = true
"""
PEOPLE = """record_id,authority,nhs_number,nhs_number_status,family_name,given_name,birth_date,sex,postcode
1,RXX,9990000018,01,Ashworth,Maria,1968-03-24,female,LS6 4QB
2,RXX,,,Okafor,Daniel,1990-07-01,male,M1 1AE
3,RYY,9990000018,01,Ashworth,Maria,1968-03-24,female,LS6 4QB
"""


@dataclass
class Door:
    """The command, with a database and a configuration of its own."""

    folder: Path
    url: str

    def file(self, text: str | bytes, name: str = "people.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run(self, path: Path, *options: str) -> Result:
        config = self.file(CONFIG, "mpi.toml")
        arguments = [str(path), "--database", self.url, "--config", str(config), *options]
        return CliRunner().invoke(load, arguments)

    def loaded(self, path: Path, *options: str) -> dict[str, Any]:
        result = self.run(path, "--json", *options)
        assert result.exception is None, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, path: Path, *options: str) -> str:
        result = self.run(path, *options)
        assert isinstance(result.exception, BadInput), result.output
        assert result.exception.exit_code == 4
        return str(result.exception)

    def app(self) -> App:
        return build(parse(CONFIG, self.folder / "mpi.toml", database_url=self.url))


@pytest.fixture
def door(tmp_path: Path, migrated_url: str) -> Door:
    return Door(tmp_path, migrated_url)


@pytest.fixture
def quick_door(tmp_path: Path, migrated_sqlite_url: str) -> Door:
    return Door(tmp_path, migrated_sqlite_url)


@pytest.fixture
def counted(door: Door) -> Iterator[Callable[[], tuple[int, int]]]:
    app = door.app()

    def count() -> tuple[int, int]:
        counts = app.overview.counts()
        return counts.persons, counts.records

    yield count
    app.close()


def set_aside(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["line"], row["reason"]) for row in csv.DictReader(file)]


def test_people_are_stored_and_the_same_person_of_two_hospitals_is_one(
    door: Door, counted: Callable[[], tuple[int, int]]
) -> None:
    done = door.loaded(door.file(PEOPLE))
    assert (done["rows"], done["created"], done["linked"], done["set_aside"]) == (3, 3, 1, 0)
    assert counted() == (2, 3)


def test_a_file_loaded_twice_changes_nothing(door: Door, counted: Callable[[], tuple[int, int]]) -> None:
    path = door.file(PEOPLE)
    door.loaded(path)
    before = counted()
    again = door.loaded(path)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 3)
    assert counted() == before


def test_a_row_is_the_whole_picture_so_what_it_leaves_out_is_erased(door: Door) -> None:
    door.loaded(door.file(PEOPLE))
    done = door.loaded(door.file("record_id,authority,family_name\n2,RXX,Okafor\n", "later.csv"))
    assert done["updated"] == 1
    app = door.app()
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "2")
    app.close()
    assert stored is not None
    assert stored.recorded.as_dict() == {"family_name": "Okafor"}


def test_bad_rows_are_set_aside_with_line_and_reason_and_the_run_goes_on(door: Door) -> None:
    text = (
        "record_id,authority,family_name\n"
        "1,RXX,Ashworth\n"
        "2,RXX\n"
        "3,RXX,Okafor,Daniel\n"
        ",RXX,Nobody\n"
        "5,RZZ,Elsewhere\n"
        "6,,Where\n"
        '7,RXX,"torn\n'
        "8,REH,Last\n"
    )
    path = door.file(text)
    done = door.loaded(path)
    assert (done["rows"], done["created"], done["set_aside"]) == (8, 2, 6)
    assert set_aside(path.with_name("people.csv.rejected.csv")) == [
        ("3", "the line has 2 fields where the header has 3"),
        ("4", "the line has 4 fields where the header has 3"),
        ("5", "the record_id is missing"),
        ("6", "the authority is not configured"),
        ("7", "the authority is missing"),
        ("8", "a quotation mark is opened and not closed"),
    ]


def test_a_value_that_cannot_be_read_is_kept_and_reported_with_its_line(door: Door) -> None:
    path = door.file("record_id,family_name,birth_date,nhs_number\n1,Ashworth,1968-13-24,9990000019\n")
    listed = door.folder / "problems.csv"
    done = door.loaded(path, "--authority", "RXX", "--problems", str(listed))
    assert (done["created"], done["problems"]) == (1, 2)
    assert [(p["field"], p["first_lines"]) for p in done["problems_by_field"]] == [
        ("birth_date", [2]),
        ("nhs_number", [2]),
    ]
    assert listed.read_text(encoding="utf-8").splitlines()[1:] == [
        "2,birth_date,impossible-date",
        "2,nhs_number,check-digit",
    ]


def test_a_number_that_was_merged_away_is_set_aside(door: Door) -> None:
    from mpi.domain.audit import SYSTEM
    from mpi.domain.messages import MergePair
    from mpi.domain.person import Identifier
    from mpi.services.identity import Cause
    from mpi.services.merge import Merger

    door.loaded(
        door.file("record_id,family_name,given_name,birth_date\n1,Ashworth,Maria,1968-03-24\n"), "--authority", "RXX"
    )
    app = door.app()
    with app.store.writing() as unit:
        pair = MergePair(Identifier("RXX", "9"), Identifier("RXX", "1"))
        Merger(app.model).merge_all(unit, [pair], Cause(SYSTEM))
    app.close()
    path = door.file("record_id,family_name\n1,Ashworth\n2,Okafor\n", "later.csv")
    done = door.loaded(path, "--authority", "RXX")
    assert (done["created"], done["set_aside"]) == (1, 1)
    assert set_aside(path.with_name("later.csv.rejected.csv"))[0][0] == "2"


def test_a_run_that_was_broken_off_goes_on_where_it_stood(
    door: Door, counted: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{n},RXX,Family{n},Given{n},19{n % 90 + 10}-01-02" for n in range(1, 31)]
    rows[3] = "4,RXX,torn"
    path = door.file("record_id,authority,family_name,given_name,birth_date\n" + "\n".join(rows) + "\n")
    monkeypatch.setattr(loading, "CHUNK", 10)
    monkeypatch.setattr(loading, "ATTEMPTS", 1)
    storing = loading.Loader._store_chunk
    chunks = []

    def cut_after_two(self: loading.Loader, *arguments: Any) -> Any:
        if len(chunks) >= 2:
            raise TemporaryFailure("the database is gone")
        chunks.append(1)
        return storing(self, *arguments)

    monkeypatch.setattr(loading.Loader, "_store_chunk", cut_after_two)
    assert isinstance(door.run(path).exception, TemporaryFailure)
    monkeypatch.setattr(loading.Loader, "_store_chunk", storing)
    assert counted()[1] == 19
    done = door.loaded(path)
    assert (done["resumed_at"], done["rows"], done["created"], done["set_aside"]) == (20, 30, 29, 1)
    assert counted()[1] == 29
    assert [line for line, _ in set_aside(path.with_name("people.csv.rejected.csv"))] == ["5"]


def test_headers_of_other_tools_are_recognised_and_reported(quick_door: Door) -> None:
    header = "rec_id,given_name,surname,street_number,address_1,suburb,date_of_birth"
    text = f"{header}\nrec-1,maria,ashworth,14,quarry bank,leeds,19680324\n"
    done = quick_door.loaded(quick_door.file(text), "--authority", "RXX")
    assert "column surname read as family_name" in done["notes"]
    app = quick_door.app()
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "rec-1")
    app.close()
    assert stored is not None
    assert stored.recorded.address_line == "14 quarry bank"
    assert stored.problems == ()


def test_a_column_map_says_what_the_headers_hold(quick_door: Door) -> None:
    column_map = quick_door.file(
        'birth_date_format = "%d/%m/%Y"\n[columns]\nother_identifier = "soc_sec_id"\n', "map.toml"
    )
    text = "record_id,family_name,birth_date,soc_sec_id\n007,Ashworth,24/03/1968,0012345\n"
    done = quick_door.loaded(quick_door.file(text), "--authority", "RXX", "--columns", str(column_map))
    assert done["problems"] == 0
    app = quick_door.app()
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "007")
    app.close()
    assert stored is not None
    assert (stored.recorded.birth_date, stored.recorded.other_identifier) == ("1968-03-24", "0012345")


REFUSED = [
    pytest.param("people.csv", b"", (), "is empty", id="an empty file"),
    pytest.param("people.csv", b"\n\n", (), "is empty", id="only empty lines"),
    pytest.param("people.csv", b"name\nx\n", (), "no column record_id", id="no record_id"),
    pytest.param("people.csv", b"record_id,a,a\n", ("--authority", "RXX"), "stands twice", id="a header twice"),
    pytest.param("people.csv", b"record_id\n1\n", (), "give --authority", id="no authority anywhere"),
    pytest.param("people.csv", b"record_id\n1\n", ("--authority", "RZZ"), "not configured", id="unknown authority"),
    pytest.param("people.csv", b"record_id\n1\n", ("--authority", "NHS"), "not local ones", id="the authority NHS"),
    pytest.param(
        "people.csv",
        b"record_id,authority\n1,RXX\n2,RYY\n",
        ("--authority", "RXX"),
        "line 3",
        id="authorities in conflict",
    ),
    pytest.param("people.csv", b"PAR1....", (), "is a Parquet file", id="Parquet called CSV"),
    pytest.param("people.csv", b"PK\x03\x04....", (), "a spreadsheet", id="a spreadsheet called CSV"),
    pytest.param("people.csv", b"record_id\n\0\0", (), "zero bytes", id="bytes that are no text"),
    pytest.param("people.parquet", b"record_id\n1\n", (), "is no Parquet file", id="CSV called Parquet"),
    pytest.param("people.xlsx", b"PK", (), "person files are", id="another kind of file"),
]


@pytest.mark.parametrize(("name", "content", "options", "said"), REFUSED)
def test_a_file_that_cannot_be_used_is_refused_whole(
    quick_door: Door, name: str, content: bytes, options: tuple[str, ...], said: str
) -> None:
    assert said in quick_door.refused(quick_door.file(content, name), *options)
    app = quick_door.app()
    assert app.overview.counts().records == 0
    app.close()


def test_a_file_that_is_not_there_is_named(quick_door: Door) -> None:
    assert (
        quick_door.refused(quick_door.folder / "absent.csv") == "absent.csv cannot be read: No such file or directory"
    )


def test_a_file_with_a_header_only_loads_nothing_and_says_so(quick_door: Door) -> None:
    result = quick_door.run(quick_door.file("record_id,authority\n"))
    assert result.exit_code == 0
    assert result.stdout.startswith("0 rows: 0 created")


def test_no_patient_value_reaches_the_log_or_the_screen(quick_door: Door) -> None:
    result = quick_door.run(
        quick_door.file("record_id,family_name,birth_date\nLOCAL77,Ashworth,31/31/1968\n8\n"), "--authority", "RXX"
    )
    for value in ("Ashworth", "31/31", "LOCAL77"):
        assert value not in result.output


def test_a_database_that_was_not_made_yet_is_named_with_what_to_do(tmp_path: Path) -> None:
    door = Door(tmp_path, f"sqlite:///{tmp_path / 'none.db'}")
    result = door.run(door.file(PEOPLE))
    assert isinstance(result.exception, Conflict)
    assert str(result.exception).endswith("none.db yet; run: mpi migrate")
    assert not (tmp_path / "none.db").exists()


def test_the_input_is_never_overwritten(quick_door: Door) -> None:
    path = quick_door.file(PEOPLE)
    for option in ("--rejected", "--problems"):
        assert quick_door.run(path, option, str(path)).exit_code == 2
    assert path.read_text(encoding="utf-8") == PEOPLE

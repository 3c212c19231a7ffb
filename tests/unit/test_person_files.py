"""Person files read: lines and quotation marks, letters, Parquet values."""

import io
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.domain.errors import BadInput
from mpi.files.csv_lines import LONGEST_LINE, CsvLines
from mpi.files.encoding import survey
from mpi.files.parquet_rows import ParquetRows, text_of
from mpi.files.person_file import open_person_file
from mpi.files.set_aside import SideFile


def read(text: str) -> list[tuple[int, list[str], bool]]:
    return [(r.line, r.fields, r.fault is not None) for r in CsvLines(io.StringIO(text)).records()]


CASES = [
    pytest.param("a,b\n1,2\n", [(2, ["1", "2"], False)], id="plain"),
    pytest.param("a;b\n1;2\n", [(2, ["1", "2"], False)], id="semicolons"),
    pytest.param("a\tb\n1\t2\n", [(2, ["1", "2"], False)], id="tabs"),
    pytest.param('a,b\n"1,1",2\n', [(2, ["1,1", "2"], False)], id="a comma inside quotation marks"),
    pytest.param('a,b\n"say ""hi""",2\n', [(2, ['say "hi"', "2"], False)], id="quotation marks inside a value"),
    pytest.param(
        'a,b\n"x\ny",2\n3,4\n', [(2, ["x\ny", "2"], False), (4, ["3", "4"], False)], id="a line break in a value"
    ),
    pytest.param("a,b\n\n1,2\n\n", [(3, ["1", "2"], False)], id="empty lines"),
    pytest.param("a,b\n007,0\n", [(2, ["007", "0"], False)], id="leading zeros"),
    pytest.param("a,b\n1\n3,4\n", [(2, ["1"], True), (3, ["3", "4"], False)], id="too few fields"),
    pytest.param("a,b\n1,2,3\n3,4\n", [(2, ["1", "2", "3"], True), (3, ["3", "4"], False)], id="too many fields"),
    pytest.param(
        'a,b\n1,"2\n3,4\n5,6\n',
        [(2, [], True), (3, ["3", "4"], False), (4, ["5", "6"], False)],
        id="a mark never closed",
    ),
    pytest.param(
        'a,b\n1,"2\n3,4\n5,"6"\n',
        [(2, [], True), (3, ["3", "4"], False), (4, ["5", "6"], False)],
        id="a mark closed by another",
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_lines_become_records_and_a_torn_one_costs_itself_only(text: str, expected: list[object]) -> None:
    assert read(text) == expected


def test_a_line_of_a_megabyte_is_set_aside_without_the_next() -> None:
    found = read("a,b\n" + "x" * (LONGEST_LINE + 10) + "\n1,2\n")
    assert [(line, fault) for line, _, fault in found] == [(2, True), (3, False)]


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r")), min_size=2, max_size=2)))
def test_whatever_a_csv_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    writer.writerows(row for row in rows if sum(text.count("\n") for text in row) < 40)
    expected = [row for row in rows if sum(text.count("\n") for text in row) < 40]
    assert [r.fields for r in CsvLines(io.StringIO(out.getvalue(), newline="")).records()] == expected


@given(st.text(alphabet='a",;\n\t1'))
def test_no_text_breaks_the_reader_and_no_line_is_lost(text: str) -> None:
    records = list(CsvLines(io.StringIO("a,b,c\n" + text)).records())
    assert [r.line for r in records] == sorted({r.line for r in records})
    covered = {number for r in records for number in range(r.line, r.line + r.raw.count("\n") + 1)}
    filled = {number for number, line in enumerate(text.split("\n"), 2) if line.strip()}
    assert filled <= covered


LETTERS = [
    pytest.param("Zoë".encode(), "utf-8", id="UTF-8"),
    pytest.param("Zoë".encode("utf-8-sig"), "utf-8-sig", id="UTF-8 with a mark"),
    pytest.param("Zoë".encode("utf-16"), "utf-16", id="UTF-16 with a mark"),
    pytest.param("Zoë".encode("windows-1252"), "windows-1252", id="Windows-1252"),
    pytest.param(b"Zoe", "utf-8", id="ASCII"),
]


@pytest.mark.parametrize(("content", "expected"), LETTERS)
def test_letters_are_read_as_they_were_written(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    found = survey(path)
    assert found.encoding == expected
    assert path.read_text(encoding=found.encoding) in ("Zoë", "Zoe")


def test_a_file_in_windows_1252_says_so(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("record_id;family_name\n1;Müller\n".encode("windows-1252"))
    opened = open_person_file(path)
    assert "the file is not UTF-8: read as windows-1252" in opened.notes()
    assert [row["family_name"] for _, _, row, _ in opened.rows()] == ["Müller"]


VALUES = [
    pytest.param(None, None, id="nothing"),
    pytest.param("007", "007", id="text"),
    pytest.param(7, "7", id="a whole number"),
    pytest.param(1980.0, "1980", id="a whole number that became a fraction"),
    pytest.param(float("nan"), None, id="not a number"),
    pytest.param(date(1980, 1, 2), "1980-01-02", id="a date"),
    pytest.param(datetime(1980, 1, 2), "1980-01-02", id="a date with a time of midnight"),  # noqa: DTZ001 - as files hold it
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_parquet_values_become_text(value: object, expected: str | None) -> None:
    assert text_of(value) == expected


def test_a_parquet_file_is_read_and_a_torn_one_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"record_id": ["1", "2"], "dob": [date(1980, 1, 2), None]}), path)
    opened = open_person_file(path)
    assert [(line, row) for line, _, row, _ in opened.rows()] == [
        (1, {"record_id": "1", "dob": "1980-01-02"}),
        (2, {"record_id": "2", "dob": None}),
    ]
    assert opened.notes() == ["column dob read as birth_date"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match="its end is missing"):
        ParquetRows(path)


def test_the_set_aside_file_is_for_its_owner_only_and_absent_when_empty(tmp_path: Path) -> None:
    path = tmp_path / "aside.csv"
    path.write_text("line,reason,row\n3,old,x\n9,later,y\n", encoding="utf-8")
    side = SideFile(path, ("line", "reason", "row"), keep_upto=5)
    side.close()
    assert path.read_text(encoding="utf-8") == "line,reason,row\n3,old,x\n"
    assert path.stat().st_mode & 0o777 == 0o600
    SideFile(path, ("line", "reason", "row")).close()
    assert not path.exists()

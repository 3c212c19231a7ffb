"""Person files staged for batch linkage: column by column, and the same text as row by row."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi.config import Config
from mpi.domain.columns import ColumnMap
from mpi.domain.errors import BadInput
from mpi.files.person_file import Records, clean, open_person_file
from mpi.files.set_aside import SideFile
from mpi.files.staging import Staged, _cleaned, _trimmed, set_aside_header, stage

ROWS = [
    {
        "record_id": "1",
        "family_name": " Smith ",
        "birth_date": "1980-01-02",
        "sex": "male",
        "house": "4",
        "road": "High St",
    },
    {"record_id": "2", "family_name": "O\x07Brien", "birth_date": "", "sex": None, "house": "", "road": "Mill Lane"},
    {"record_id": "3", "family_name": "Żółć", "birth_date": "02.01.1980", "sex": "  ", "house": "7", "road": None},
    {"record_id": "4", "family_name": "\u00a0", "birth_date": "1980-01-02", "sex": "female", "house": None, "road": ""},
]
MAP = ColumnMap.parse(
    'birth_date_format = "%d.%m.%Y"\n[columns]\naddress_line = ["house", "road"]\n[extra.job]\ncolumn = "road"'
)


def _stage(folder: Path, *paths: Path, column_map: ColumnMap | None = None) -> tuple[pa.Table, Staged, SideFile]:
    files = [open_person_file(path, column_map) for path in paths]
    side = SideFile(folder / "aside.csv", set_aside_header(files))
    staged = stage(files, folder / "raw.parquet", side, lambda _: None)
    side.close()
    return pq.read_table(folder / "raw.parquet"), staged, side


def _write(path: Path, rows: list[dict[str, str | None]]) -> Path:
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pyarrow.csv.write_csv(table, path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_say_what_the_rows_say(tmp_path: Path, suffix: str) -> None:
    path = _write(tmp_path / f"people{suffix}", ROWS)
    table, _, _ = _stage(tmp_path, path, column_map=MAP)
    by_row = [row.record for row in Records(open_person_file(path, MAP), Config(), None, any_authority=True)]
    for staged, record in zip(table.to_pylist(), by_row, strict=True):
        assert record is not None
        assert staged["record_id"] == record.local_id
        kept = {name: text for name, text in staged.items() if text is not None and name in record.changes}
        assert kept == dict(record.changes)
        assert staged["extra.job"] == record.extra.get("job")


def test_a_number_written_as_a_fraction_is_whole_again(tmp_path: Path) -> None:
    table = pa.table({"record_id": [1, 2], "dob": pa.array([19800102.0, None])})
    pq.write_table(table, tmp_path / "p.parquet")
    staged, _, _ = _stage(tmp_path, tmp_path / "p.parquet")
    assert staged["record_id"].to_pylist() == ["1", "2"]
    assert staged["birth_date"].to_pylist() == ["19800102", None]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_without_an_id_is_set_aside(tmp_path: Path, suffix: str) -> None:
    rows = [{"record_id": "", "family_name": "A"}, {"record_id": "x" * 251, "family_name": "B"}]
    path = _write(tmp_path / f"p{suffix}", [*rows, {"record_id": "7", "family_name": "C"}])
    table, staged, side = _stage(tmp_path, path)
    assert table["record_id"].to_pylist() == ["7"]
    assert staged == Staged((1,), 2)
    assert side.path.read_text().splitlines()[1].endswith("the record_id is missing,")


def test_a_torn_line_is_set_aside_with_the_file_it_stood_in(tmp_path: Path) -> None:
    one = _write(tmp_path / "one.csv", [{"record_id": "1"}])
    (tmp_path / "two.csv").write_text("record_id,sex\n2,male\n3\n")
    table, staged, side = _stage(tmp_path, one, tmp_path / "two.csv")
    assert staged == Staged((1, 1), 1)
    assert table["file"].to_pylist() == [0, 1]
    assert side.path.read_text().splitlines()[1].startswith("two.csv,3,")


def test_files_with_different_columns_are_staged_together(tmp_path: Path) -> None:
    one = _write(tmp_path / "one.csv", [{"record_id": "1", "surname": "A"}])
    two = _write(tmp_path / "two.parquet", [{"record_id": "2", "postcode": "LS6 4QB"}])
    table, _, _ = _stage(tmp_path, one, two)
    assert table["family_name"].to_pylist() == ["A", None]
    assert table["postcode"].to_pylist() == [None, "LS6 4QB"]


def test_a_damaged_row_group_is_said(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.parquet", [{"record_id": str(i), "family_name": "N" * 40 + str(i)} for i in range(500)])
    content = bytearray(path.read_bytes())
    content[40:200] = bytes(160)
    path.write_bytes(content)
    with pytest.raises(BadInput, match="damaged after row 0"):
        _stage(tmp_path, path)


@given(
    st.lists(st.none() | st.text(alphabet=" Aé\t\x00~", max_size=4) | st.text(max_size=3), max_size=8),
    st.integers(0, 4),
)
def test_a_column_seen_at_once_is_cleaned_as_value_by_value(values: list[str | None], start: int) -> None:
    encoded = [None if v is None else v.encode("utf-8", "replace").decode() for v in values]
    column = pa.array(["before"] * start + encoded, pa.string())[start:]
    found = _cleaned(_trimmed(column)).to_pylist()
    assert found == [None if v is None else clean(v.strip()) or None for v in encoded]

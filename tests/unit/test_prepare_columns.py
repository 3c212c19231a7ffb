"""Preparing a whole file by its distinct values gives what preparing each record gives."""

from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.engines import distinct
from mpi.engines.preparing import prepare_dataset
from mpi.matching.prepare import prepare

KINDS = {"job": "string", "age": "number", "seen": "date", "ward": "exact"}
ODD = {
    "nhs_number": ["9990000018", "999 000 0026", "9990000019", "12345", "0000000000", "3333333333", "9000000009",
                   "5990128088", "9990000018 ", "09990000018", "9876543210"],
    "nhs_number_status": ["01", "1", "04", "05", "NSTS01", "x"],
    "family_name": ["Smith", "SMYTH (nee Jones)", "O'Brien", "UNKNOWN", "Doe", "BABY SMITH", "ZZTEST", "Müller"],
    "given_name": ["Ann", "John", "BABY", "Twin 1", "TEST", "Unknown", "J", "Baby Boy 2", "Zoë", "x y"],
    "middle_names": ["Ann", "unknown", "J. R."],
    "previous_family_name": ["Jones", "NK", "Test"],
    "birth_date": ["1980-01-02", "19800102", "1980", "1980-13-01", "1900-01-01", "yesterday", "2020-W01-1",
                   "0980-01-02", "9999-12-31", "2023-02-29", "1980-1-2 "],
    "sex": ["1", "F", "male", "unknown", "purple"],
    "multiple_birth_order": ["1", "02", "x"],
    "address_line": ["14 High Street", "NFA", "--", "Flat 2, St. Mary's Court", "No Fixed  Abode", " 1a North-West Rd ",
                     "O'Neill & Sons' Place", "''", "5/7 caf\u00e9 Lane"],
    "town": ["Leeds", "Not known"],
    "postcode": ["LS6 4QB", "LS64QB", "ZZ99 3VZ", "75008", "EXI 1AA", "ls6  4qb", "W1A 1HQ", "GIR 0AA", "ZZ9 9ZZ"],
    "phone": ["01632 960001", "+44 1632 960001", "0000000", "12", "+44 (0)1632 960 001", "+4401632960001",
              "01632960001 x 12", "01111111111", "0123456789", "00441632960001", "+33 1 23 45 67 89", "01632-960001"],
    "email": ["A@Example.org", "none@x.y", "x", "NO.EMAIL@nhs.uk", "mailto:a@b.example", "a.b+c@d-e.f.example", "a@b"],
    "other_identifier": ["ab-123", "1111", "12", "AB123", "aaa", "123456", "x1"],
    "gp_practice": ["A81001", "V81997"],
    "death_date": ["2020-02-03", "2020-02", "never"],
}  # fmt: skip
OWN = {
    "job": ["Miner", "old  miner", " "],
    "age": ["41", "1,200.5", "nan", "old"],
    "seen": ["2001-02-03", "x"],
    "ward": ["7"],
}

rows = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {}, optional={f: st.sampled_from(ODD[f]) | st.sampled_from(["", "  "]) for f in DEMOGRAPHIC_FIELDS}
        ),
        st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OWN.items()}),
    ),
    max_size=12,
)


def staged(folder: Path, records: list[tuple[dict[str, str], dict[str, str]]]) -> Path:
    columns: dict[str, object] = {"record_id": pa.array([str(n) for n in range(len(records))], pa.string())}
    columns |= {f: pa.array([said.get(f) for said, _ in records], pa.string()) for f in DEMOGRAPHIC_FIELDS}
    columns |= {f"extra.{name}": pa.array([own.get(name) for _, own in records], pa.string()) for name in KINDS}
    pq.write_table(pa.table(columns), folder / "raw.parquet")
    return folder / "raw.parquet"


@settings(deadline=None)
@given(rows, st.booleans())
def test_every_row_is_prepared_as_by_itself(
    records: list[tuple[dict[str, str], dict[str, str]]], allow_test_numbers: bool
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = prepare_dataset(
            staged(folder, records), folder, extras=KINDS, allow_test_numbers=allow_test_numbers, workers=0
        )
        alone = [
            prepare(Demographics(**said), allow_test_numbers=allow_test_numbers, extra=own, extra_kinds=KINDS)
            for said, own in records
        ]
        assert list(data.people()) == [prepared for prepared, _ in alone]
        counted = {(p["field"], p["problem"]): p["count"] for p in data.about["problems"]}
        assert counted == Counter((p.field, p.problem) for _, problems in alone for p in problems)


def test_workers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MANY", 10)
    monkeypatch.setattr(distinct, "_CHUNK", 7)
    records = [
        ({"family_name": f"Smith{n % 97}".replace("0", "o"), "phone": f"01632 960{n:03}"}, {}) for n in range(200)
    ]
    raw = staged(tmp_path, records)
    alone = prepare_dataset(raw, tmp_path / "alone", workers=0)
    shared = prepare_dataset(raw, tmp_path / "shared", workers=2)
    assert alone.prepared.read_bytes() == shared.prepared.read_bytes()


def test_problems_are_told_with_the_lines_where_they_first_stood(tmp_path: Path) -> None:
    records = [({"birth_date": "1980-01-02" if n % 2 else "yesterday"}, {}) for n in range(20)]
    (found,) = prepare_dataset(staged(tmp_path, records), tmp_path).about["problems"]
    assert found == {
        "source": 0, "field": "birth_date", "problem": "unreadable", "count": 10, "first_lines": [1, 3, 5, 7, 9],
    }  # fmt: skip


def test_missing_columns_are_missing_values(tmp_path: Path) -> None:
    pq.write_table(pa.table({"record_id": ["1", "2"], "family_name": ["Smith", None]}), tmp_path / "raw.parquet")
    one, other = prepare_dataset(tmp_path / "raw.parquet", tmp_path).people()
    assert (one.family, one.given, other.family) == ("SMITH", None, None)


def test_workers_that_die_cost_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def submit(self, *_: object) -> Future[list[distinct.Row]]:
            promise: Future[list[distinct.Row]] = Future()
            promise.set_exception(BrokenProcessPool("a worker was killed"))
            return promise

    monkeypatch.setattr(distinct, "MANY", 2)
    reading = distinct.Readers(Dying(), allow_test_numbers=True)  # type: ignore[arg-type]
    values = ["Smith", "Jones", "UNKNOWN"]
    assert reading.read("town", values) == distinct.read_values("town", values, True)

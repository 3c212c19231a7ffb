"""Statements that the driver runs alone say the same as through SQLAlchemy, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from mpi.bootstrap import App
from mpi.domain.errors import StoreFailure
from mpi.matching.block import BLOCK_LIMIT
from mpi.store.plain import Fixed
from mpi.store.tables import blocking_key, person, source_record
from mpi.store.unit_of_work import UnitOfWork
from tests.index import a_record, register, send

_by_ids = select(source_record).where(source_record.c.id.in_(bindparam("ids", expanding=True))).order_by("id")
_fixed = Fixed(_by_ids)


class TakenBack(Exception):
    """Ends a unit of work so that nothing of it stays."""


@contextmanager
def taken_back(app: App) -> Iterator[UnitOfWork]:
    """A unit of which nothing stays: what is written in it no service would write."""
    with suppress(TakenBack), app.store.writing() as unit:
        yield unit
        raise TakenBack


def test_rows_are_the_same_whatever_the_length_of_a_list(app: App) -> None:
    for number in range(1, 6):
        send(app, replace(a_record("RXX", str(number)), restricted=number == 2))
    with app.store.reading() as unit:
        for count in (1, 2, 3, 5, 4097):
            ids = list(range(1, count + 1))
            ours = unit.connection.ask(_fixed, {"ids": ids})
            theirs = unit.connection.execute(_by_ids, {"ids": ids}).all()
            assert [row._asdict() for row in ours] == [row._asdict() for row in theirs]
            assert [row.restricted for row in ours] == [False, True, False, False, False][:count]


def test_what_lies_around_keys_is_what_the_single_look_ups_say(app: App) -> None:
    for authority in ("RXX", "RYY"):
        register(app, authority, "1", nhs_number="9991234569")
    register(app, "RXX", "2", family_name="Okafor", given_name="Chidi", birth_date="1971-02-03")
    with taken_back(app) as unit:
        keys = sorted(set(unit.connection.execute(select(blocking_key.c.key)).scalars()))
        common = [{"key": "t|07700900000", "record_id": 1000 + n} for n in range(BLOCK_LIMIT + 1)]
        unit.connection.execute(blocking_key.insert(), common)
        for asked in ([*keys, "t|07700900000"], keys[:1], ["t|07700900000"], ["x|none"], []):
            around = unit.records.around(asked, BLOCK_LIMIT)
            ids, skipped = unit.records.block(asked, BLOCK_LIMIT)
            candidates = unit.records.candidates(ids)
            assert (around.candidates, around.skipped) == (candidates, skipped)
            numbers = unit.records.numbers_of_persons({one.person_id for one in candidates})
            assert {k: sorted(v) for k, v in around.numbers.items()} == {k: sorted(v) for k, v in numbers.items()}
        assert unit.records.around([*keys, "t|07700900000"], BLOCK_LIMIT).skipped == 1


def test_a_refused_write_is_raised_as_sqlalchemy_raises_it(app: App) -> None:
    row = {"enterprise_id": "P00000000001", "created_at": "2026-01-01T00:00:00.000000Z"}
    with pytest.raises(StoreFailure) as failure, app.store.writing() as unit:
        unit.connection.later(person.insert(), [row, row])
    assert isinstance(failure.value.__cause__, IntegrityError)


def test_the_end_of_a_long_chain_of_merges_is_one_look_up(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 102):
        register(app, "RXX", str(number), family_name=f"Alpha{number}")
    with taken_back(app) as unit:
        unit.connection.execute(
            source_record.update().values(merged_into=source_record.c.id + 1).where(source_record.c.id <= 100)
        )
        first = unit.records.get([1])[1]
        asked = []
        ask = unit.connection.ask
        monkeypatch.setattr(unit.connection, "ask", lambda *what: asked.append(what) or ask(*what))
        assert unit.records.survivor(first).local_id == "101"
        assert [one.id for one in unit.records.absorbed([101])] == list(range(100, 0, -1))
        assert len(asked) == 2

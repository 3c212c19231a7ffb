"""Messages come in any order: nothing is dropped, no number is two people's, and later words count."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpi.bootstrap import App
from mpi.domain.messages import AckCode, Command, Delete, Link, Merge, MergePair, Move, Register, Rename
from mpi.domain.person import Identifier, SourceRecord
from mpi.store.schema import migrate
from tests.builders import a_record, demographics, nhs_number
from tests.effort import repeats
from tests.index import MACHINE, message, open_index
from tests.invariants import check_index

_POORER = dict.fromkeys(("birth_date", "address_line", "town", "postcode", "sex"))
_TUNDE = {"family_name": "Oyelaran", "given_name": "Tunde", "birth_date": "1999-11-02", "sex": "male"}


def _n(value: int, authority: str = "RXX") -> Identifier:
    return Identifier(authority, str(value))


def _registered(number: int, authority: str = "RXX", **said: str | None) -> Register:
    return Register(a_record(authority, str(number), complete=False, **said))


_DAY: list[Command] = [
    _registered(1, nhs_number=nhs_number(1), nhs_number_status="01"),
    _registered(2, **_POORER),
    _registered(3),
    _registered(4, **_TUNDE),
    _registered(5, "RYY"),
    _registered(1, phone="01632960001"),
    _registered(3, **_TUNDE),
    Link(_n(1), _n(2)),
    Link(_n(1), _n(4)),
    Link(_n(1), _n(3), apart=True),
    Merge((MergePair(_n(6), _n(2)),)),
    Merge((MergePair(_n(1), _n(3)),)),
    Move((MergePair(_n(4), _n(3)),)),
    Rename(MergePair(_n(7), _n(1))),
    Delete(_n(4)),
]
"""One day of one hospital about a few people, in the order in which it happened."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("order") / "mpi.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def fresh(empty: Path, tmp_path: Path) -> Iterator[Iterator[App]]:
    """As many empty indexes as are wanted."""

    def indexes() -> Iterator[App]:
        for number in itertools.count():
            file = tmp_path / f"{number}.db"
            shutil.copyfile(empty, file)
            app = open_index(f"sqlite:///{file}")
            yield app
            app.close()

    made = indexes()
    yield made
    made.close()


@settings(
    max_examples=repeats(200), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(order=st.permutations(_DAY))
def test_any_order_of_a_day_ends_with_each_number_in_one_person(fresh: Iterator[App], order: list[Command]) -> None:
    app = next(fresh)
    outcomes = app.inbox.process([message(command) for command in order])
    assert all(o.message_id is not None and o.ack in (AckCode.ACCEPTED, AckCode.ERROR) for o in outcomes)
    for number in range(1, 6):
        authority = "RYY" if number == 5 else "RXX"
        assert app.people.crosswalk(MACHINE, authority, str(number)).enterprise_id, "a number that was sent is known"
    check_index(app.store)


_SAID = [
    SourceRecord("RXX", "1", demographics().as_dict(), said_at="20261101080000"),
    SourceRecord("RXX", "1", demographics(family_name="Greenwood").as_dict(), said_at="20261101090000"),
    SourceRecord("RXX", "1", demographics(family_name="Greenwood", phone="1").as_dict(), said_at="20261101100000"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: " ".join(map(str, order)))
def test_whole_pictures_end_with_the_latest_in_any_order(fresh: Iterator[App], order: tuple[int, ...]) -> None:
    app = next(fresh)
    app.inbox.process([message(Register(_SAID[one])) for one in order])
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
    assert stored is not None
    assert stored.recorded == demographics(family_name="Greenwood", phone="1")
    check_index(app.store)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: " ".join(map(str, order)))
def test_a_link_and_its_persons_come_together_in_any_order(fresh: Iterator[App], order: tuple[int, ...]) -> None:
    app = next(fresh)
    commands = [_registered(1), _registered(2, **_POORER), Link(_n(1), _n(2))]
    app.inbox.process([message(commands[one]) for one in order])
    assert len({app.people.crosswalk(MACHINE, "RXX", number).enterprise_id for number in "12"}) == 1
    check_index(app.store)

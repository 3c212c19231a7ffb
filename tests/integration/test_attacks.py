"""Stories that try to put two people under one identity by going round what is compared."""

import pytest

from mpi.bootstrap import App
from mpi.domain.messages import Command, Link, Merge, MergePair, Move, Rename
from mpi.domain.person import Identifier, SourceRecord
from tests.index import merge, message, persons_of, register, send

TUNDE = {
    "family_name": "Oyelaran",
    "given_name": "Tunde",
    "birth_date": "1999-11-02",
    "sex": "male",
    "address_line": "3 Mill Lane",
    "town": "Otherby",
    "postcode": "M13 9PL",
}


def _pair(lose: str, keep: str) -> MergePair:
    return MergePair(Identifier("RXX", keep), Identifier("RXX", lose))


@pytest.mark.parametrize("command", [Merge((_pair("1", "3"),)), Rename(_pair("1", "3"))], ids=["merge", "rename"])
def test_nobody_joins_a_person_through_a_number_of_which_only_a_link_is_known(app: App, command: Command) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    app.inbox.process([message(Link(Identifier("RXX", "3"), Identifier("RXX", "2")))])
    app.inbox.process([message(command)])
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 2


def test_nobody_joins_a_person_through_a_number_whose_values_were_erased(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2", **TUNDE)
    register(app, "RXX", "3", **TUNDE)
    send(app, SourceRecord("RXX", "3", dict.fromkeys(TUNDE, "")))
    merge(app, "1", "3")
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2")))) == 2


def test_what_is_told_after_a_move_of_the_number_that_it_went_to_may_part_them(app: App) -> None:
    register(app, "RXX", "1")
    app.inbox.process([message(Move((_pair("1", "3"),)))])
    register(app, "RXX", "3", **TUNDE)
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "3")))) == 2

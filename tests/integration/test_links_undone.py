"""Links, moves and changes of number that a source sent are taken back exactly, as every change of identities."""

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.messages import Command, Delete, Link, Merge, MergePair, Move, Rename
from mpi.domain.person import Identifier
from mpi.domain.roles import Role
from tests.history import last_change
from tests.index import message, persons_of, register
from tests.invariants import check_index

SENIOR = Actor("sam", Role.SENIOR_REVIEWER.value)
POORER = dict.fromkeys(("birth_date", "address_line", "town", "postcode", "sex"))


def _n(value: str) -> Identifier:
    return Identifier("RXX", value)


def _pair(lose: str, keep: str) -> MergePair:
    return MergePair(_n(keep), _n(lose))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param([], Link(_n("1"), _n("3")), id="a link"),
        pytest.param([Link(_n("1"), _n("3"))], Link(_n("1"), _n("3"), apart=True), id="the undoing of a link"),
        pytest.param([], Link(_n("1"), _n("2"), apart=True), id="the undoing of what matching linked"),
        pytest.param([], Move((_pair("2", "3"),)), id="a move"),
        pytest.param([], Rename(_pair("1", "9")), id="a change of number"),
        pytest.param([Link(_n("8"), _n("9"))], Merge((_pair("1", "9"),)), id="a merge into a number of a link"),
        pytest.param([Delete(_n("1"))], Merge((_pair("1", "2"),)), id="a merge of a deleted number"),
    ],
)
def test_what_a_source_said_of_identities_is_taken_back(app: App, first: list[Command], last: Command) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "2")
    register(app, "RXX", "3", **POORER)
    for command in first:
        app.inbox.process([message(command)])
    before = persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "3"))
    app.inbox.process([message(last)])
    check_index(app.store)
    newest = app.undo.changes(SENIOR, "RXX", "2" if isinstance(last, Move) else "1")[0]
    app.undo.do(SENIOR, newest.id, "the site was wrong", keep_apart=False)
    assert persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "3")) == before


def test_a_number_made_by_a_later_change_of_number_leads_on_when_the_earlier_one_holds_again(app: App) -> None:
    """Found at random: the last number was left active, and nobody's."""
    register(app, "RXX", "5")
    app.inbox.process([message(Rename(_pair("5", "6")))])
    undone = app.undo.do(SENIOR, last_change(app), "not so").change_id
    app.inbox.process([message(Rename(_pair("5", "1")))])
    app.undo.do(SENIOR, undone, "so after all")
    assert persons_of(app, ("RXX", "6")) == persons_of(app, ("RXX", "1"))

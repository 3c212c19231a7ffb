"""What a person decides of two numbers, shown first, done, taken back; by service and by command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mpi.bootstrap import App
from mpi.cli.main import cli
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, MpiError, NotAllowed, NotFound
from mpi.domain.person import Identifier
from mpi.domain.review import TaskState
from mpi.domain.roles import Permission, Role, can
from mpi.services.decisions import Decision, Operation
from tests.builders import nhs_number
from tests.history import kept_apart, last_change, picture
from tests.index import REVIEWER, SENIOR, merge, persons_of, register

X, Y, Z = Identifier("RXX", "1"), Identifier("RYY", "77"), Identifier("RXX", "2")
N1, N2 = nhs_number(51), nhs_number(52)
WHY = "seen the charts"
TUNDE = {"family_name": "Oyelaran", "given_name": "Tunde", "birth_date": "1999-11-02", "sex": "male", "postcode": None}


def strangers(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77", **TUNDE)


def one_person(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77")


def two_numbers(app: App) -> None:
    register(app, "RXX", "1", **dict.fromkeys(("birth_date", "address_line", "postcode", "town", "sex")))
    register(app, "RXX", "2")


@pytest.mark.parametrize(
    ("start", "decision"),
    [
        pytest.param(strangers, Decision(Operation.LINK, X, Y), id="link"),
        pytest.param(one_person, Decision(Operation.UNLINK, Y), id="unlink"),
        pytest.param(strangers, Decision(Operation.KEEP_APART, X, Y), id="keep strangers apart"),
        pytest.param(one_person, Decision(Operation.KEEP_APART, X, Y), id="part one person"),
        pytest.param(two_numbers, Decision(Operation.MERGE, X, Z), id="merge"),
    ],
)
def test_shown_done_taken_back_and_done_again(app: App, start: Callable[[App], None], decision: Decision) -> None:
    start(app)
    before = picture(app), kept_apart(app)
    shown = app.decisions.preview(REVIEWER, decision)
    assert (picture(app), kept_apart(app)) == before and not shown.nothing
    done = app.decisions.do(REVIEWER, decision, WHY)
    after = picture(app), kept_apart(app)
    assert done.effect == shown and after != before and done.change_id == last_change(app)
    for moved in shown.identifiers:
        assert moved.to_person in (after[0][moved.identifier.authority, moved.identifier.value][0], "a new person")
    undone = app.undo.do(SENIOR, done.change_id, WHY)
    assert (picture(app), kept_apart(app)) == before
    app.undo.do(SENIOR, undone.change_id, WHY)
    assert (picture(app), kept_apart(app)) == after


def test_what_was_unlinked_by_hand_is_not_linked_again(app: App) -> None:
    one_person(app)
    register(app, "RZZ", "9")
    app.decisions.do(REVIEWER, Decision(Operation.UNLINK, Y), WHY)
    apart = persons_of(app, ("RXX", "1"), ("RYY", "77"), ("RZZ", "9"))
    assert apart[0] == apart[2] != apart[1]
    for authority, value in (("RYY", "77"), ("RXX", "1"), ("RZZ", "9")):
        register(app, authority, value, phone="01134960000")
    assert persons_of(app, ("RXX", "1"), ("RYY", "77"), ("RZZ", "9")) == apart


def test_what_was_linked_by_hand_stays_whatever_an_update_says(app: App) -> None:
    strangers(app)
    app.decisions.do(REVIEWER, Decision(Operation.LINK, X, Y), WHY)
    [person, same] = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    register(app, "RZZ", "9", **TUNDE)
    register(app, "RYY", "77", **TUNDE | {"phone": "01134960000"})
    assert persons_of(app, ("RXX", "1"), ("RYY", "77")) == [person, same] and person == same


def test_a_question_that_is_answered_by_hand_is_closed(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    [task] = app.review.queue(REVIEWER).tasks
    app.decisions.do(REVIEWER, Decision(Operation.KEEP_APART, X, Y), WHY)
    assert app.review.task(REVIEWER, task.id).summary.state is TaskState.CLOSED
    app.undo.do(SENIOR, last_change(app), WHY)
    assert app.review.task(REVIEWER, task.id).summary.state is TaskState.OPEN


def apart_already(app: App) -> None:
    strangers(app)
    app.decisions.do(REVIEWER, Decision(Operation.KEEP_APART, X, Y), WHY)


@pytest.mark.parametrize(
    ("start", "decision", "error"),
    [
        pytest.param(apart_already, Decision(Operation.LINK, X, Y), Conflict, id="link of people kept apart"),
        pytest.param(apart_already, Decision(Operation.KEEP_APART, X, Y), Conflict, id="kept apart already"),
        pytest.param(one_person, Decision(Operation.LINK, X, Y), Conflict, id="one person already"),
        pytest.param(strangers, Decision(Operation.UNLINK, X), Conflict, id="unlink of who stands alone"),
        pytest.param(strangers, Decision(Operation.LINK, X, Z), NotFound, id="a number nobody has"),
        pytest.param(strangers, Decision(Operation.MERGE, X, Y), BadInput, id="merge across authorities"),
        pytest.param(strangers, Decision(Operation.LINK, X, X), Conflict, id="a number with itself"),
        pytest.param(strangers, Decision(Operation.LINK, X), BadInput, id="no second number"),
        pytest.param(strangers, Decision(Operation.LINK, X, Identifier("QQQ", "1")), BadInput, id="no such authority"),
    ],
)
def test_what_cannot_be_decided_changes_nothing(
    app: App, start: Callable[[App], None], decision: Decision, error: type[MpiError]
) -> None:
    start(app)
    before = picture(app), kept_apart(app)
    with pytest.raises(error):
        app.decisions.do(REVIEWER, decision, WHY)
    assert (picture(app), kept_apart(app)) == before


@pytest.mark.parametrize("role", list(Role))
def test_only_reviewers_decide(app: App, role: Role) -> None:
    strangers(app)
    decision = Decision(Operation.LINK, X, Y)
    actor = Actor("somebody", role.value)
    if can(role, Permission.DECIDE):
        app.decisions.preview(actor, decision)
        app.decisions.do(actor, decision, WHY)
        return
    for ask in (lambda: app.decisions.preview(actor, decision), lambda: app.decisions.do(actor, decision, WHY)):
        with pytest.raises(NotAllowed):
            ask()


CONFIGURATION = """
[[authorities]]
code = "RXX"
name = "Royal Example Hospital"
test = true
[[authorities]]
code = "RYY"
name = "Second Example Hospital"
test = true
"""


def test_the_commands_show_decide_list_and_take_back(app: App, tmp_path: Path) -> None:
    (tmp_path / "mpi.toml").write_text(CONFIGURATION, encoding="utf-8")
    strangers(app)
    before = picture(app)

    def run(*arguments: str) -> str:
        place = ("--database", app.config.database_url, "--config", str(tmp_path / "mpi.toml"))
        result = CliRunner().invoke(cli, [*arguments, *place])
        assert result.exit_code == 0, result.output
        return result.output

    dry = run("decide", "link", "RXX", "1", "RYY", "77", "--dry-run")
    assert "->" in dry and picture(app) == before
    change = json.loads(run("decide", "link", "RXX", "1", "RYY", "77", "--reason", WHY, "--json"))["change"]
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "77")))) == 1
    assert str(change) in run("undo", "--of", "RXX", "1")
    run("undo", str(change), "--dry-run")
    run("undo", str(change), "--reason", WHY)
    assert picture(app) == before


def test_a_number_that_was_merged_stands_for_its_survivor(app: App) -> None:
    two_numbers(app)
    register(app, "RYY", "77", **TUNDE)
    merge(app, "1", "2")
    app.decisions.do(REVIEWER, Decision(Operation.LINK, X, Y), WHY)
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RYY", "77")))) == 1

"""Text that no database can look up (NUL, half a surrogate pair) is answered like anything else that is not there."""

import pytest

from mpi.bootstrap import App
from mpi.domain.errors import NotFound
from mpi.domain.review import TaskState, Verdict
from tests.builders import nhs_number
from tests.index import MACHINE, REVIEWER, register

ODD = [pytest.param("1\0", id="NUL"), pytest.param("1\ud800", id="half a surrogate pair")]


@pytest.mark.parametrize("text", ODD)
def test_a_look_up_finds_nothing(app: App, text: str) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(1))
    for authority in ("RXX", "NHS"):
        with pytest.raises(NotFound):
            app.people.crosswalk(MACHINE, authority, text)
    with pytest.raises(NotFound):
        app.people.person(REVIEWER, text)
    assert app.people.search(REVIEWER, local_id=text) == []
    assert app.people.search(REVIEWER, nhs_number=text) == []
    assert app.users.sign_in(text, "a password") is None


@pytest.mark.parametrize("text", ODD)
def test_a_reason_is_kept_without_it(app: App, text: str) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(1))
    register(app, "RYY", "77", nhs_number=nhs_number(2))
    [task] = app.review.queue(REVIEWER).tasks
    assert app.review.decide(REVIEWER, task.id, Verdict.NOT_SURE, text).state is TaskState.WAITING
    [verdict] = app.review.task(REVIEWER, task.id).verdicts
    assert verdict.reason == "1\ufffd"

"""What people decided stays, identities do not flap, and a cluster is looked at as a whole before anybody joins it."""

from pathlib import Path

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.person import Identifier
from mpi.domain.review import TaskType, Verdict
from mpi.engines.reference import ReferenceEngine
from mpi.services.decisions import Decision, Operation
from mpi.services.dedup_index import IndexDedup
from tests.builders import nhs_number
from tests.history import kept_apart, picture
from tests.index import REVIEWER, persons_of, register

X, Y = Identifier("RXX", "1"), Identifier("RYY", "77")
TUNDE = {
    "family_name": "Oyelaran",
    "given_name": "Tunde",
    "birth_date": "1999-11-02",
    "sex": "male",
    "address_line": "3 Mill Lane",
    "postcode": "M13 9PL",
}
WHY = "seen the charts"


def test_who_fits_one_record_and_clearly_not_another_joins_nobody_alone(app: App) -> None:
    """The other record shares no blocking key with the new one: it was linked by hand."""
    register(app, "RXX", "1")
    register(app, "RYY", "77", **TUNDE)
    app.decisions.do(REVIEWER, Decision(Operation.LINK, X, Y), WHY)
    register(app, "RZZ", "9")
    whole, third = persons_of(app, ("RXX", "1"), ("RZZ", "9"))
    assert third != whole
    assert [t.type for t in app.review.queue(REVIEWER).tasks]


def test_an_update_that_takes_a_link_below_keep_asks_and_moves_nobody(app: App) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(61))
    register(app, "RYY", "77", nhs_number=nhs_number(61))
    before = picture(app)
    register(app, "RYY", "77", address_line=None, postcode=None, town=None, birth_date=None)
    register(app, "RYY", "77", address_line=None, postcode=None, town=None, birth_date=None, given_name=None)
    assert picture(app) == before
    tasks = [t for t in app.review.queue(REVIEWER).tasks if t.type is TaskType.BROKEN_CLUSTER]
    assert len(tasks) == 1
    register(app, "RYY", "77", nhs_number=nhs_number(61))
    assert picture(app) == before, "an identity does not flap"


@pytest.mark.parametrize("operation", [Operation.UNLINK, Operation.KEEP_APART, Operation.LINK])
def test_a_run_over_the_index_moves_no_decision(app: App, tmp_path: Path, operation: Operation) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77", **(TUNDE if operation is Operation.LINK else {}))
    one, other = (Y, None) if operation is Operation.UNLINK else (X, Y)
    app.decisions.do(REVIEWER, Decision(operation, one, other), WHY)
    before = picture(app), kept_apart(app)
    run = IndexDedup(app.store, app.model, ReferenceEngine())
    run.apply(Actor("operator", "administrator"), tmp_path, _Quiet())
    assert (picture(app), kept_apart(app)) == before


def test_a_verdict_outlives_updates_and_runs(app: App, tmp_path: Path) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(62))
    register(app, "RYY", "77", nhs_number=nhs_number(63))
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, WHY)
    before = {key: owner for key, (owner, *_) in picture(app).items()}
    for authority, value in (("RXX", "1"), ("RYY", "77")):
        register(app, authority, value)
    IndexDedup(app.store, app.model, ReferenceEngine()).apply(Actor("operator", "administrator"), tmp_path, _Quiet())
    assert {key: owner for key, (owner, *_) in picture(app).items()} == before


class _Quiet:
    def phase(self, name: str, total: float | None) -> None:
        """A watcher that shows nothing."""

    def progress(self, done: float) -> None:
        """Nothing is shown."""

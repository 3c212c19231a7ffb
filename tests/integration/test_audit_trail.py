"""The audit trail: written with each change, append-only, and telling when it was tampered with."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mpi.bootstrap import App
from mpi.domain.review import Verdict
from mpi.store import audit
from tests.builders import nhs_number
from tests.index import REVIEWER, open_index, persons_of, register


def actions(app: App) -> list[str]:
    with app.store.reading() as unit:
        return list(unit.connection.execute(text("SELECT action FROM audit_event ORDER BY seq")).scalars())


def test_a_registration_leaves_its_whole_story(app: App) -> None:
    register(app, "RXX", "1")
    assert actions(app) == ["record.created", "person.created", "link.made", "message.received"]


def test_every_look_at_a_person_is_noted(app: App) -> None:
    register(app, "RXX", "1")
    [person] = persons_of(app, ("RXX", "1"))
    app.people.person(REVIEWER, person)
    app.people.search(REVIEWER, local_id="1")
    assert actions(app)[-3:] == ["crosswalk.read", "person.read", "search.made"]


@pytest.mark.parametrize("statement", ["UPDATE audit_event SET actor = 'nobody'", "DELETE FROM audit_event"])
def test_the_database_refuses_to_change_the_trail(app: App, statement: str) -> None:
    register(app, "RXX", "1")
    with pytest.raises(DBAPIError, match="append-only"), app.store.database.engine.begin() as connection:
        connection.execute(text(statement))


def _without_triggers(url: str, statement: str) -> None:
    index = open_index(url)
    with index.store.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_event_no_update"))
            connection.execute(text("DROP TRIGGER audit_event_no_delete"))
        else:
            connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only"))
        connection.execute(text(statement))
    index.close()


@pytest.mark.parametrize(
    ("tampering", "problem"),
    [
        ("UPDATE audit_event SET body = replace(body, 'RXX', 'RYY') WHERE seq = 1", "changed"),
        ("UPDATE audit_event SET actor = 'somebody else' WHERE seq = 2", "column actor"),
        ("DELETE FROM audit_event WHERE seq = 2", "missing"),
        ("UPDATE audit_event SET hash = previous_hash WHERE seq = 2", "changed"),
    ],
    ids=["body changed", "column changed", "event removed", "hash changed"],
)
def test_tampering_past_the_triggers_is_found(migrated_url: str, tampering: str, problem: str) -> None:
    index = open_index(migrated_url)
    register(index, "RXX", "1")
    index.close()
    _without_triggers(migrated_url, tampering)
    index = open_index(migrated_url)
    with index.store.reading() as unit:
        _, broken = audit.verify(unit.connection)
    index.close()
    assert broken is not None and problem in broken.problem


def test_a_decision_says_who_when_why_and_from_what_to_what(app: App) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(41))
    register(app, "RYY", "2", nhs_number=nhs_number(42))
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "one chart")
    with app.store.reading() as unit:
        line = next(x for x in audit.of_task(unit.connection, task.id) if x.action == "task.decided")
    assert (line.actor, line.role, line.body["reason"], line.body["detail"]["verdict"]) == (
        "rita",
        "reviewer",
        "one chart",
        "same-person",
    )

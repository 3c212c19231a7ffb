"""Break glass: what is withheld of a restricted person, for who may, with a reason, for a short time, written down."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.roles import Permission, Role, can
from mpi.services.glass import OPEN_FOR
from mpi.services.people import PersonView
from mpi.services.users import SignedIn
from mpi.services.views import WITHHELD
from mpi.store import clock
from tests.builders import a_record
from tests.index import persons_of, register, send
from tests.invariants import check_index
from tests.website import PASSWORD, make_web, open_website_index, post, sign_in

HOME = {"address_line": "9 Hidden Close", "town": "Secretham", "postcode": "ZE1 0AA", "phone": "01595 496000"}
REASON = "the ward cannot reach the patient"


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    """One restricted person, one other."""
    app = open_website_index(migrated_sqlite_url)
    send(app, replace(a_record("RXX", "A9001", **HOME), restricted=True))
    register(app, "RYY", "B1", family_name="Featherstone", given_name="Zephaniah", birth_date="1951-11-02", sex="male")
    yield app
    check_index(app.store)
    app.close()


def signed_in(app: App, role: Role = Role.SENIOR_REVIEWER) -> SignedIn:
    found = app.users.sign_in(role.value, PASSWORD)
    assert found is not None
    return found


def restricted_person(app: App) -> str:
    return persons_of(app, ("RXX", "A9001"))[0]


def shows_home(view: PersonView) -> bool:
    [record] = view.records
    shown = {record.recorded.postcode == "ZE1 0AA", record.local_id == "A9001", record.authority == "RXX"}
    shown |= {record.source != WITHHELD, record.revealed}
    assert len(shown) == 1, "all of it or nothing"
    return shown.pop()


def events(app: App, action: str) -> list[dict[str, Any]]:
    """What the audit says of one kind of event, oldest first."""
    with app.store.reading() as unit:
        asked = text("SELECT body FROM audit_event WHERE action = :action ORDER BY seq")
        return [json.loads(row[0]) for row in unit.connection.execute(asked, {"action": action})]


def test_the_glass_shows_one_person_to_one_session_and_the_trail_says_why(app: App) -> None:
    sam, person = signed_in(app), restricted_person(app)
    assert not shows_home(app.people.person(sam.actor, person))
    app.glass.break_(sam.actor, person, REASON)
    view = app.people.person(sam.actor, person)
    assert shows_home(view)
    assert view.opened is not None
    assert view.opened.reason == REASON
    assert not shows_home(app.people.person(signed_in(app).actor, person)), "another session of the account"
    assert not shows_home(app.people.person(signed_in(app, Role.REVIEWER).actor, person)), "somebody else"
    [broken] = events(app, "glass.broken")
    assert (broken["actor"], broken["reason"]) == ("senior-reviewer", REASON)
    assert [read.get("detail") for read in events(app, "person.read")] == [
        None, {"break-glass": broken["seq"]}, None, None,
    ]  # fmt: skip


def test_the_glass_closes_by_itself(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    sam, person = signed_in(app), restricted_person(app)
    app.glass.break_(sam.actor, person, REASON)
    for moved, open_ in ((OPEN_FOR - timedelta(minutes=1), True), (OPEN_FOR + timedelta(seconds=1), False)):
        monkeypatch.setattr(clock, "now", lambda moved=moved: clock.stamp(datetime.now(UTC) + moved))
        assert shows_home(app.people.person(sam.actor, person)) is open_


def test_a_role_that_was_taken_away_takes_the_glass_with_it(app: App) -> None:
    sam, person = signed_in(app), restricted_person(app)
    app.glass.break_(sam.actor, person, REASON)
    assert not shows_home(app.people.person(replace(sam.actor, role=Role.REVIEWER.value), person))
    app.users.set_role(OPERATOR, "senior-reviewer", Role.REVIEWER)
    assert app.users.session(sam.session_id) is None


@pytest.mark.parametrize("role", list(Role))
def test_roles_break_the_glass_as_the_table_says(app: App, role: Role) -> None:
    actor = signed_in(app, role).actor
    if can(role, Permission.BREAK_GLASS):
        app.glass.break_(actor, restricted_person(app), REASON)
    else:
        with pytest.raises(NotAllowed):
            app.glass.break_(actor, restricted_person(app), REASON)
        assert events(app, "glass.broken") == []


def test_nobody_breaks_it_without_a_reason_a_session_or_a_need(app: App) -> None:
    sam, person = signed_in(app).actor, restricted_person(app)
    for reason in ("", "   ", "need it"):
        with pytest.raises(BadInput):
            app.glass.break_(sam, person, reason)
    with pytest.raises(NotAllowed):
        app.glass.break_(replace(sam, session=None), person, REASON)
    with pytest.raises(NotAllowed):
        app.glass.break_(replace(sam, sites=frozenset({"RYY"})), person, REASON)
    with pytest.raises(NotFound):
        app.glass.break_(sam, "PNOSUCHPERSON", REASON)
    [other] = persons_of(app, ("RYY", "B1"))
    with pytest.raises(Conflict):
        app.glass.break_(sam, other, REASON)
    assert events(app, "glass.broken") == []


def test_the_page_asks_for_a_reason_and_says_that_the_glass_is_broken(app: App) -> None:
    client, person = make_web(app), restricted_person(app)
    sign_in(client, "senior-reviewer")
    page = f"/persons/{person}"
    assert "Hidden Close" not in client.get(page).text
    refused = post(client, f"{page}/break-glass", {"reason": "x"}, form=page)
    assert refused.status_code == 422
    assert "Enter a reason of at least" in refused.text
    assert "Hidden Close" not in refused.text
    assert post(client, f"{page}/break-glass", {"reason": REASON}, form=page).status_code == 303
    shown = client.get(page)
    assert "Restricted values are shown" in shown.text
    other = make_web(app)
    sign_in(other, "reviewer")
    seen = other.get(page).text
    assert "Restricted values opened" in seen
    assert REASON not in seen, "the reason may say what is withheld"
    assert "Hidden Close" in shown.text
    assert REASON in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    # The queue, search and other pages go on withholding it.
    found = post(client, "/search", {"by": "local-number", "local_id": "A9001"}, form="/search")
    assert "Hospital and number withheld" in found.text


def test_who_may_not_is_not_offered_it(app: App) -> None:
    client, person = make_web(app), restricted_person(app)
    sign_in(client, "reviewer")
    assert "break-glass" not in client.get(f"/persons/{person}").text
    answer = post(client, f"/persons/{person}/break-glass", {"reason": REASON}, form="/search")
    assert answer.status_code == 403

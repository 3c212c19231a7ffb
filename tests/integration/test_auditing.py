"""The auditor's pages: whoever looked at a patient is found, whoever was refused too; nothing can be changed there."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, NotAllowed, NotFound
from mpi.domain.roles import Permission, Role, can
from mpi.services.auditing import GROUPS, PAGE, AuditLine, AuditQuestion
from mpi.web.words import AUDIT_KINDS
from tests.builders import a_record, demographics, nhs_number
from tests.index import REVIEWER, persons_of, register, send
from tests.website import PASSWORD, make_web, open_website_index, post, sign_in

AUDITOR = Actor("iris", Role.IG_AUDITOR.value)
OTHER = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02", "sex": "male"}


def asked(app: App, **question: str) -> list[AuditLine]:
    return list(app.auditing.find(AUDITOR, AuditQuestion(**question)).lines)


@pytest.fixture
def two(app: App) -> tuple[App, str, str]:
    """An index with two persons and their enterprise ids."""
    register(app, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01")
    register(app, "RYY", "B2", **OTHER)
    return app, *persons_of(app, ("RXX", "A1"), ("RYY", "B2"))


def test_every_way_to_look_at_a_patient_is_found_under_the_patient(two: tuple[App, str, str]) -> None:
    app, person, other = two
    child = {"birth_date": "2011-06-30", "address_line": "3 Mill Lane", "sex": "male", "family_name": "Brathwaite"}
    register(app, "RXX", "A3", given_name="Oliver", nhs_number=nhs_number(3), postcode="BD1 1AA", **child)
    register(app, "RYY", "B4", given_name="Olivier", nhs_number=nhs_number(4), postcode="BD1 1AA", **child)
    [task] = app.review.queue(REVIEWER).tasks
    for name, looker in enumerate(
        (
            lambda actor: app.people.person(actor, person),
            lambda actor: app.people.search(actor, nhs_number=nhs_number(1)),
            lambda actor: app.people.crosswalk(replace(actor, role="service"), "RXX", "A1"),
            lambda actor: app.matcher.match(actor, demographics(nhs_number=nhs_number(1), nhs_number_status="01")),
        )
    ):
        looker(replace(REVIEWER, name=f"looker-{name}"))
    app.people.person(replace(REVIEWER, name="elsewhere"), other)
    app.review.task(replace(REVIEWER, name="reader"), task.id)
    for question in (
        {"person": person},
        {"authority": "RXX", "value": "A1"},
        {"authority": "NHS", "value": nhs_number(1)},
    ):
        found = {line.actor for line in asked(app, kind="looks", **question)}
        assert {f"looker-{n}" for n in range(4)} <= found
        assert found.isdisjoint({"elsewhere", "reader"})
    for side in (("RXX", "A3"), ("RYY", "B4")):
        assert "reader" in {line.actor for line in asked(app, kind="looks", authority=side[0], value=side[1])}


def test_events_are_found_by_account_kind_time_and_site(two: tuple[App, str, str]) -> None:
    app, person, other = two
    app.people.person(replace(REVIEWER, name="rita"), person)
    app.people.person(replace(REVIEWER, name="rolf"), other)
    assert [line.person for line in asked(app, account="rita")] == [person]
    assert {line.actor for line in asked(app, kind="person.read")} == {"rita", "rolf"}
    assert {line.actor for line in asked(app, kind="person.read", site="RXX")} == {"rita"}
    assert asked(app, account="rita", since="2999-01-01") == []
    assert asked(app, account="rita", until="2001-01-01") == []
    assert len(asked(app, account="rita", since="2001-01-01", until="2999-01-01")) == 1
    for wrong in ({"kind": "nonsense"}, {"site": "RQQ"}, {"person": "A1"}, {"value": "A1"}):
        with pytest.raises(BadInput):
            asked(app, **wrong)
    with pytest.raises(NotFound):
        asked(app, authority="RXX", value="no such number")


def test_pages_follow_each_other_without_a_gap(two: tuple[App, str, str]) -> None:
    app, person, _ = two
    for number in range(PAGE + 3):
        app.people.person(replace(REVIEWER, name=f"reader-{number}"), person)
    question = AuditQuestion(kind="person.read")
    first = app.auditing.find(AUDITOR, question)
    second = app.auditing.find(AUDITOR, question, before=first.before)
    names = [line.actor for line in (*first.lines, *second.lines)]
    assert names == [f"reader-{number}" for number in reversed(range(PAGE + 3))]
    assert second.before is None
    assert [line.actor for line in app.auditing.export(AUDITOR, question)] == names


def test_no_value_of_a_patient_is_in_what_an_auditor_sees(two: tuple[App, str, str]) -> None:
    app, *_ = two
    register(app, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01", address_line="77 Unlikely Parade")
    app.people.search(REVIEWER, family_name="Featherstone", birth_date="1951-11-02")
    told = repr(app.auditing.export(AUDITOR, AuditQuestion()))
    for secret in ("Unlikely", "Featherstone", "1951", nhs_number(1)):
        assert secret not in told


def test_reading_exporting_and_checking_the_trail_stand_in_the_trail(two: tuple[App, str, str]) -> None:
    app, person, _ = two
    assert app.auditing.last_check(AUDITOR) is None
    asked(app, person=person)
    app.auditing.export(AUDITOR, AuditQuestion(authority="NHS", value=nhs_number(1)))
    state = app.auditing.verify(AUDITOR)
    assert state.broken is None
    assert state.checked > 4
    assert app.auditing.last_check(AUDITOR) == state
    lines = asked(app, kind="audit")
    assert [line.action for line in lines] == ["audit.verified", "audit.exported", "audit.read"]
    assert person in lines[1].detail
    assert nhs_number(1) not in lines[1].detail


@pytest.mark.parametrize("role", list(Role))
def test_only_auditors_read_the_trail(app: App, role: Role) -> None:
    actor = Actor("somebody", role.value)
    for ask in (
        lambda: app.auditing.find(actor, AuditQuestion()),
        lambda: app.auditing.export(actor, AuditQuestion()),
        lambda: app.auditing.verify(actor),
        lambda: app.auditing.last_check(actor),
    ):
        if can(role, Permission.VIEW_AUDIT):
            ask()
        else:
            with pytest.raises(NotAllowed):
                ask()


def test_every_group_of_events_has_its_words() -> None:
    assert set(AUDIT_KINDS) == set(GROUPS)


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[App]:
    """The website with one person at RXX, and an account of RYY."""
    index = open_website_index(migrated_sqlite_url)
    register(index, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01")
    index.users.add(Actor("root", "administrator"), "away", Role.VIEWER, PASSWORD, ["RYY"])
    yield index
    index.close()


def auditor(site: App) -> FlaskClient:
    client = make_web(site)
    sign_in(client, "ig-auditor")
    return client


def test_refused_attempts_are_on_the_page_with_whom_they_were_about(site: App) -> None:
    [person] = persons_of(site, ("RXX", "A1"))
    client = make_web(site)
    sign_in(client, "away")
    assert client.get(f"/persons/{person}").status_code == 403
    assert client.get("/audit").status_code == 403
    token = site.users.issue_token(Actor("root", "administrator"), "ward", Role.VIEWER)
    asked_by_machine = make_web(site).post(
        "/api/v1/match", json={"family_name": "X"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert asked_by_machine.status_code == 403
    lines = asked(site, kind="refused")
    assert [(line.actor, line.person) for line in lines] == [("token:ward", None), ("away", None), ("away", person)]
    assert lines[2].sites == ("RYY",)
    page = post(auditor(site), "/audit", {"kind": "refused"})
    assert page.text.count("Attempt refused</") >= 3
    assert person in page.text


def test_the_page_finds_pages_on_and_checks_the_chain(site: App) -> None:
    client = auditor(site)
    assert "has not been checked" in client.get("/audit").text
    found = post(client, "/audit", {"authority": "RXX", "value": "A1", "kind": ""})
    assert found.status_code == 200
    assert "Record received" in found.text
    assert post(client, "/audit", {"value": "A1"}).status_code == 422
    assert "Nobody in the index" in post(client, "/audit", {"value": "A7", "authority": "RXX"}).text
    assert "Enter a date" in post(client, "/audit", {"since": "yesterday"}).text
    assert "was whole when it was checked" in post(client, "/audit/verify", {}, form="/audit").text
    assert "was whole when it was checked" in client.get("/audit").text


def test_the_export_is_a_csv_that_no_spreadsheet_runs(site: App) -> None:
    app = site
    register(app, "RYY", "B1", **OTHER)
    app.people.person(replace(REVIEWER, name="=cmd|'/c calc'!A0"), persons_of(app, ("RYY", "B1"))[0])
    answer = post(auditor(site), "/audit", {"step": "export", "kind": "looks"})
    assert answer.mimetype == "text/csv"
    assert answer.headers["Cache-Control"] == "no-store"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0][:3] == ["seq", "at", "actor"]
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert any("calc" in row[2] for row in rows)


def test_a_hidden_identity_is_found_by_whoever_may_see_it(app: App) -> None:
    register(app, "RXX", "A1", nhs_number=nhs_number(1), nhs_number_status="01")
    send(app, a_record("RXX", "A2", **OTHER))
    old, new = persons_of(app, ("RXX", "A1"), ("RXX", "A2"))
    app.protected.hide(AUDITOR, old, new, "a new number")
    assert {line.action for line in asked(app, authority="RXX", value="A1")} >= {"identity.protected"}
    assert "identity.protected" not in {line.action for line in asked(app, authority="RXX", value="A2")}

"""Changes on the pages: what each touches is shown before it is done, and each can be taken back."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.roles import Permission, Role, can
from tests.builders import a_record
from tests.history import last_change, picture
from tests.index import persons_of, register, send
from tests.website import MARKUP, REVIEWER, make_web, open_website_index, post, put_markup, sign_in

FORM = {"authority": "RXX", "value": "1", "other_authority": "RYY", "other_value": "77"}


@pytest.fixture
def own(migrated_sqlite_url: str) -> Iterator[App]:
    app = open_website_index(migrated_sqlite_url)
    register(app, "RXX", "1")
    register(app, "RYY", "77")
    yield app
    app.close()


def signed_in(app: App, role: Role = Role.SENIOR_REVIEWER) -> FlaskClient:
    client = make_web(app)
    assert sign_in(client, role.value).status_code == 303
    return client


@pytest.mark.parametrize("role", list(Role))
def test_who_sees_and_takes_back(own: App, role: Role) -> None:
    client = signed_in(own, role)
    change = last_change(own)
    seen = client.get(f"/changes/{change}")
    assert seen.status_code == (200 if can(role, Permission.VIEW_PERSON) else 403)
    assert ("Take this change back" in seen.text) == can(role, Permission.UNDO)
    answer = post(client, f"/changes/{change}", {"reason": "two people", "after": "apart"}, form="/")
    assert answer.status_code == (303 if can(role, Permission.UNDO) else 403)
    assert client.get("/decide").status_code == (200 if can(role, Permission.DECIDE) else 403)


def test_from_the_person_page_to_the_undo_and_back(own: App) -> None:
    client = signed_in(own)
    before = picture(own)
    [person, _] = persons_of(own, ("RXX", "1"), ("RYY", "77"))
    change = last_change(own)
    assert f"/changes/{change}" in client.get(f"/persons/{person}").text
    page = client.get(f"/changes/{change}").text
    assert "77" in page and "a new person" in page
    answer = post(client, f"/changes/{change}", {"reason": "two people", "after": "apart"})
    assert answer.status_code == 303 and picture(own) != before
    undone = last_change(own)
    assert answer.location == f"/changes/{undone}" and "was taken back by" in client.get(answer.location).text
    post(client, f"/changes/{undone}", {"reason": "they are one", "after": "exactly"})
    assert picture(own) == before
    assert "taken back already" in post(client, f"/changes/{undone}", {"reason": "again"}, form="/decide").text


def test_a_reason_is_asked_for(own: App) -> None:
    client = signed_in(own)
    change = last_change(own)
    answer = post(client, f"/changes/{change}", {"reason": "  "})
    assert answer.status_code == 422 and "Enter a reason" in answer.text
    assert client.get("/changes/999999").status_code == 404


def test_a_decision_is_shown_before_it_is_done(own: App) -> None:
    client = signed_in(own, Role.REVIEWER)
    before = picture(own)
    shown = post(client, "/decide", FORM | {"operation": "unlink", "step": "show"})
    assert shown.status_code == 200 and "What this would touch" in shown.text and picture(own) == before
    missing = post(client, "/decide", FORM | {"operation": "unlink", "step": "do"})
    assert missing.status_code == 422 and picture(own) == before
    done = post(client, "/decide", FORM | {"operation": "unlink", "step": "do", "reason": "two people"})
    assert done.status_code == 303 and picture(own) != before


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        pytest.param({"operation": ""}, 422, "Select what you decide", id="nothing chosen"),
        pytest.param({"operation": "link", "value": ""}, 422, "Enter a hospital number", id="no number"),
        pytest.param({"operation": "link"}, 409, "one person already", id="one person already"),
        pytest.param({"operation": "link", "other_value": "9"}, 422, "not known", id="nobody has the number"),
        pytest.param({"operation": "link", "authority": "QQQ"}, 422, "not known", id="no such hospital"),
        pytest.param({"operation": "merge"}, 422, "one authority", id="merge across hospitals"),
    ],
)
def test_what_cannot_be_decided_is_said(own: App, changed: dict[str, str], status: int, text: str) -> None:
    answer = post(signed_in(own), "/decide", FORM | changed)
    assert answer.status_code == status and text in answer.text


def test_the_review_page_shows_both_answers_first(own: App) -> None:
    put_markup(own)
    client = signed_in(own)
    [task] = own.review.queue(REVIEWER).tasks
    page = client.get(f"/review/{task.id}").text
    assert "What “same person” would touch" in page and "What “different people” would touch" in page
    post(client, f"/review/{task.id}", {"verdict": "same-person", "reason": "seen"})
    change = last_change(own)
    page = client.get(f"/review/{task.id}").text
    assert f"/changes/{change}" in page and MARKUP not in page
    assert MARKUP not in client.get(f"/changes/{change}").text


def test_the_same_for_machines(own: App) -> None:
    def headers(role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {own.users.issue_token(OPERATOR, f'm-{role.value}', role)}"}

    client, senior = make_web(own), headers(Role.SENIOR_REVIEWER)
    before = picture(own)
    asked = {"operation": "unlink", "authority": "RYY", "value": "77"}
    shown = client.post("/api/v1/decisions", json=asked | {"dry_run": True}, headers=senior).get_json()
    assert shown["change"] is None and picture(own) == before
    [moved] = shown["effect"]["identifiers"]
    assert moved["identifier"] == {"authority": "RYY", "value": "77"} and moved["to_person"] == "a new person"
    done = client.post("/api/v1/decisions", json=asked | {"reason": "two people"}, headers=senior).get_json()
    assert done["effect"] == shown["effect"] and picture(own) != before
    back = {"change": done["change"], "reason": "they are one"}
    assert client.post("/api/v1/undo", json=back, headers=headers(Role.SERVICE)).status_code == 403
    assert client.post("/api/v1/undo", json=back | {"dry_run": True}, headers=senior).get_json()["change"] is None
    assert client.post("/api/v1/undo", json=back, headers=senior).status_code == 200
    assert picture(own) == before
    assert client.post("/api/v1/undo", json=back, headers=senior).status_code == 409
    assert client.post("/api/v1/undo", json=back | {"change": 999999}, headers=senior).status_code == 404
    assert client.post("/api/v1/decisions", json=asked, headers=senior).status_code == 422


def test_the_golden_record_says_why_and_hides_nothing(own: App) -> None:
    register(own, "RYY", "77", phone="0113 496 0002", given_name="Mary")
    [person, _] = persons_of(own, ("RXX", "1"), ("RYY", "77"))
    page = signed_in(own).get(f"/persons/{person}").text
    assert "Golden record" in page and "all records that say anything agree" in page
    token = own.users.issue_token(OPERATOR, "reader", Role.VIEWER)
    body = (
        make_web(own)
        .post("/api/v1/person", json={"person": person}, headers={"Authorization": f"Bearer {token}"})
        .get_json()
    )
    golden = {one["field"]: one for one in body["golden"]}
    assert golden["phone"]["source"] == {"authority": "RYY", "value": "77"}
    name = golden["given_name"]
    assert {name["value"], *(other["said"] for other in name["others"])} == {"Maria", "Mary"}
    assert {r["recorded"]["given_name"] for r in body["records"]} == {"Maria", "Mary"}


def test_the_golden_record_of_restricted_people_has_no_home(own: App) -> None:
    said = a_record("RXX", "1", phone="0113 496 0002", postcode="LS6 4QB")
    send(own, replace(said, restricted=True))
    [person, _] = persons_of(own, ("RXX", "1"), ("RYY", "77"))
    token = own.users.issue_token(OPERATOR, "reader", Role.SENIOR_REVIEWER)
    answer = make_web(own).post("/api/v1/person", json={"person": person}, headers={"Authorization": f"Bearer {token}"})
    assert "RYY" not in answer.text and "RYY" not in signed_in(own).get(f"/changes/{last_change(own)}").text
    fields = {one["field"] for one in answer.get_json()["golden"]}
    assert "family_name" in fields and not fields & {
        "address_line",
        "town",
        "postcode",
        "phone",
        "email",
        "gp_practice",
    }
    assert "LS6 4QB" not in answer.text and "LS6 4QB" not in signed_in(own).get(f"/persons/{person}").text


@pytest.mark.parametrize("role", list(Role))
def test_which_tokens_may_ask_for_a_person(own: App, role: Role) -> None:
    headers = {"Authorization": f"Bearer {own.users.issue_token(OPERATOR, 'reader', role)}"}
    [person, _] = persons_of(own, ("RXX", "1"), ("RYY", "77"))
    answer = make_web(own).post("/api/v1/person", json={"person": person}, headers=headers)
    assert answer.status_code == (200 if can(role, Permission.VIEW_PERSON) else 403)
    unknown = make_web(own).post("/api/v1/person", json={"person": "P0"}, headers=headers)
    assert unknown.status_code == (404 if can(role, Permission.VIEW_PERSON) else 403)


def test_what_has_changed_since_it_was_shown_is_shown_again(own: App) -> None:
    client = signed_in(own)
    change = last_change(own)
    page = client.get(f"/changes/{change}").text
    seen = re.findall(r'name="seen-apart" value="([0-9a-f]+)"', page)[0]
    register(own, "RZZ", "5")
    before = picture(own)
    answer = post(client, f"/changes/{change}", {"reason": "two people", "after": "apart", "seen-apart": seen})
    assert answer.status_code == 409 and "something has changed" in answer.text and picture(own) == before
    shown = post(client, "/decide", FORM | {"operation": "unlink"}).text
    seen = re.findall(r'name="seen" value="([0-9a-f]+)"', shown)[0]
    register(own, "RXX", "6")
    again = FORM | {"operation": "unlink", "step": "do", "reason": "two people", "seen": seen}
    answer = post(client, "/decide", again)
    assert answer.status_code == 409 and "something has changed" in answer.text.lower()

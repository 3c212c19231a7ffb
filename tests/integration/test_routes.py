"""Every route and every role: who gets through and who does not, with and without being bound to a site.

A new route needs its line here.
"""

from collections.abc import Iterator
from enum import Enum, auto

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.roles import Permission, Role, may_be_bound, permitted
from tests.builders import nhs_number
from tests.index import persons_of, register
from tests.website import PASSWORD, SECRET, open_website_index, sign_in

P = Permission


class Door(Enum):
    """Who gets through without any permission."""

    ANYBODY = auto()
    SIGNED_IN = auto()


_TASK, _CHANGE = "<int(max=9223372036854775807):task_id>", "<int(max=9223372036854775807):change_id>"
PAGES: dict[str, Door | Permission] = {
    "GET /": Door.SIGNED_IN,
    "GET /account": Door.SIGNED_IN,
    "GET /account/password": Door.SIGNED_IN,
    "POST /account/password": Door.SIGNED_IN,
    "POST /account/sign-out-everywhere": Door.SIGNED_IN,
    "GET /accounts": P.MANAGE_USERS,
    "POST /accounts": P.MANAGE_USERS,
    "GET /accounts/<name>": P.MANAGE_USERS,
    "POST /accounts/<name>": P.MANAGE_USERS,
    "GET /audit": P.VIEW_AUDIT,
    "POST /audit": P.VIEW_AUDIT,
    "POST /audit/verify": P.VIEW_AUDIT,
    f"GET /changes/{_CHANGE}": P.VIEW_PERSON,
    f"POST /changes/{_CHANGE}": P.UNDO,
    "GET /decide": P.DECIDE,
    "POST /decide": P.DECIDE,
    "GET /health/live": Door.ANYBODY,
    "GET /health/ready": Door.ANYBODY,
    "GET /metrics": Door.ANYBODY,
    "GET /studies": P.VIEW_STUDY,
    "GET /studies/figures": P.VIEW_STUDY,
    "GET /studies/<study_uid>": P.VIEW_STUDY,
    "POST /studies/<study_uid>": P.DECIDE_STUDY,
    "GET /persons/<enterprise_id>": P.VIEW_PERSON,
    "POST /persons/<enterprise_id>/break-glass": P.BREAK_GLASS,
    "GET /quality": P.VIEW_QUALITY,
    "GET /quality/sources": P.VIEW_QUALITY,
    "GET /quality/sources/<authority>": P.VIEW_QUALITY,
    "POST /quality/sources/<authority>/list": P.EXPORT_FIX_LIST,
    "GET /quality/work": P.VIEW_QUALITY,
    "GET /review": P.VIEW_QUEUE,
    f"GET /review/{_TASK}": P.VIEW_QUEUE,
    f"POST /review/{_TASK}": P.DECIDE,
    f"POST /review/{_TASK}/owner": P.DECIDE,
    f"POST /review/{_TASK}/reopen": P.UNDO,
    "POST /review/bulk": P.DECIDE,
    "POST /review/find": P.VIEW_QUEUE,
    "POST /review/next": P.DECIDE,
    "POST /review/views": P.VIEW_QUEUE,
    "GET /search": P.SEARCH,
    "POST /search": P.SEARCH,
    "GET /sign-in": Door.ANYBODY,
    "POST /sign-in": Door.ANYBODY,
    "POST /sign-out": Door.ANYBODY,
    "GET /static/<path:filename>": Door.ANYBODY,
    "GET /tokens": P.MANAGE_USERS,
    "POST /tokens": P.MANAGE_USERS,
    "POST /tokens/<name>/revoke": P.MANAGE_USERS,
}
"""Pages take the cookie of somebody who is signed in."""

MACHINES: dict[str, Door | Permission] = {
    "GET /api/v1/changes": P.READ_CHANGES,
    "POST /api/v1/crosswalk": P.QUERY_CROSSWALK,
    "POST /api/v1/decisions": P.DECIDE,
    "POST /api/v1/match": P.MATCH,
    "GET /api/v1/openapi.json": Door.ANYBODY,
    "POST /api/v1/person": P.VIEW_PERSON,
    "GET /api/v1/persons/<person>/studies": P.LIST_STUDIES,
    "POST /api/v1/persons/studies": P.LIST_STUDIES,
    "GET /api/v1/studies": P.VIEW_STUDY,
    "POST /api/v1/studies/check": P.CHECK_STUDY,
    "POST /api/v1/studies/<uid>/detach": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/keep": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/override": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/override/confirm": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/override/revoke": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/refuse": P.DECIDE_STUDY,
    "POST /api/v1/studies/<uid>/release": P.DECIDE_STUDY,
    "GET /api/v1/studies/<uid>/standing": P.VIEW_STUDY,
    "POST /api/v1/undo": P.UNDO,
}
"""The machine interface takes a bearer token."""

BODIES: dict[str, dict[str, object]] = {
    "POST /api/v1/crosswalk": {"authority": "RXX", "value": "A3"},
    "POST /api/v1/decisions": {"operation": "unlink", "authority": "RXX", "value": "A3", "dry_run": True},
    "POST /api/v1/match": {"family_name": "Brathwaite"},
    "POST /api/v1/person": {"person": "{person}"},
    "POST /api/v1/persons/studies": {"authority": "RXX", "value": "A3"},
    "POST /api/v1/undo": {"change": 1, "dry_run": True},
}
REASON: dict[str, object] = {"reason": "because it is so"}
for _step in ("detach", "keep", "override/confirm", "override/revoke", "refuse", "release"):
    BODIES[f"POST /api/v1/studies/<uid>/{_step}"] = REASON
BODIES["POST /api/v1/studies/<uid>/override"] = REASON | {"authority": "RXX", "value": "A3", "reason_code": "other"}
ENDS = ("POST /sign-out", "POST /account/sign-out-everywhere")
"""Asked for last: they end the session."""


class World:
    """An index with a question between two hospitals, a change, and the application over it, without CSRF tokens."""

    def __init__(self, app: App) -> None:
        child = {"birth_date": "2011-06-30", "address_line": "3 Mill Lane", "sex": "male", "family_name": "Brathwaite"}
        register(app, "RXX", "A3", given_name="Oliver", nhs_number=nhs_number(3), postcode="BD1 1AA", **child)
        register(app, "RYY", "B4", given_name="Olivier", nhs_number=nhs_number(4), postcode="BD1 1AA", **child)
        from mpi.web.app import create_app

        self.app = app
        self.web: Flask = create_app(app, secret_key=SECRET, secure_cookies=False)
        self.web.config["WTF_CSRF_ENABLED"] = False
        self.person = persons_of(app, ("RXX", "A3"))[0]

    def path(self, rule: str) -> str:
        for name, value in (
            (_TASK, "1"), (_CHANGE, "1"), ("<enterprise_id>", self.person), ("<person>", self.person),
            ("<name>", "viewer"), ("<uid>", "2.25.1"), ("<study_uid>", "2.25.1"),
            ("<authority>", "RXX"), ("<path:filename>", "mpi.css"),
        ):  # fmt: skip
            rule = rule.replace(name, value)
        return rule

    def ask(self, client: FlaskClient, route: str, **more: object) -> TestResponse:
        method, rule = route.split(" ", 1)
        return client.open(self.path(rule), method=method, buffered=True, **more)  # type: ignore[arg-type]


@pytest.fixture
def world(migrated_sqlite_url: str) -> Iterator[World]:
    app = open_website_index(migrated_sqlite_url)
    yield World(app)
    app.close()


def test_every_route_has_its_line(world: World) -> None:
    there = {
        f"{method} {rule.rule}"
        for rule in world.web.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == set(PAGES) | set(MACHINES)


def wanted(needed: Door | Permission, actor: Actor | None) -> bool:
    if needed is Door.ANYBODY:
        return True
    if actor is None:
        return False
    return needed is Door.SIGNED_IN or (isinstance(needed, Permission) and permitted(actor, needed))


def got_through(answer: TestResponse) -> bool:
    to_sign_in = answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in?next=")
    return answer.status_code not in (401, 403) and not to_sign_in


EVERYBODY = [
    *(pytest.param(role, sites, id=f"{role} of {'a site' if sites else 'every site'}")
      for role in Role for sites in (None, ["RXX"]) if sites is None or may_be_bound(role)),
    pytest.param(None, None, id="nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("role", "sites"), EVERYBODY)
def test_pages_open_for_whom_the_table_says(world: World, role: Role | None, sites: list[str] | None) -> None:
    client, actor = world.web.test_client(), None
    if role is not None:
        world.app.users.add(OPERATOR, "somebody", role, PASSWORD, sites)
        actor = Actor("somebody", role.value, frozenset(sites) if sites else None)
        client.post("/sign-in", data={"name": "somebody", "password": PASSWORD})
    wrong = []
    for route, needed in sorted(PAGES.items(), key=lambda line: line[0] in ENDS):
        answer = world.ask(client, route)
        assert answer.status_code < 500, route
        if route not in ENDS and got_through(answer) is not wanted(needed, actor):
            wrong.append((route, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize(("role", "sites"), EVERYBODY)
def test_the_machine_interface_answers_whom_the_table_says(
    world: World, role: Role | None, sites: list[str] | None
) -> None:
    actor, headers = None, {}
    if role is not None:
        token = world.app.users.issue_token(OPERATOR, "machine", role, sites)
        actor = Actor("token:machine", role.value, frozenset(sites) if sites else None)
        headers = {"Authorization": f"Bearer {token}"}
    wrong = []
    for route, needed in MACHINES.items():
        body = {name: world.person if value == "{person}" else value for name, value in BODIES.get(route, {}).items()}
        more: dict[str, object] = {"json": body} if route.startswith("POST") else {}
        answer = world.ask(world.web.test_client(), route, headers=headers, **more)
        if got_through(answer) is not wanted(needed, actor):
            wrong.append((route, answer.status_code))
    assert wrong == []


def test_no_page_takes_a_token_and_no_machine_route_a_cookie(world: World) -> None:
    token = world.app.users.issue_token(OPERATOR, "machine", Role.SENIOR_REVIEWER)
    for route, needed in PAGES.items():
        if needed is not Door.ANYBODY:
            answer = world.ask(world.web.test_client(), route, headers={"Authorization": f"Bearer {token}"})
            assert not got_through(answer), route
    client = world.web.test_client()
    client.post("/sign-in", data={"name": "service", "password": PASSWORD})
    for route, needed in MACHINES.items():
        if needed is not Door.ANYBODY:
            assert world.ask(client, route).status_code == 401, route


def test_every_form_is_refused_without_its_token(world: World) -> None:
    world.web.config["WTF_CSRF_ENABLED"] = True
    client = world.web.test_client()
    sign_in(client, "senior-reviewer")
    for route in PAGES:
        if route.startswith("POST"):
            for data in ({}, {"csrf_token": "made-up"}):
                answer = world.ask(client, route, data=data)
                assert answer.status_code == 400, route
                assert "Nothing was changed" in answer.text


def test_every_answer_carries_the_headers_that_hold_browsers(world: World) -> None:
    client = world.web.test_client()
    client.post("/sign-in", data={"name": "senior-reviewer", "password": PASSWORD})
    for route in sorted((*PAGES, *MACHINES), key=lambda line: line in ENDS):
        answer = world.ask(client, route)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == ("public, max-age=3600" if "/static/" in route else "no-store"), route


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_no_answer_sends_anybody_to_the_host_that_a_request_names(world: World, host: str) -> None:
    client = world.web.test_client()
    for route in PAGES:
        answer = world.ask(client, route, headers={"Host": host})
        assert "evil.example" not in answer.headers.get("Location", "")
        assert "evil.example" not in answer.text
    world.web.config["TRUSTED_HOSTS"] = ["mpi.example"]
    assert client.get("/sign-in", headers={"Host": host}).status_code == 400
    assert client.get("/sign-in", headers={"Host": "mpi.example"}).status_code == 200


FORCED = [
    pytest.param("/persons/PAAAAAAAAAAAA", id="a person that there is not"),
    pytest.param("/persons/../../etc/passwd", id="a path upwards"),
    pytest.param("/static/../app.py", id="a path upwards out of the static files"),
    pytest.param("/static/%2e%2e/app.py", id="the same, written otherwise"),
    pytest.param("/review/99999999", id="a task that there is not"),
    pytest.param("/changes/99999999", id="a change that there is not"),
    pytest.param("/review/-1", id="a task below nothing"),
    pytest.param("/persons/%00", id="a null byte"),
    pytest.param("/accounts/%0d%0aSet-Cookie:x=1", id="a line end"),
]


@pytest.mark.parametrize("path", FORCED)
def test_guessed_addresses_lead_nowhere(world: World, path: str) -> None:
    for name in ("senior-reviewer", "administrator"):
        client = world.web.test_client()
        client.post("/sign-in", data={"name": name, "password": PASSWORD})
        answer = client.get(path)
        assert answer.status_code in (403, 404)
        assert "Set-Cookie:x" not in str(answer.headers)
        assert "root:" not in answer.text

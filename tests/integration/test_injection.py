"""A feed can write anything into a record: no page, file or header runs or repeats it as anything but text."""

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.domain.roles import Role
from tests.builders import nhs_number
from tests.index import persons_of, register
from tests.website import REVIEWER, make_web, open_website_index, post, sign_in

ATTACKS = [
    pytest.param("<script>alert(1)</script>", id="a script"),
    pytest.param('"><img src=x onerror=alert(1)>', id="markup out of an attribute"),
    pytest.param("' onfocus=alert(1) autofocus='", id="an attribute"),
    pytest.param("{{ 7 * 191 }}{% raw %}", id="a template"),
    pytest.param("javascript:alert(1)", id="a script's address"),
    pytest.param("x\r\nSet-Cookie: planted=1", id="a header"),
    pytest.param("</textarea></title><svg onload=alert(1)>", id="the end of the element around it"),
    pytest.param("=HYPERLINK(1)", id="a formula"),
    pytest.param("'; DROP TABLE person; --", id="SQL"),
    pytest.param("\u202egnirts\u2066", id="text that turns around"),
]
FIELDS = [name for name in DEMOGRAPHIC_FIELDS if name not in ("nhs_number", "birth_date")]


class Elements(HTMLParser):
    """Collects what runs, or loads from elsewhere, in a page as a browser reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.dangerous: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._script = tag == "script"
        if tag in {"img", "iframe", "object", "embed", "base"} or any(name.startswith("on") for name in values):
            self.dangerous.append(tag)
        for name in ("href", "src", "action"):
            if not (values.get(name) or "/").startswith(("/", "#")):
                self.dangerous.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.dangerous.append("script")


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    yield index
    index.close()


def pages_with(app: App, said: str) -> list[str]:
    """Every page on which a person stands whose every field is `said`, as a senior reviewer sees it."""
    fields = dict.fromkeys(FIELDS, said) | {"birth_date": "1970-01-31"}
    register(app, "RXX", f"{said}1", nhs_number=nhs_number(5), **fields)
    register(app, "RYY", f"{said}2", nhs_number=nhs_number(6), **fields)
    [person] = persons_of(app, ("RXX", f"{said}1"))
    client = make_web(app)
    sign_in(client, "senior-reviewer")
    tasks = [task.id for task in app.review.queue(REVIEWER).tasks]
    shown = [client.get(path) for path in ("/review", f"/persons/{person}", *(f"/review/{task}" for task in tasks))]
    shown.append(post(client, "/search", {"by": "nhs-number", "nhs_number": nhs_number(5)}))
    shown.append(post(client, "/search", {"by": "name", "family_name": said, "day": said, "month": said, "year": said}))
    decision = {"operation": "unlink", "authority": "RXX", "value": f"{said}1", "reason": said}
    shown.append(post(client, "/decide", decision))
    shown.append(auditor(app, said))
    for answer in shown:
        assert answer.status_code < 500
        assert "planted" not in str(answer.headers)
    return [answer.text for answer in shown]


def auditor(app: App, said: str) -> TestResponse:
    client: FlaskClient = make_web(app)
    sign_in(client, "ig-auditor")
    return post(client, "/audit", {"account": said, "person": said, "since": said})


@pytest.mark.parametrize("said", ATTACKS)
def test_what_a_feed_or_a_form_says_stays_text(app: App, said: str) -> None:
    pages = pages_with(app, said)
    for page in pages:
        found = Elements()
        found.feed(page)
        assert found.dangerous == []
        assert "1337" not in page
    assert len(persons_of(app, ("RXX", f"{said.strip()}1"))) == 1


def test_a_problem_document_repeats_nothing_that_was_sent(app: App) -> None:
    token = app.users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    client = make_web(app)
    for body in ({"authority": "<script>", "value": "<script>"}, {"<script>": 1}, {"authority": ["<script>"]}):
        answer = client.post("/api/v1/crosswalk", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (404, 422)
        assert "<script>" not in answer.text

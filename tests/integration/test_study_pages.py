"""Outside studies on pages and in lists: who sees them, header against person, decisions with their reasons."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, NotAllowed
from mpi.domain.review import Verdict
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study_lists import StudyFilter, StudyPlace
from mpi.domain.study_view import Agreement, StudyAct
from tests.index import persons_of
from tests.study_site import ATTACHED, MISSPELLED, UNKNOWN, put_studies
from tests.website import MARKUP, csrf_of, make_web, open_website_index, sign_in

GATE_OPERATOR = Actor("gate-operator", Role.GATE_OPERATOR.value)
SENIOR = Actor("senior-reviewer", Role.SENIOR_REVIEWER.value)
OVERRIDE = {
    "act": "override",
    "authority": "RXX",
    "value": "K100",
    "code": "spelling",
    "reason": "The sender says that it is a slip",
}


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    put_studies(index)
    yield index
    index.close()


@pytest.fixture
def both(migrated_url: str) -> Iterator[App]:
    """The same on either database."""
    index = open_website_index(migrated_url)
    put_studies(index)
    yield index
    index.close()


def browser(app: App, role: str) -> FlaskClient:
    client = make_web(app)
    sign_in(client, role)
    return client


def post(client: FlaskClient, uid: str, **form: str) -> TestResponse:
    token = csrf_of(client.get(f"/studies/{uid}"))
    return client.post(f"/studies/{uid}", data={**form, "csrf_token": token})


def test_studies_are_listed_by_place_time_and_site(both: App) -> None:
    lists = both.study_lists
    held = lists.page(GATE_OPERATOR, StudyFilter(StudyPlace.HELD))
    assert ([one.study_uid for one in held.studies], held.total) == ([MISSPELLED, UNKNOWN], 2)
    attached = lists.page(GATE_OPERATOR, StudyFilter(StudyPlace.ATTACHED, site="RXX")).studies[0]
    assert (attached.study_uid, attached.site) == (ATTACHED, "RXX")
    assert attached.person == persons_of(both, ("RXX", "K100"))[0]
    assert lists.page(GATE_OPERATOR, StudyFilter(StudyPlace.ATTACHED, site="RYY")).total == 0
    later = datetime.now(UTC) + timedelta(hours=1)
    assert lists.page(GATE_OPERATOR, StudyFilter(since=later)).total == 0
    assert lists.page(GATE_OPERATOR, StudyFilter(until=later)).total == 3
    assert [one.study_uid for one in lists.page(GATE_OPERATOR, StudyFilter(), 1, 1).studies] == [MISSPELLED]
    counts = lists.counts(GATE_OPERATOR)
    assert (counts[StudyPlace.HELD], counts[StudyPlace.ATTACHED], counts[StudyPlace.REFUSED]) == (2, 1, 0)


def test_who_is_bound_to_another_site_sees_no_study_of_this_ones_people(both: App) -> None:
    elsewhere = replace(GATE_OPERATOR, sites=frozenset({"RYY"}))
    assert both.study_lists.page(elsewhere, StudyFilter(StudyPlace.ATTACHED)).total == 0
    assert both.study_views.study(elsewhere, MISSPELLED).candidates == ()
    with pytest.raises(NotAllowed):
        both.study_views.study(elsewhere, ATTACHED)


def test_the_header_stands_beside_the_person_and_the_rules_say_what_does_not_hold(both: App) -> None:
    found = both.study_views.study(GATE_OPERATOR, MISSPELLED)
    [candidate] = found.candidates
    against = {field.label: field.records[0][1] for field in candidate.fields}
    assert against["Family name"] is Agreement.DIFFERENT
    assert (against["Given name"], against["Date of birth"], against["Sex"]) == (Agreement.SAME,) * 3
    assert [rule.rule for rule in found.view.rules if rule.result.value == "failed"] == ["family-name"]
    assert found.view.may == {StudyAct.OVERRIDE, StudyAct.REFUSE}
    assert "spelling" in found.view.reason_codes
    assert both.study_views.study(GATE_OPERATOR, UNKNOWN).candidates == ()


def test_figures_tell_turnaround_and_which_rule_is_overridden(both: App) -> None:
    before = both.study_lists.figures(GATE_OPERATOR)
    assert (before.settled, before.median_hours, before.waiting) == (0, None, 2)
    both.overrides.open(GATE_OPERATOR, MISSPELLED, "RXX", "K100", "spelling", "a slip")
    after = both.study_lists.figures(GATE_OPERATOR)
    assert (after.settled, after.waiting) == (1, 1)
    rule = next(one for one in after.rules if one.rule == "family-name")
    assert (rule.held, rule.overridden, rule.share) == (1, 1, 0.5)
    assert (after.by_role, after.by_site) == ((("gate-operator", 1),), (("RXX", 1),))


PAGES = ["/studies", "/studies?place=attached", "/studies/figures", f"/studies/{MISSPELLED}", f"/studies/{ATTACHED}"]


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_each_role_sees_what_the_table_of_roles_says(app: App, role: Role) -> None:
    client = browser(app, role.value)
    expected = 200 if can(role, Permission.VIEW_STUDY) else 403
    assert [client.get(path).status_code for path in PAGES] == [expected] * len(PAGES)


def test_a_study_is_overridden_confirmed_by_another_and_detached(app: App) -> None:
    operator, senior = browser(app, "gate-operator"), browser(app, "senior-reviewer")
    assert post(operator, MISSPELLED, **OVERRIDE).status_code == 303
    page = operator.get(f"/studies/{MISSPELLED}").text
    assert "identity not verified" in page
    assert 'value="confirm"' not in page
    assert 'value="confirm"' in senior.get(f"/studies/{MISSPELLED}").text
    assert post(senior, MISSPELLED, act="confirm", reason="I have seen the letter").status_code == 303
    assert post(senior, MISSPELLED, act="detach", reason="It was the other sister").status_code == 303
    page = senior.get(f"/studies/{MISSPELLED}").text
    for step in ("Held", "Attached by a person", "Detached"):
        assert step in page
    assert "It was the other sister" in page


REFUSED = [
    pytest.param({"act": "override", "reason": "x"}, 422, "Enter the hospital number", id="an override of nobody"),
    pytest.param({"act": "refuse"}, 422, "Enter a reason", id="without a reason"),
    pytest.param({"reason": "x"}, 422, "Select what is to be done", id="nothing chosen"),
    pytest.param({"act": "release", "reason": "x"}, 409, "could not be done", id="a rule does not hold"),
    pytest.param({"act": "confirm", "reason": "x"}, 409, "could not be done", id="no override to confirm"),
    pytest.param(OVERRIDE | {"value": "K1"}, 409, "could not be done", id="a number that nobody has"),
]


@pytest.mark.parametrize(("form", "status", "says"), REFUSED)
def test_what_cannot_be_done_says_why_and_keeps_what_was_typed(
    app: App, form: dict[str, str], status: int, says: str
) -> None:
    client = browser(app, "gate-operator")
    answer = post(client, MISSPELLED, **form)
    assert answer.status_code == status
    assert says in answer.text
    if form.get("reason"):
        assert f">{form['reason']}</textarea>" in answer.text
    assert app.study_lists.counts(GATE_OPERATOR)[StudyPlace.HELD] == 2


def test_what_a_header_says_is_text_and_never_markup(app: App) -> None:
    client = browser(app, "gate-operator")
    for uid in (MISSPELLED, UNKNOWN):
        assert MARKUP not in client.get(f"/studies/{uid}").text


def test_a_study_that_is_none_is_not_found(app: App) -> None:
    client = browser(app, "gate-operator")
    assert [client.get(f"/studies/{uid}").status_code for uid in ("1.2.3", "abc", "1..2")] == [404] * 3


def test_the_list_for_machines(app: App) -> None:
    client = make_web(app)
    headers = {"Authorization": f"Bearer {app.users.issue_token(OPERATOR, 'machine', Role.SERVICE)}"}
    body = client.get("/api/v1/studies?place=held&limit=1", headers=headers).get_json()
    assert (body["total"], [one["study"] for one in body["studies"]]) == (2, [MISSPELLED])
    assert body["studies"][0]["person"] is None
    assert client.get("/api/v1/studies?since=2000-01-01&until=2000-01-02", headers=headers).get_json()["total"] == 0
    for query in ("place=nowhere", "site=ELSEWHERE", "since=yesterday", "limit=0"):
        assert client.get(f"/api/v1/studies?{query}", headers=headers).status_code == 422
    text = client.get("/api/v1/studies", headers=headers).text
    assert not re.search("ellwood|K100", text, re.IGNORECASE)


def test_the_queue_names_the_study_and_its_task_leads_to_the_studys_page(app: App) -> None:
    tasks = [one for one in app.review.queue(SENIOR).tasks if one.study_uid == MISSPELLED]
    [task] = tasks
    client = browser(app, "senior-reviewer")
    assert MISSPELLED in client.get("/review").text
    page = client.get(f"/review/{task.id}").text
    assert f'href="/studies/{MISSPELLED}"' in page
    assert 'name="verdict"' not in page


def test_a_verdict_about_records_closes_no_question_about_a_study(app: App) -> None:
    task = next(one for one in app.review.queue(SENIOR).tasks if one.study_uid == MISSPELLED)
    with pytest.raises(Conflict):
        app.review.decide(SENIOR, task.id, Verdict.DIFFERENT, "not hers")
    assert any(one.study_uid == MISSPELLED for one in app.review.queue(SENIOR).tasks)

"""The pages over HTTP: who may see which, what they show, what becomes of a decision."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text as sql

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.errors import TemporaryFailure
from mpi.domain.messages import Delete
from mpi.domain.person import Identifier
from mpi.domain.review import TaskState, TaskType
from mpi.domain.roles import Role
from mpi.services.queue import Queue
from tests.builders import a_record, nhs_number
from tests.index import merge, message, persons_of, register, send
from tests.website import MARKUP, REVIEWER, make_web, open_website_index, post, put_people, sign_in


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> Iterator[App]:
    """An index that the tests only look at."""
    file = tmp_path_factory.mktemp("pages") / "mpi.db"
    file.write_bytes(_migrated_file.read_bytes())
    app = open_website_index(f"sqlite:///{file}")
    put_people(app)
    yield app
    app.close()


@pytest.fixture
def own(migrated_sqlite_url: str) -> Iterator[App]:
    """An index of the test's own."""
    app = open_website_index(migrated_sqlite_url)
    put_people(app)
    yield app
    app.close()


@pytest.fixture(scope="module")
def clients(shared: App) -> dict[Role, FlaskClient]:
    """Somebody signed in for each role."""
    found = {}
    for role in Role:
        client = make_web(shared)
        assert sign_in(client, role.value).status_code == 303
        found[role] = client
    return found


def open_tasks(app: App) -> list[int]:
    return [task.id for task in app.review.queue(REVIEWER).tasks]


def a_person(app: App) -> str:
    left = app.review.queue(REVIEWER).tasks[0].left
    assert left is not None
    assert left.enterprise_id is not None
    return left.enterprise_id


SEES = {
    "home": set(Role),
    "queue": {Role.VIEWER, Role.REVIEWER, Role.SENIOR_REVIEWER, Role.GATE_OPERATOR},
    "task": {Role.VIEWER, Role.REVIEWER, Role.SENIOR_REVIEWER, Role.GATE_OPERATOR},
    "person": {Role.VIEWER, Role.REVIEWER, Role.SENIOR_REVIEWER, Role.GATE_OPERATOR, Role.REGISTRATION_CLERK},
    "search": {Role.VIEWER, Role.REVIEWER, Role.SENIOR_REVIEWER, Role.GATE_OPERATOR, Role.REGISTRATION_CLERK},
    "quality": {Role.SENIOR_REVIEWER, Role.ADMINISTRATOR},
    "sources": {Role.SENIOR_REVIEWER, Role.ADMINISTRATOR},
    "work": {Role.SENIOR_REVIEWER, Role.ADMINISTRATOR},
}
DECIDES = {Role.REVIEWER, Role.SENIOR_REVIEWER}


def path_of(page: str, app: App) -> str:
    return {
        "home": "/",
        "queue": "/review",
        "task": f"/review/{open_tasks(app)[0]}",
        "person": f"/persons/{a_person(app)}",
        "search": "/search",
        "quality": "/quality",
        "sources": "/quality/sources",
        "work": "/quality/work",
    }[page]


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("page", SEES)
def test_each_role_sees_its_pages_and_no_others(
    shared: App, clients: dict[Role, FlaskClient], page: str, role: Role
) -> None:
    answer = clients[role].get(path_of(page, shared))
    assert answer.status_code == (200 if role in SEES[page] else 403)
    if role not in SEES[page]:
        assert "Your role does not allow this" in answer.text


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_the_menu_shows_what_the_role_may_open(clients: dict[Role, FlaskClient], role: Role) -> None:
    home = clients[role].get("/").text
    assert ('href="/review"' in home) == (role in SEES["queue"])
    assert ('href="/search"' in home) == (role in SEES["search"])


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_only_those_who_decide_get_the_form_and_may_send_it(
    shared: App, clients: dict[Role, FlaskClient], role: Role
) -> None:
    path = path_of("task", shared)
    if role in SEES["task"]:
        assert ("Your decision" in clients[role].get(path).text) == (role in DECIDES)
    # An empty form: those who may decide are told what is missing, and nothing is decided.
    assert post(clients[role], path, {}, form="/").status_code == (422 if role in DECIDES else 403)


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_only_those_who_may_search_get_an_answer(clients: dict[Role, FlaskClient], role: Role) -> None:
    answer = post(clients[role], "/search", {"by": "local-number", "local_id": "A1001"}, form="/")
    assert answer.status_code == (200 if role in SEES["search"] else 403)
    assert ("ASHWORTH" in answer.text) == (role in SEES["search"])


@pytest.mark.parametrize("path", ["/", "/review", "/review/1", "/persons/P27FWMJDHD3Z6", "/search"])
def test_nobody_sees_a_page_without_signing_in(shared: App, path: str) -> None:
    assert make_web(shared).get(path).status_code == 303


LOST = [
    pytest.param("/nope", 404, "Page not found", id="no such page"),
    pytest.param("/persons/P27FWMJDHD3Z6", 404, "Page not found", id="no such person"),
    pytest.param("/persons/Featherstone", 404, "Page not found", id="no enterprise id"),
    pytest.param("/review/999999", 404, "Page not found", id="no such task"),
    pytest.param("/review/abc", 404, "Page not found", id="no task number"),
    pytest.param("/review/99999999999999999999999", 404, "Page not found", id="a number that no database holds"),
    pytest.param("/sign-out", 405, "cannot be used that way", id="a page that takes forms only"),
]


@pytest.mark.parametrize(("path", "status", "says"), LOST)
def test_errors_are_pages_that_say_what_to_do(
    clients: dict[Role, FlaskClient], path: str, status: int, says: str
) -> None:
    answer = clients[Role.REVIEWER].get(path)
    assert answer.status_code == status
    assert says in answer.text
    assert "Featherstone" not in answer.text


FAILURES = [
    pytest.param(TemporaryFailure("gone"), 503, "The service is busy", id="the database does not answer"),
    pytest.param(RuntimeError("Featherstone"), 500, "Sorry, there is a problem", id="a fault of ours"),
]


@pytest.mark.parametrize(("error", "status", "says"), FAILURES)
def test_a_failure_is_a_page_that_says_nothing_was_changed(
    clients: dict[Role, FlaskClient], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, says: str
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(Queue, "page", fail)
    answer = clients[Role.REVIEWER].get("/review")
    assert answer.status_code == status
    assert says in answer.text
    assert "Nothing was changed" in answer.text
    assert "Featherstone" not in answer.text


def test_home_counts_what_there_is(shared: App, clients: dict[Role, FlaskClient]) -> None:
    text = clients[Role.VIEWER].get("/").text
    counts = shared.overview.counts()
    figures = dict(re.findall(r"<dt>(?:<a[^>]*>)?([^<]+)(?:</a>)?</dt>\s*<dd>([\d,]+)</dd>", text))
    assert figures == {
        "Persons": f"{counts.persons}",
        "Records": f"{counts.records}",
        "Open review tasks": f"{counts.tasks_open}",
        "Waiting for an answer": "0",
    }
    assert "Linked by weight" in text
    assert "Accepted (AA)" in text
    assert "The code is not one that the standard knows." in text


def test_an_empty_index_says_how_to_fill_it(migrated_sqlite_url: str) -> None:
    app = open_website_index(migrated_sqlite_url)
    client = make_web(app)
    sign_in(client, "reviewer")
    assert "The index is empty" in client.get("/").text
    assert "The queue is empty" in client.get("/review").text
    assert "Nobody in the index fits" in post(client, "/search", {"by": "local-number", "local_id": "A1"}).text
    app.close()


def test_the_queue_shows_the_nhs_number_and_its_verification(clients: dict[Role, FlaskClient]) -> None:
    text = clients[Role.REVIEWER].get("/review").text
    assert "999 000 0018" in text
    assert "Verified" in text
    assert "Not verified" in text


def test_the_queue_is_filtered_by_question_and_state(clients: dict[Role, FlaskClient]) -> None:
    client = clients[Role.REVIEWER]
    assert "Two different NHS numbers" in client.get("/review?type=two-nhs-numbers-on-one-person").text
    assert "No task of this kind" in client.get("/review?type=held-merge").text
    assert "No task of this kind" in client.get("/review?state=closed").text
    assert client.get("/review?state=nonsense&type=nonsense&page=nonsense").status_code == 200


def test_a_long_queue_has_pages(migrated_sqlite_url: str) -> None:
    app = open_website_index(migrated_sqlite_url)
    surnames = ["Abara", "Bryce", "Cleasby", "Dunmore", "Ekwueme", "Farrow", "Gledhill"]
    given = ["Wilhelmina", "Bartholomew", "Clementine", "Thaddeus"]
    pairs = [(f, g) for f in surnames for g in given]
    for i, (family, first) in enumerate(pairs):
        said = {"family_name": family, "given_name": first, "birth_date": f"19{40 + i}-0{i % 9 + 1}-1{i % 9}"}
        said["address_line"], said["postcode"] = f"{i + 1} {first} Row", f"HX{i + 1} 4QB"
        send(app, a_record("RXX", f"A{i}", nhs_number=nhs_number(100 + 2 * i), **said))
        send(app, a_record("RYY", f"B{i}", nhs_number=nhs_number(101 + 2 * i), **said))
    assert app.overview.counts().tasks_open == len(pairs)
    client = make_web(app)
    sign_in(client, "reviewer")
    first_page, second_page = client.get("/review").text, client.get("/review?page=2").text
    shown = re.compile(r'href="/review/(\d+)"')
    assert len(shown.findall(first_page)) == 25
    assert len(shown.findall(second_page)) == len(pairs) - 25
    assert not set(shown.findall(first_page)) & set(shown.findall(second_page))
    assert "page 2 of 2" in second_page
    assert shown.findall(client.get("/review?page=99").text) == shown.findall(second_page)
    app.close()


def test_a_task_shows_both_sides_the_agreement_and_the_bits(shared: App, clients: dict[Role, FlaskClient]) -> None:
    task = next(
        t.id for t in shared.review.queue(REVIEWER).tasks if t.left and t.left.recorded.address_line == "14 Quarry Bank"
    )
    view = shared.review.task(REVIEWER, task)
    text = clients[Role.REVIEWER].get(f"/review/{task}").text
    for values in view.fields:
        assert values.label in text
    assert "14 Quarry Bank" in text
    assert "never linked without a person&#39;s decision" in text
    shown = [c for c in view.comparisons if c.bits]
    assert shown
    for comparison in shown:
        assert comparison.agreement in text
        assert f"{comparison.bits:+.1f}".replace("-", "\N{MINUS SIGN}") in text
    assert view.weight is not None
    assert f"Total: {view.weight:+.1f}" in text
    assert f"From {view.link:.1f} bits" in text


def test_the_bits_on_the_page_add_up_to_the_total(shared: App, clients: dict[Role, FlaskClient]) -> None:
    for task in open_tasks(shared):
        text = clients[Role.REVIEWER].get(f"/review/{task}").text.replace("\N{MINUS SIGN}", "-")
        total, start = re.search(r"Total: ([+-][\d.]+) bits.*?starts at ([+-][\d.]+) bits", text, re.S).groups()  # type: ignore[union-attr]
        rows = [float(n) for n in re.findall(r"Bits </span><span>([+-][\d.]+)</span>", text)]
        assert float(start) + sum(rows) == pytest.approx(float(total), abs=0.06 * (len(rows) + 2))


HOMES = [
    pytest.param({"address_line": "3 Weaver's Court", "town": "Ilkley", "postcode": "LS29 8AB"}, "Phone number",
                 "same telephone", id="the telephone"),
    pytest.param({"address_line": "3 Weaver's Court", "phone": "0113 496 0099"}, "Postcode",
                 "same postcode", id="the postcode"),
    pytest.param({"phone": "0113 496 0099"}, "Address", "same address", id="the address"),
]  # fmt: skip


@pytest.mark.parametrize(("moved", "label", "finding"), HOMES)
def test_what_agrees_of_a_home_stands_in_the_line_that_agrees(
    own: App, moved: dict[str, str], label: str, finding: str
) -> None:
    register(own, "RXX", "A7001", nhs_number=nhs_number(20), family_name="Ellwood", phone="0113 496 0178")
    home = {"phone": "0113 496 0178"} | moved
    register(own, "RYY", "B7001", nhs_number=nhs_number(21), family_name="Ellwood", **home)
    task = next(t for t in own.review.queue(REVIEWER).tasks if t.right and t.right.local_id == "A7001")
    client = make_web(own)
    sign_in(client, "reviewer")
    lines = {line[0]: line for line in _lines(client.get(f"/review/{task.id}").text)}
    assert lines[label][3:] == [finding, lines[label][4]]
    assert re.fullmatch(r"[+\N{MINUS SIGN}]\d+\.\d", lines[label][4])
    for other in {"Address", "Town or city", "Postcode", "Phone number"} - {label}:
        assert lines[other][3:] == [f"counted under {label.lower()}", "none"]


def _lines(page: str) -> list[list[str]]:
    """The lines of the compare table as texts."""
    body = page.split('<tbody class="nhsuk-table__body">')[1].split("</tbody>")[0]
    cells = [re.findall(r"</span><span>(.*?)</span>\s*</t[dh]>", row, re.S) for row in body.split("<tr")[1:]]
    return [[re.sub(r"<[^>]*>|\n", "", cell).strip() for cell in row] for row in cells]


DECISIONS = [
    pytest.param("same-person", TaskState.CLOSED, id="same person"),
    pytest.param("different-people", TaskState.CLOSED, id="different people"),
    pytest.param("not-sure", TaskState.WAITING, id="not sure"),
]


@pytest.mark.parametrize(("verdict", "state"), DECISIONS)
def test_a_decision_is_kept_and_leads_to_the_next_task(own: App, verdict: str, state: TaskState) -> None:
    client = make_web(own)
    sign_in(client, "reviewer")
    first, second, *_ = open_tasks(own)
    answer = post(client, f"/review/{first}", {"verdict": verdict, "reason": "spoke to the ward"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/review/{second}")
    page = client.get(answer.headers["Location"]).text
    assert f"Task {first}" in page
    assert "Your decision is kept" in page
    view = own.review.task(REVIEWER, first)
    assert view.summary.state is state
    assert [(v.by, v.role, v.verdict.value, v.reason) for v in view.verdicts] == [
        ("reviewer", "reviewer", verdict, "spoke to the ward")
    ]
    assert "spoke to the ward" in client.get(f"/review/{first}").text


def test_after_the_last_task_the_queue_is_shown_empty(own: App) -> None:
    client = make_web(own)
    sign_in(client, "reviewer")
    tasks = open_tasks(own)
    for task in tasks:
        answer = post(client, f"/review/{task}", {"verdict": "different-people", "reason": "twins"})
    assert answer.headers["Location"] == "/review"
    assert "The queue is empty" in client.get("/review").text


UNFINISHED = [
    pytest.param({}, ["Select whether this is the same person", "Enter a reason"], id="nothing filled in"),
    pytest.param({"verdict": "same-person"}, ["Enter a reason"], id="no reason"),
    pytest.param({"verdict": "same-person", "reason": " \n "}, ["Enter a reason"], id="an empty reason"),
    pytest.param({"verdict": "maybe", "reason": "x"}, ["Select whether"], id="no such verdict"),
    pytest.param({"verdict": "same-person", "reason": "x" * 2001}, ["2000 characters"], id="too long a reason"),
]


@pytest.mark.parametrize(("form", "says"), UNFINISHED)
def test_an_unfinished_decision_says_what_is_missing_and_changes_nothing(
    shared: App, clients: dict[Role, FlaskClient], form: dict[str, str], says: list[str]
) -> None:
    task = open_tasks(shared)[0]
    answer = post(clients[Role.REVIEWER], f"/review/{task}", form)
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    for text in says:
        assert answer.text.count(text) == 2  # in the summary, and at the field
    assert open_tasks(shared)[0] == task


HELD = [
    pytest.param("A1001", "A1002", id="two verified NHS numbers"),
    pytest.param("A1003", "A1002", id="clearly different people"),
]


@pytest.mark.parametrize(("subsumed", "surviving"), HELD)
@pytest.mark.parametrize(
    ("verdict", "now"), [("same-person", "one person now"), ("different-people", "two persons now")]
)
def test_a_merge_that_was_held_is_shown_and_decided(
    own: App, subsumed: str, surviving: str, verdict: str, now: str
) -> None:
    assert merge(own, subsumed, surviving).ack == "AA"
    held = own.review.queue(REVIEWER, type_=TaskType.HELD_MERGE).tasks
    assert len(held) == 1
    client = make_web(own)
    sign_in(client, "reviewer")
    assert "Merge held back" in client.get("/review").text
    page = client.get(f"/review/{held[0].id}").text
    assert "A hospital asked for these two numbers to be merged" in page
    assert "two persons now" in page
    assert post(client, f"/review/{held[0].id}", {"verdict": verdict, "reason": "asked the ward"}).status_code == 303
    assert now in client.get(f"/review/{held[0].id}").text


def test_a_held_merge_of_a_number_that_is_not_in_the_index_is_shown(own: App) -> None:
    for subsumed, surviving in (("A7001", "A7002"), ("A1001", "A7003")):
        merge(own, subsumed, surviving)
    client = make_web(own)
    sign_in(client, "reviewer")
    for task in own.review.queue(REVIEWER).tasks:
        assert client.get(f"/review/{task.id}").status_code == 200
    assert client.get("/review").status_code == 200


def test_a_held_update_is_shown_beside_the_record_decided_and_taken_back(own: App) -> None:
    somebody_else = a_record("RXX", "A1001", family_name="Quillfeather", given_name="Oswald", birth_date="1931-07-09")
    send(own, somebody_else)
    [held] = own.review.queue(REVIEWER, type_=TaskType.POSSIBLE_OVERLAY).tasks
    client = make_web(own)
    sign_in(client, "senior-reviewer")
    page = client.get(f"/review/{held.id}").text
    for shown in ("Update that describes somebody else", "Quillfeather", "The update is dropped", "Date of birth"):
        assert shown in page
    assert "two persons now" not in page
    post(client, f"/review/{held.id}", {"verdict": "same-person", "reason": "registered wrongly at first"})
    assert "Take the answer back" in client.get(f"/review/{held.id}").text
    without = post(client, f"/review/{held.id}/reopen", {"reason": " "}, f"/review/{held.id}")
    assert (without.status_code, "Enter a reason" in without.text) == (422, True)
    back = post(client, f"/review/{held.id}/reopen", {"reason": "the ward was wrong"}, f"/review/{held.id}")
    assert back.status_code == 303
    assert "Your decision" in client.get(f"/review/{held.id}").text
    twice = post(client, f"/review/{held.id}/reopen", {"reason": "again"}, f"/review/{held.id}")
    assert twice.status_code == 409


def test_a_deleted_number_is_shown_and_decided(own: App) -> None:
    own.inbox.process([message(Delete(Identifier("RXX", "A1001")))])
    [asked] = own.review.queue(REVIEWER, type_=TaskType.DELETED_NUMBER).tasks
    client = make_web(own)
    sign_in(client, "reviewer")
    page = client.get(f"/review/{asked.id}").text
    assert "No, it is still in use" in page
    assert "This number is not in the index" not in page
    assert post(client, f"/review/{asked.id}", {"verdict": "different-people", "reason": "asked"}).status_code == 303


def test_of_two_reviewers_on_one_task_the_second_is_told_what_the_first_decided(own: App) -> None:
    first, second = make_web(own), make_web(own)
    sign_in(first, "reviewer")
    sign_in(second, "senior-reviewer")
    task = open_tasks(own)[0]
    first.get(f"/review/{task}")
    form = second.get(f"/review/{task}")
    post(first, f"/review/{task}", {"verdict": "different-people", "reason": "two birth certificates"})
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert token
    late = second.post(
        f"/review/{task}", data={"csrf_token": token.group(1), "verdict": "same-person", "reason": "looks alike"}
    )
    assert late.status_code == 409
    assert "Somebody else decided this task before you" in late.text
    assert "two birth certificates" in late.text
    assert len(own.review.task(REVIEWER, task).verdicts) == 1


def test_a_person_page_shows_identifiers_links_and_history(shared: App, clients: dict[Role, FlaskClient]) -> None:
    found = shared.people.search(REVIEWER, local_id="A1002")[0]
    text = clients[Role.VIEWER].get(f"/persons/{found.enterprise_id}").text
    for shown in ("FEATHERSTONE, Zephaniah", "999 000 0034", "Verified", "A1002", "B2002", "Linked by weight",
                  "First record of this person", "Person created", "2 November 1951"):  # fmt: skip
        assert shown in text, shown


def test_a_look_at_a_person_is_in_their_history(own: App) -> None:
    client = make_web(own)
    sign_in(client, "viewer")
    path = f"/persons/{a_person(own)}"
    assert "Person looked at" not in client.get(path).text
    assert "Person looked at" in client.get(path).text


def test_an_id_that_was_merged_leads_to_the_person_that_stands(own: App) -> None:
    client = make_web(own)
    sign_in(client, "reviewer")
    task = own.review.queue(REVIEWER).tasks[0]
    before = {side.enterprise_id for side in (task.left, task.right) if side}
    post(client, f"/review/{task.id}", {"verdict": "same-person", "reason": "same birth certificate"})
    for enterprise_id in before:
        page = client.get(f"/persons/{enterprise_id}")
        assert page.status_code == 200
        assert ("was merged into this one" in page.text) == (f"<title>Person {enterprise_id}" not in page.text)


SEARCHES = [
    pytest.param({"by": "nhs-number", "nhs_number": "999 000 0034"}, "FEATHERSTONE", id="NHS number with spaces"),
    pytest.param({"by": "nhs-number", "nhs_number": "9990000034"}, "FEATHERSTONE", id="NHS number without spaces"),
    pytest.param({"by": "local-number", "local_id": "B2002"}, "FEATHERSTONE", id="a local number"),
    pytest.param(
        {"by": "local-number", "local_id": "B2002", "authority": "RYY"}, "FEATHERSTONE", id="a number of one hospital"
    ),
    pytest.param(
        {"by": "name", "family_name": "featherstone", "day": "2", "month": "11", "year": "1951"},
        "FEATHERSTONE",
        id="name and date of birth",
    ),
    pytest.param({"by": "local-number", "local_id": "B2002", "authority": "RXX"}, None, id="the wrong hospital"),
    pytest.param({"by": "nhs-number", "nhs_number": nhs_number(90)}, None, id="a number that nobody has"),
    pytest.param(
        {"by": "name", "family_name": "Featherstone", "day": "3", "month": "11", "year": "1951"},
        None,
        id="another date of birth",
    ),
]


@pytest.mark.parametrize(("form", "found"), SEARCHES)
def test_a_search_finds_whom_it_should(
    clients: dict[Role, FlaskClient], form: dict[str, str], found: str | None
) -> None:
    answer = post(clients[Role.REGISTRATION_CLERK], "/search", form)
    assert answer.status_code == 200
    if found is None:
        assert "Nobody in the index fits" in answer.text
    else:
        assert "1 person found" in answer.text
        assert f"{found}, " in answer.text
        assert "999 000 0034" in answer.text
        assert "Verified" in answer.text


BAD_SEARCHES = [
    pytest.param({"by": "phone"}, "Search by NHS number, by hospital", id="a way that does not exist"),
    pytest.param({"by": "nhs-number", "nhs_number": "123"}, "Enter a 10 digit NHS number", id="too short a number"),
    pytest.param({"by": "nhs-number", "nhs_number": "9990000035"}, "right check digit", id="a wrong check digit"),
    pytest.param({"by": "local-number"}, "Enter a hospital number", id="no number"),
    pytest.param({"by": "name", "day": "1", "month": "1", "year": "1970"}, "Enter a family name", id="no name"),
    pytest.param({"by": "name", "family_name": "Featherstone"}, "Enter a day, a month", id="no date"),
    pytest.param(
        {"by": "name", "family_name": "Featherstone", "day": "31", "month": "2", "year": "1951"},
        "Enter a whole date of birth",
        id="a date that does not exist",
    ),
    pytest.param({"by": "local-number", "local_id": "1", "authority": "XXX"}, "not known", id="an unknown hospital"),
]


@pytest.mark.parametrize(("form", "says"), BAD_SEARCHES)
def test_a_search_that_cannot_be_made_says_why(
    clients: dict[Role, FlaskClient], form: dict[str, str], says: str
) -> None:
    answer = post(clients[Role.REVIEWER], "/search", form)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'class="nhsuk-error-summary"' in answer.text
    assert "<title>Error: Search" in answer.text


def test_no_page_puts_what_was_searched_for_into_an_address(clients: dict[Role, FlaskClient]) -> None:
    form = {"by": "name", "family_name": "Featherstone", "day": "2", "month": "11", "year": "1951"}
    text = post(clients[Role.REVIEWER], "/search", form).text
    addresses = re.findall(r'(?:href|action|src)="([^"]*)"', text)
    assert addresses
    assert not any(word in address for address in addresses for word in ("Featherstone", "1951", "9990000034"))


def test_a_restricted_record_shows_nobody_where_the_person_lives(own: App) -> None:
    said = {"family_name": "Okonkwo", "given_name": "Adaeze", "birth_date": "1990-05-05"}
    where = {"address_line": "9 Hidden Close", "town": "Secretham", "postcode": "ZE1 0AA", "phone": "01595 496000",
             "email": "a.o@example.org", "gp_practice": "Y99999"}  # fmt: skip
    kept = a_record("RXX", "A9001", nhs_number=nhs_number(20), **said, **where)
    send(own, type(kept)(kept.authority, kept.local_id, kept.changes, True, restricted=True))
    register(own, "RYY", "B9001", nhs_number=nhs_number(21), **said, address_line="1 Open Road", postcode="LS1 1AA")
    client = make_web(own)
    sign_in(client, "reviewer")
    task = next(t for t in own.review.queue(REVIEWER).tasks if t.right and t.right.restricted)
    assert task.right is not None
    pages = {
        "person": client.get(f"/persons/{task.right.enterprise_id}"),
        "task": client.get(f"/review/{task.id}"),
        "queue": client.get("/review"),
        "search": post(client, "/search", {"by": "local-number", "local_id": "A9001"}),
    }
    for page, answer in pages.items():
        assert answer.status_code == 200
        assert "OKONKWO" in answer.text, page
        assert "Restricted" in answer.text, page
        for secret in where.values():
            assert secret not in answer.text, f"{page} shows what is restricted"
    for site in ("A9001", "RXX", "Royal Example"):
        assert site not in pages["person"].text


def test_a_restricted_persons_home_stands_on_no_record_of_theirs_and_in_no_evidence(own: App) -> None:
    said = {"family_name": "Okonkwo", "given_name": "Adaeze", "birth_date": "1990-05-05"}
    where = {"address_line": "9 Hidden Close", "town": "Secretham", "postcode": "ZE1 0AA", "phone": "01595 496000"}
    kept = a_record("RXX", "A9001", nhs_number=nhs_number(20), nhs_number_status="01", **said, **where)
    send(own, replace(kept, restricted=True))
    register(own, "RYY", "B9001", nhs_number=nhs_number(20), nhs_number_status="01", **said, **where)
    register(own, "INS", "C9001", nhs_number=nhs_number(21), **said, **where)
    one, same, other = persons_of(own, ("RXX", "A9001"), ("RYY", "B9001"), ("INS", "C9001"))
    assert one == same != other
    client = make_web(own)
    sign_in(client, "reviewer")
    task = next(t for t in own.review.queue(REVIEWER).tasks if "C9001" in {s.local_id for s in (t.left, t.right) if s})
    person, question = client.get(f"/persons/{one}"), client.get(f"/review/{task.id}")
    for page in (person, question):
        assert "OKONKWO" in page.text
        assert "Restricted" in page.text
        for secret in (*where.values(), "same address", "same telephone"):
            assert secret not in page.text
    assert "Linked by weight" in person.text
    assert not re.search(r"Linked by weight, [+\N{MINUS SIGN}]", person.text)
    assert "bits" not in client.get("/review").text


def test_markup_in_any_field_is_shown_as_text(shared: App, clients: dict[Role, FlaskClient]) -> None:
    client = clients[Role.REVIEWER]
    tasks = shared.review.queue(REVIEWER).tasks
    task = next(t for t in tasks if t.left and t.left.recorded.family_name == MARKUP)
    assert task.left is not None
    pages = [
        client.get("/review"),
        client.get(f"/review/{task.id}"),
        client.get(f"/persons/{task.left.enterprise_id}"),
        post(client, "/search", {"by": "local-number", "local_id": MARKUP}),
        post(client, "/search", {"by": "name", "family_name": MARKUP}),
        post(client, f"/review/{task.id}", {"reason": f"</textarea>{MARKUP}"}),
        client.get(f"/sign-in?next={MARKUP}"),
    ]
    for page in pages:
        lower = page.text.lower()
        assert "<script>" not in lower
        assert "</textarea><" not in lower
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[1].text


def test_a_name_of_quotes_does_not_leave_its_attribute(clients: dict[Role, FlaskClient]) -> None:
    typed = '"><script>alert(1)</script>'
    answers = [
        post(clients[Role.REVIEWER], "/search", {"by": "name", "family_name": typed, "day": typed, "year": "'>x"}),
        sign_in(make_web_of(clients), typed, "x"),
    ]
    for answer in answers:
        assert "<script>alert" not in answer.text
        assert "'>x" not in answer.text


def make_web_of(clients: dict[Role, FlaskClient]) -> FlaskClient:
    """A client of the same application that is not signed in."""
    return clients[Role.VIEWER].application.test_client()


def test_a_form_that_is_too_large_is_refused(clients: dict[Role, FlaskClient]) -> None:
    answer = clients[Role.REVIEWER].post("/search", data={"family_name": "x" * 300_000})
    assert answer.status_code == 413
    assert "too large" in answer.text


def test_the_list_to_mend_is_a_file_in_which_nothing_is_a_formula_and_taking_it_is_audited(own: App) -> None:
    send(own, a_record("RXX", "=1+1", nhs_number=None, family_name="Wetherspoon", postcode=None))
    own.source_cards.look(OPERATOR)
    client = make_web(own)
    sign_in(client, Role.SENIOR_REVIEWER.value)
    answer = post(client, "/quality/sources/RXX/list", {}, form="/quality/sources/RXX")
    assert answer.mimetype == "text/csv"
    assert "'=1+1,PAS|RXX,Postcode,Missing," in answer.text
    assert "Wetherspoon" not in answer.text
    with own.store.reading() as unit:
        rows = unit.connection.execute(sql("SELECT actor FROM audit_event WHERE action = 'fix-list.exported'")).all()
    assert [row.actor for row in rows] == [Role.SENIOR_REVIEWER.value]
    reviewer = make_web(own)
    sign_in(reviewer, Role.REVIEWER.value)
    assert post(reviewer, "/quality/sources/RXX/list", {}, form="/").status_code == 403

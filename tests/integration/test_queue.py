"""The queue as a team works it: filters, whose tasks they are, sites, several tasks at once, saved views, numbers."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed
from mpi.domain.messages import Register
from mpi.domain.queue import Due, Owned, QueueFilter, Show, Sort
from mpi.domain.review import NOT_BY, TaskState, TaskType, Verdict
from mpi.domain.roles import Role
from mpi.services.queue import Bulk, BulkOrder
from mpi.store.tasks import NewTask
from tests.builders import a_record, nhs_number
from tests.index import REVIEWER, SENIOR, merge, message, register
from tests.website import csrf_of, make_web, open_website_index, post, put_people, sign_in

OTHER = Actor("olu", Role.REVIEWER.value)
VIEWER = Actor("vera", Role.VIEWER.value)
N1, N2, N3, N4 = (nhs_number(n) for n in (41, 42, 43, 44))
ELSEWHERE = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02", "sex": "male"}


@pytest.fixture
def tasks(app: App) -> tuple[int, int]:
    """A question between two hospitals, and one within the third; reviewers have accounts."""
    for one in (REVIEWER, OTHER, SENIOR):
        app.users.add(OPERATOR, one.name, Role(one.role), "seven lanterns over the canal")
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    register(app, "RZZ", "5", nhs_number=N3, postcode="YO1 7HH", **ELSEWHERE)
    register(app, "RZZ", "6", nhs_number=N4, postcode="YO1 7HH", **ELSEWHERE)
    first, second = app.queue.page(REVIEWER, QueueFilter(sort=Sort.OLDEST)).tasks
    return first.id, second.id


def listed(app: App, actor: Actor = REVIEWER, **wanted: object) -> list[int]:
    return [task.id for task in app.queue.page(actor, QueueFilter(**wanted)).tasks]  # type: ignore[arg-type]


def test_each_filter_lets_through_what_it_names(app: App, tasks: tuple[int, int]) -> None:
    first, second = tasks
    app.queue.take(REVIEWER, second)
    app.queue.set_due(REVIEWER, first, 1)
    assert listed(app, owner=Owned.MINE) == [second]
    assert listed(app, owner=Owned.NOBODY) == [first]
    assert listed(app, OTHER, owner=Owned.MINE) == []
    assert listed(app, site="RXX") == [first]
    assert listed(app, site="RZZ") == [second]
    assert listed(app, due=Due.TODAY) == [first]
    assert listed(app, due=Due.OVERDUE) == []
    assert listed(app, type=TaskType.HELD_MERGE) == []
    assert listed(app, age=1) == []
    assert listed(app, restricted=True) == []
    assert listed(app, sort=Sort.NEWEST) == [second, first]
    assert listed(app, sort=Sort.DUE) == [first, second]
    assert listed(app, show=Show.CLOSED) == []
    facets = app.queue.facets(REVIEWER)
    assert (facets.mine, facets.unowned, facets.overdue, facets.by_state) == (1, 1, 0, {TaskState.OPEN: 2})


def test_no_filter_by_site_tells_where_a_restricted_person_is_known(app: App, tasks: tuple[int, int]) -> None:
    record = a_record("RYY", "77", nhs_number=N2)
    app.inbox.process([message(Register(replace(record, restricted=True)))])
    assert listed(app, site="RYY") == []
    assert listed(app, restricted=True) == [tasks[0]]


@pytest.mark.parametrize("site", ["RXX", "RZZ"])
def test_a_reviewer_of_a_site_meets_its_questions_and_no_others(app: App, tasks: tuple[int, int], site: str) -> None:
    mine, theirs = tasks if site == "RXX" else tasks[::-1]
    bound = replace(REVIEWER, sites=frozenset({site}))
    assert listed(app, bound) == [mine]
    assert app.queue.facets(bound).unowned == 1
    assert app.queue.next(bound) == mine
    assert app.review.task(bound, mine).summary.id == mine
    for act in (
        lambda: app.review.task(bound, theirs),
        lambda: app.review.decide(bound, theirs, Verdict.DIFFERENT, "two people"),
        lambda: app.queue.take(bound, theirs),
        lambda: app.queue.assign(bound, theirs, "olu"),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert app.queue.do(bound, BulkOrder(Bulk.TAKE, tasks)) == ([mine], [])
    assert [t.id for t in app.queue.find(bound, "5")] == ([mine] if site == "RZZ" else [])


def test_what_is_linked_with_a_site_is_its_reviewers_too(app: App, tasks: tuple[int, int]) -> None:
    bound = replace(REVIEWER, sites=frozenset({"INS"}))
    assert listed(app, bound) == []
    register(app, "INS", "9", nhs_number=N3, postcode="YO1 7HH", **ELSEWHERE)
    assert tasks[1] in listed(app, bound)


def test_two_who_take_the_next_task_at_one_moment_get_two_tasks(app: App, tasks: tuple[int, int]) -> None:
    taken: dict[str, int | None] = {}
    gate = threading.Barrier(2)

    def take(actor: Actor) -> None:
        gate.wait()
        taken[actor.name] = app.queue.take_next(actor)

    threads = [threading.Thread(target=take, args=(actor,)) for actor in (REVIEWER, OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(taken.values()) == set(tasks)
    assert app.queue.take_next(SENIOR) is None
    assert app.queue.take_next(REVIEWER) == taken[REVIEWER.name]


def test_a_task_that_somebody_has_taken_is_theirs(app: App, tasks: tuple[int, int]) -> None:
    first, second = tasks
    app.queue.take(OTHER, first)
    for act in (
        lambda: app.queue.take(REVIEWER, first),
        lambda: app.queue.let_go(REVIEWER, first),
        lambda: app.queue.assign(REVIEWER, first, "rita"),
        lambda: app.queue.set_due(REVIEWER, first, 7),
        lambda: app.review.decide(REVIEWER, first, Verdict.SAME, "one person"),
    ):
        with pytest.raises(Conflict, match="olu has taken"):
            act()
    assert app.queue.next(REVIEWER) == second
    app.queue.assign(OTHER, first, "rita")
    app.review.decide(REVIEWER, first, Verdict.DIFFERENT, "two people")
    app.queue.take(OTHER, second)
    app.queue.assign(SENIOR, second, "rita")
    assert listed(app, owner=Owned.MINE) == [second]
    app.queue.let_go(REVIEWER, second)
    assert app.review.task(REVIEWER, second).summary.owner is None


def test_nobody_is_handed_a_task_who_could_not_decide_it(app: App, tasks: tuple[int, int]) -> None:
    app.users.add(OPERATOR, "vera", Role.VIEWER, "seven lanterns over the canal")
    for name in ("vera", "nobody of this name"):
        with pytest.raises(BadInput):
            app.queue.assign(REVIEWER, tasks[0], name)
    for act in (lambda: app.queue.take(VIEWER, tasks[0]), lambda: app.queue.take_next(VIEWER)):
        with pytest.raises(NotAllowed):
            act()


def test_nobody_decides_about_what_they_did_themselves(app: App, tasks: tuple[int, int]) -> None:
    new = NewTask(TaskType.GATE_HOLD, None, None, "looked at again", study_uid="2.999.3", evidence={NOT_BY: ["rita"]})
    with app.store.writing() as unit:
        own = unit.tasks.open(new, event=AuditEvent(OTHER, Action.TASK_OPENED))
    assert own is not None
    assert app.queue.next(OTHER) == own
    assert app.queue.next(REVIEWER) != own
    with pytest.raises(Conflict, match="did themselves"):
        app.queue.take(REVIEWER, own)
    with pytest.raises(Conflict, match="did themselves"):
        app.queue.assign(SENIOR, own, "rita")
    with pytest.raises(Conflict, match="on its own page"):
        app.review.decide(REVIEWER, own, Verdict.NOT_SURE, "asked the ward")


def test_an_order_says_first_what_it_would_do_and_does_no_more(app: App, tasks: tuple[int, int]) -> None:
    first, second = tasks
    app.review.decide(REVIEWER, first, Verdict.DIFFERENT, "two people")
    order = BulkOrder(Bulk.ASSIGN, tasks, to="olu")
    assert [(line.task.id, line.left) for line in app.queue.preview(REVIEWER, order)] == [
        (first, "it is closed"),
        (second, None),
    ]
    assert listed(app, OTHER, owner=Owned.MINE) == []
    assert app.queue.do(REVIEWER, order) == ([second], [(first, "it is closed")])
    assert app.queue.do(REVIEWER, BulkOrder(Bulk.DUE, (second,), days=7))[1] == [(second, "olu has taken it")]


WRONG = [
    pytest.param(BulkOrder(Bulk.TAKE, ()), id="no task"),
    pytest.param(BulkOrder(Bulk.TAKE, tuple(range(1, 102))), id="too many tasks"),
    pytest.param(BulkOrder(Bulk.DUE, (1,), days=400), id="a time that is not offered"),
    pytest.param(BulkOrder(Bulk.ASSIGN, (1,)), id="nobody to hand it to"),
]


@pytest.mark.parametrize("order", WRONG)
def test_an_order_that_makes_no_sense_is_refused(app: App, tasks: tuple[int, int], order: BulkOrder) -> None:
    with pytest.raises(BadInput):
        app.queue.do(REVIEWER, order)


def test_a_saved_view_is_its_owners_and_is_replaced_under_its_name(app: App) -> None:
    app.queue.keep_view(REVIEWER, "Overlays", QueueFilter(type=TaskType.POSSIBLE_OVERLAY))
    wanted = QueueFilter(type=TaskType.POSSIBLE_OVERLAY, owner=Owned.MINE, age=7, restricted=True, sort=Sort.DUE)
    app.queue.keep_view(REVIEWER, "Overlays", wanted)
    [view] = app.queue.views(REVIEWER)
    assert (view.name, view.filter) == ("Overlays", wanted)
    assert app.queue.views(OTHER) == []
    app.queue.drop_view(OTHER, view.id)
    assert len(app.queue.views(REVIEWER)) == 1
    app.queue.drop_view(REVIEWER, view.id)
    assert app.queue.views(REVIEWER) == []
    with pytest.raises(BadInput):
        app.queue.keep_view(REVIEWER, " ", wanted)


def test_the_riskiest_is_next_and_the_counts_follow_what_others_do(app: App, tasks: tuple[int, int]) -> None:
    merge(app, "1", "2", other="RYY")
    held = app.queue.next(REVIEWER)
    assert held not in tasks
    assert held is not None
    app.queue.take(OTHER, held)
    assert app.queue.next(REVIEWER) in tasks
    app.review.decide(OTHER, held, Verdict.NOT_SURE, "asked the site")
    facets = app.queue.facets(REVIEWER)
    assert facets.by_state == {TaskState.OPEN: 2, TaskState.WAITING: 1}


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[App]:
    app = open_website_index(migrated_sqlite_url)
    put_people(app)
    yield app
    app.close()


@pytest.fixture
def client(site: App) -> FlaskClient:
    client = make_web(site)
    sign_in(client, "reviewer")
    return client


def test_the_page_takes_hands_over_and_saves(site: App, client: FlaskClient) -> None:
    answer = post(client, "/review/next", {}, form="/review")
    task = answer.headers["Location"]
    assert "Yours" in client.get("/review?owner=mine").text
    assert "Give it back" in client.get(task).text
    post(client, f"{task}/owner", {"step": "assign", "to": "senior-reviewer"}, form=task)
    assert "Taken by senior-reviewer" in client.get("/review").text
    post(client, f"{task}/owner", {"step": "take"}, form=task)
    assert "was left as it is: senior-reviewer has taken it" in client.get(task).text
    post(client, "/review/views?owner=nobody&sort=due", {"name": "To take"}, form="/review")
    page = client.get("/review").text
    assert 'href="/review?owner=nobody&amp;sort=due">To take</a>' in page
    assert post(client, "/review/views", {"name": ""}, form="/review").status_code == 422


def test_a_decision_on_a_task_of_somebody_else_keeps_what_was_typed(site: App, client: FlaskClient) -> None:
    task = listed(site, Actor("reviewer", Role.REVIEWER.value))[0]
    page = client.get(f"/review/{task}")
    site.queue.take(Actor("senior-reviewer", Role.SENIOR_REVIEWER.value), task)
    said = {"csrf_token": csrf_of(page), "verdict": "same-person", "reason": "the ward knows her"}
    answer = client.post(f"/review/{task}", data=said)
    assert answer.status_code == 409
    assert "senior-reviewer has taken this task" in answer.text
    assert "the ward knows her" in answer.text


def test_a_number_is_found_without_standing_in_an_address(site: App, client: FlaskClient) -> None:
    answer = post(client, "/review/find", {"number": "999 000 0018"}, form="/review")
    assert answer.status_code == 200
    assert "1 task found" in answer.text
    assert "9990000018" not in "".join(str(one) for one in answer.headers.values())
    task = listed(site, Actor("reviewer", Role.REVIEWER.value))[0]
    assert post(client, "/review/find", {"number": f"{task}"}, form="/review").headers["Location"] == f"/review/{task}"
    assert "0 tasks found" in post(client, "/review/find", {"number": "<script>"}, form="/review").text
    assert post(client, "/review/find", {"number": " "}, form="/review").status_code == 422


def test_several_tasks_are_shown_before_anything_is_done(site: App, client: FlaskClient) -> None:
    ids = [str(task) for task in listed(site, Actor("reviewer", Role.REVIEWER.value))]
    token = csrf_of(client.get("/review"))
    order = {"csrf_token": token, "operation": "take", "tasks": ids}
    shown = client.post("/review/bulk", data=order).text
    assert "Nothing has been done yet" in shown
    assert f"{len(ids)} of {len(ids)} selected tasks" in shown
    assert client.post("/review/bulk", data={**order, "step": "do"}).status_code == 303
    assert f"{len(ids)} tasks: taken by you." in client.get("/review").text
    for wrong in ({"operation": "same-person"}, {"tasks": []}, {"operation": "assign", "to": "viewer"}):
        assert client.post("/review/bulk", data=order | wrong).status_code == 422


FORMS = ["/review/next", "/review/bulk", "/review/1/owner"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.GATE_OPERATOR, Role.REGISTRATION_CLERK, Role.IG_AUDITOR])
@pytest.mark.parametrize("path", FORMS)
def test_who_may_not_decide_takes_nothing(site: App, role: Role, path: str) -> None:
    client = make_web(site)
    sign_in(client, role.value)
    assert post(client, path, {"step": "take", "operation": "take", "tasks": "1"}, form="/").status_code == 403

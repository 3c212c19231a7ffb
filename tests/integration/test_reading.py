"""How questions are read: blind first, twice where the policy says so, and what the other answers do."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest

from mpi.bootstrap import App, build
from mpi.config import SECOND_READER
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.decision import HardRule
from mpi.domain.errors import BadInput, Conflict, NotAllowed
from mpi.domain.queue import QueueFilter
from mpi.domain.review import ASKING, ReasonCode, Sample, TaskState, TaskType, Verdict
from mpi.domain.roles import Role
from mpi.services.reading import reading_of
from mpi.services.review import Answer
from mpi.services.views import TaskSummary
from mpi.store.tasks import NewTask
from tests.builders import nhs_number
from tests.index import REVIEWER, SENIOR, config_for, persons_of, register
from tests.invariants import check_index
from tests.website import csrf_of, make_web, open_website_index, put_people, sign_in

OTHER = Actor("olu", Role.REVIEWER.value)
N1, N2 = nhs_number(51), nhs_number(52)
Open = Callable[..., App]


@pytest.fixture
def index(migrated_url: str) -> Iterator[Open]:
    """Opens the index with another policy; its invariants are checked at the end."""
    opened: list[App] = []

    def open_(**policy: object) -> App:
        opened.append(build(replace(config_for(migrated_url), **policy)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    check_index(opened[-1].store)
    for app in opened:
        app.close()


def a_question(app: App) -> int:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2, postcode="LS6 4QC")
    return app.queue.page(REVIEWER, QueueFilter()).tasks[0].id


def answers(app: App, task: int) -> list[tuple[str, Verdict, bool, int, bool]]:
    with app.store.reading() as unit:
        return [(v.by, v.verdict, v.blind, v.vote, v.counts) for v in unit.tasks.verdicts(task)]


SAME, DIFFERENT = Verdict.SAME, Verdict.DIFFERENT


def test_until_somebody_has_answered_nothing_tells_what_the_index_thinks(index: Open) -> None:
    app = index(blind=True)
    view = app.review.task(REVIEWER, task := a_question(app))
    assert view.reading.hidden
    assert view.weight is None
    assert {c.bits for c in view.comparisons} == {None}
    assert (view.summary.weight, view.summary.rule, view.summary.reason) == (None, None, "")
    assert [side.enterprise_id for side in (view.summary.left, view.summary.right) if side] == [None, None]
    assert (view.cluster, view.frequencies, view.changes, view.if_same, view.history) == (None, (), (), None, ())
    app.review.answer(REVIEWER, task, Answer(SAME, "one person"))
    view = app.review.task(REVIEWER, task)
    assert not view.reading.hidden
    assert view.weight is not None
    assert view.cluster is not None
    assert view.if_same is not None
    assert app.review.task(OTHER, task).reading.hidden


def test_an_answer_that_is_stood_by_is_kept_once_and_a_changed_mind_twice(index: Open) -> None:
    app = index(blind=True)
    task = a_question(app)
    kept = app.review.answer(REVIEWER, task, Answer(DIFFERENT, "two people", ReasonCode.NAMESAKE))
    assert (kept.first, kept.state, kept.next_task) == (True, TaskState.OPEN, task)
    assert persons_of(app, ("RXX", "1")) != persons_of(app, ("RYY", "77"))
    done = app.review.answer(REVIEWER, task, Answer(DIFFERENT, "two people", ReasonCode.NAMESAKE))
    assert done.state is TaskState.CLOSED
    assert answers(app, task) == [("rita", DIFFERENT, True, 1, True)]


def test_a_changed_mind_is_a_second_verdict_and_it_counts(index: Open) -> None:
    app = index(blind=True)
    task = a_question(app)
    app.review.answer(REVIEWER, task, Answer(DIFFERENT, "two people"))
    app.review.answer(REVIEWER, task, Answer(SAME, "a mistyped number", ReasonCode.NUMBER_MISTYPED))
    assert answers(app, task) == [("rita", DIFFERENT, True, 1, False), ("rita", SAME, False, 1, True)]
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == other


def test_where_pages_are_not_blind_sampled_questions_are_and_some_others_hide_them(index: Open) -> None:
    app = index(blind=False)
    task = a_question(app)
    assert not app.review.task(REVIEWER, task).reading.blind
    with app.store.writing() as unit:
        left = unit.tasks.get(task)
        assert left is not None
        event = AuditEvent(REVIEWER, Action.TASK_OPENED)
        sampled = unit.tasks.open(
            NewTask(TaskType.POSSIBLE_DUPLICATE, left.left_record, left.right_record, "", sample=Sample.NON_LINK),
            event=event,
        )
    assert sampled is not None
    assert app.review.task(REVIEWER, sampled).reading.hidden
    with app.store.reading() as unit:
        others = [reading_of(unit, app.config, left._replace(id=n), "rita", (), False) for n in range(1, 60)]
    assert {reading.blind for reading in others} == {True, False}
    app.review.decide(REVIEWER, sampled, DIFFERENT, "two people")
    with app.store.reading() as unit:
        others = [reading_of(unit, app.config, left._replace(id=n), "rita", (), False) for n in range(1, 60)]
    assert not any(reading.blind for reading in others)


def test_no_page_can_know_that_a_question_is_sampled() -> None:
    assert not {"sample", "is_sample"} & {field.name for field in fields(TaskSummary)}


def test_a_sampled_link_is_not_settled_because_the_two_are_linked(index: Open) -> None:
    app = index(blind=True)
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "77", nhs_number=N1, nhs_number_status="01")
    with app.store.writing() as unit:
        one, two = (unit.records.find(*number) for number in (("RXX", "1"), ("RYY", "77")))
        assert one is not None
        assert two is not None
        new = NewTask(TaskType.POSSIBLE_DUPLICATE, one.id, two.id, "", sample=Sample.LINK)
        sampled = unit.tasks.open(new, event=AuditEvent(REVIEWER, Action.TASK_OPENED))
    assert sampled is not None
    register(app, "RZZ", "5", nhs_number=N2)
    tasks = [t.id for t in app.queue.page(REVIEWER, QueueFilter()).tasks if t.id != sampled]
    app.review.decide(REVIEWER, tasks[0], SAME, "one person")
    assert app.review.task(REVIEWER, sampled).summary.state is TaskState.OPEN
    app.review.decide(REVIEWER, sampled, DIFFERENT, "two people")
    assert persons_of(app, ("RXX", "1")) != persons_of(app, ("RYY", "77"))


TWICE = {"second_reader": ("valid-nhs-numbers-differ", "verified-nhs-numbers-differ")}


def test_two_readers_who_agree_decide_and_the_first_alone_does_not(index: Open) -> None:
    app = index(blind=True, **TWICE)
    task = a_question(app)
    first = app.review.answer(REVIEWER, task, Answer(SAME, "a mistyped number"))
    assert (first.vote, first.state) == (True, TaskState.SECOND)
    assert first.next_task is None
    assert persons_of(app, ("RXX", "1")) != persons_of(app, ("RYY", "77"))
    view = app.review.task(OTHER, task)
    assert view.reading.hidden
    assert view.verdicts == ()
    assert "mistyped" not in repr(view)
    assert app.review.answer(OTHER, task, Answer(SAME, "same address")).state is TaskState.CLOSED
    assert answers(app, task) == [("rita", SAME, True, 1, True), ("olu", SAME, True, 2, True)]
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == other
    assert [v.reason for v in app.review.task(REVIEWER, task).verdicts] == ["a mistyped number", "same address"]


def test_where_two_readers_differ_a_third_decides(index: Open) -> None:
    app = index(**TWICE)
    task = a_question(app)
    app.review.answer(REVIEWER, task, Answer(SAME, "a mistyped number"))
    assert app.review.answer(OTHER, task, Answer(DIFFERENT, "twins")).state is TaskState.TIE_BREAK
    for actor in (REVIEWER, OTHER):
        with pytest.raises(NotAllowed, match="somebody else"):
            app.review.answer(actor, task, Answer(SAME, "once more"))
        assert app.queue.next(actor) is None
        assert app.review.task(actor, task).not_mine is not None
    assert app.queue.next(SENIOR) == task
    assert app.review.answer(SENIOR, task, Answer(DIFFERENT, "twins")).state is TaskState.CLOSED
    assert persons_of(app, ("RXX", "1")) != persons_of(app, ("RYY", "77"))


def test_a_first_vote_holds_while_a_hospital_is_asked(index: Open) -> None:
    app = index(**TWICE)
    task = a_question(app)
    app.review.answer(REVIEWER, task, Answer(SAME, "a mistyped number"))
    asked = app.review.answer(OTHER, task, Answer(Verdict.NOT_SURE, "asked the ward", days=3))
    assert asked.state is TaskState.WAITING
    assert [v.reason for v in app.review.task(SENIOR, task).verdicts] == ["asked the ward"]
    assert app.review.answer(OTHER, task, Answer(DIFFERENT, "the ward knows both")).state is TaskState.TIE_BREAK


def test_votes_do_not_hold_when_what_they_were_about_has_changed(index: Open) -> None:
    app = index(second_reader=("possible-overlay",))
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    somebody = {"family_name": "Featherstone", "given_name": "Zephaniah", "birth_date": "1951-11-02", "sex": "male"}
    register(app, "RXX", "1", nhs_number=N2, nhs_number_status="01", **somebody)
    [held] = app.queue.page(REVIEWER, QueueFilter()).tasks
    assert held.type is TaskType.POSSIBLE_OVERLAY
    seen = app.review.task(OTHER, held.id).mark
    assert app.review.answer(REVIEWER, held.id, Answer(SAME, "a new name")).state is TaskState.SECOND
    register(app, "RXX", "1", nhs_number=N2, nhs_number_status="01", town="Ilkley", **somebody)
    assert app.review.task(OTHER, held.id).summary.state is TaskState.OPEN
    with pytest.raises(Conflict, match="changed since"):
        app.review.answer(OTHER, held.id, Answer(SAME, "a new name", seen=seen))
    assert app.review.answer(OTHER, held.id, Answer(DIFFERENT, "somebody else")).state is TaskState.SECOND
    assert app.review.answer(REVIEWER, held.id, Answer(DIFFERENT, "somebody else")).state is TaskState.CLOSED
    app.review.reopen(SENIOR, held.id, "wrong")
    assert app.review.answer(REVIEWER, held.id, Answer(SAME, "a new name")).state is TaskState.SECOND


def three_of_one(app: App) -> int:
    """One person of three records, the third of which is in doubt."""
    for authority, number in (("RXX", "1"), ("RYY", "77"), ("RZZ", "5")):
        register(app, authority, number, nhs_number=N1, nhs_number_status="01")
    register(app, "RZZ", "5", nhs_number=N2, nhs_number_status="01")
    return next(t.id for t in app.queue.page(REVIEWER, QueueFilter()).tasks if t.type is TaskType.BROKEN_CLUSTER)


def test_the_chosen_records_leave_together_and_come_back_together(index: Open) -> None:
    app = index()
    task = three_of_one(app)
    numbers = [("RXX", "1"), ("RYY", "77"), ("RZZ", "5")]
    before = persons_of(app, *numbers)
    assert len(set(before)) == 1
    view = app.review.task(REVIEWER, task)
    assert view.may_split
    assert view.cluster is not None
    assert sum(tie.weakest for tie in view.cluster.ties) == 1
    ids = {record.authority: record.record_id for _, record in view.cluster.records}
    for wrong in (frozenset(), frozenset(ids.values()), frozenset({ids["RXX"], 10**9})):
        with pytest.raises(BadInput):
            app.review.answer(REVIEWER, task, Answer(Verdict.SPLIT, "two people", go=wrong))
    done = app.review.answer(
        REVIEWER, task, Answer(Verdict.SPLIT, "two people", go=frozenset({ids["RYY"], ids["RZZ"]}))
    )
    assert done.state is TaskState.CLOSED
    one, two, three = persons_of(app, *numbers)
    assert two == three != one
    [change] = app.review.task(SENIOR, task).changes
    app.undo.do(SENIOR, change.id, "one person after all")
    assert len(set(persons_of(app, *numbers))) == 1


def test_two_persons_cannot_be_split(index: Open) -> None:
    app = index()
    task = a_question(app)
    assert not app.review.task(REVIEWER, task).may_split
    with pytest.raises(Conflict):
        app.review.answer(REVIEWER, task, Answer(Verdict.SPLIT, "two people", go=frozenset({1})))


@pytest.mark.parametrize("verdict", sorted(ASKING))
def test_a_hospital_that_is_asked_is_given_a_time(index: Open, verdict: Verdict) -> None:
    app = index()
    task = a_question(app)
    due = app.review.task(REVIEWER, task).summary.due_at
    assert app.review.answer(REVIEWER, task, Answer(verdict, "asked the ward", days=3)).state is TaskState.WAITING
    after = app.review.task(REVIEWER, task).summary.due_at
    assert after is not None
    assert due is not None
    assert after < due
    assert app.review.answer(REVIEWER, task, Answer(SAME, "", ReasonCode.SITE_CONFIRMED)).state is TaskState.CLOSED


def test_a_reason_is_a_code_or_words_and_another_reason_needs_words(index: Open) -> None:
    app = index()
    task = a_question(app)
    for answer in (Answer(SAME, " "), Answer(SAME, "", ReasonCode.OTHER)):
        with pytest.raises(BadInput):
            app.review.answer(REVIEWER, task, answer)
    app.review.answer(REVIEWER, task, Answer(SAME, "", ReasonCode.TYPING))
    assert [v.reason_code for v in app.review.task(REVIEWER, task).verdicts] == [ReasonCode.TYPING]


def test_an_answer_to_what_is_no_longer_so_is_refused(index: Open) -> None:
    app = index()
    task = a_question(app)
    seen = app.review.task(REVIEWER, task).mark
    register(app, "RYY", "77", nhs_number=N2, postcode="LS6 4QC", town="Ilkley")
    with pytest.raises(Conflict, match="changed since"):
        app.review.answer(REVIEWER, task, Answer(SAME, "one person", seen=seen))
    seen = app.review.task(REVIEWER, task).mark
    assert app.review.answer(REVIEWER, task, Answer(SAME, "one person", seen=seen)).state is TaskState.CLOSED


def test_a_study_is_not_decided_in_the_queue(index: Open) -> None:
    app = index()
    with app.store.writing() as unit:
        new = NewTask(TaskType.GATE_HOLD, None, None, "held", study_uid="2.999.4")
        task = unit.tasks.open(new, event=AuditEvent(REVIEWER, Action.TASK_OPENED))
    assert task is not None
    for verdict in (SAME, DIFFERENT):
        with pytest.raises(Conflict):
            app.review.decide(REVIEWER, task, verdict, "attach it")
    assert not app.review.task(REVIEWER, task).may_decide


def test_every_question_but_the_gates_and_every_rule_can_ask_for_two_readers() -> None:
    wanted = {kind.value for kind in TaskType} - {TaskType.GATE_HOLD.value} | {rule.value for rule in HardRule}
    assert set(SECOND_READER) == wanted | {"restricted"}


@pytest.fixture
def site(migrated_sqlite_url: str) -> Iterator[App]:
    app = open_website_index(migrated_sqlite_url, blind=True)
    put_people(app)
    yield app
    app.close()


def test_the_blind_page_carries_no_weight_link_or_person_and_the_next_one_does(site: App) -> None:
    client = make_web(site)
    sign_in(client, "reviewer")
    task = site.queue.page(Actor("reviewer", Role.REVIEWER.value), QueueFilter()).tasks[0].id
    page = client.get(f"/review/{task}")
    for tell in (
        "bits",
        "Total",
        "weakest",
        "/persons/P",
        "one person now",
        "two persons now",
        "would touch",
        "mpi-ag",
    ):
        assert tell not in page.text, tell
    assert '<mark class="mpi-differs">' in page.text
    said = {"csrf_token": csrf_of(page), "verdict": "different-people", "reason": "twins", "code": "twin-or-sibling"}
    answer = client.post(f"/review/{task}", data=said)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/review/{task}")
    whole = client.get(f"/review/{task}").text
    for told in ("bits", "Total", "two persons now", "would touch", "before the weights were shown"):
        assert told in whole, told
    assert client.post(f"/review/{task}", data=said).headers["Location"] != f"/review/{task}"
    assert site.review.task(REVIEWER, task).summary.state is TaskState.CLOSED


def test_who_may_only_look_is_not_told_before_the_task_is_closed(site: App) -> None:
    client = make_web(site)
    sign_in(client, "viewer")
    task = site.queue.page(REVIEWER, QueueFilter()).tasks[0].id
    assert "bits" not in client.get(f"/review/{task}").text
    site.review.decide(REVIEWER, task, DIFFERENT, "twins")
    assert "bits" in client.get(f"/review/{task}").text

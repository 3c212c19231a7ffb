"""The review queue: who may decide, what a decision closes, and two people on one task."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.messages import Register
from mpi.domain.queue import QueueFilter
from mpi.domain.review import KINDS, TRANSITIONS, Step, TaskState, TaskType, Verdict, next_state, priority
from mpi.domain.roles import Role
from mpi.store import clock
from mpi.store.queue import Reader
from mpi.store.tasks import NewTask
from tests.builders import a_record, nhs_number
from tests.index import REVIEWER, merge, message, persons_of, register

N1, N2, N3 = nhs_number(31), nhs_number(32), nhs_number(33)


@pytest.fixture
def task(app: App) -> int:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    [found] = app.review.queue(REVIEWER).tasks
    return found.id


def test_the_task_shows_values_as_recorded_and_evidence_in_bits(app: App, task: int) -> None:
    view = app.review.task(REVIEWER, task)
    assert {f.field: (f.left, f.right) for f in view.fields}["nhs_number"] in ((N1, N2), (N2, N1))
    assert view.weight is not None
    bits = {c.comparison: c.bits for c in view.comparisons}
    assert bits["birth_date"] > 0 > bits["nhs_number"]
    assert view.link > view.review and view.may_decide


MAY_DECIDE = {Role.REVIEWER, Role.SENIOR_REVIEWER}


@pytest.mark.parametrize("role", list(Role))
def test_only_reviewers_decide(app: App, task: int, role: Role) -> None:
    actor = Actor("somebody", role.value)
    if role in MAY_DECIDE:
        assert app.review.decide(actor, task, Verdict.NOT_SURE, "ask the ward").state is TaskState.WAITING
    else:
        with pytest.raises(NotAllowed):
            app.review.decide(actor, task, Verdict.NOT_SURE, "ask the ward")


def test_a_feed_has_no_role_that_decides(app: App, task: int) -> None:
    with pytest.raises(NotAllowed):
        app.review.decide(Actor("PAS|RXX", "feed"), task, Verdict.SAME, "because")


def test_a_verdict_needs_a_reason(app: App, task: int) -> None:
    with pytest.raises(BadInput):
        app.review.decide(REVIEWER, task, Verdict.SAME, "   ")
    assert app.review.task(REVIEWER, task).summary.state is TaskState.OPEN


def test_a_closed_task_takes_no_second_verdict(app: App, task: int) -> None:
    app.review.decide(REVIEWER, task, Verdict.DIFFERENT, "two people")
    with pytest.raises(Conflict):
        app.review.decide(REVIEWER, task, Verdict.SAME, "one person")
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != two


def test_of_two_reviewers_at_one_moment_exactly_one_decides(app: App, task: int) -> None:
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def decide(verdict: Verdict) -> None:
        gate.wait()
        try:
            app.review.decide(REVIEWER, task, verdict, "at the same moment")
            outcomes.append("decided")
        except Conflict:
            outcomes.append("too late")

    threads = [threading.Thread(target=decide, args=(v,)) for v in (Verdict.SAME, Verdict.DIFFERENT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["decided", "too late"]


def test_not_sure_waits_and_can_be_decided_later(app: App, task: int) -> None:
    app.review.decide(REVIEWER, task, Verdict.NOT_SURE, "asked the site")
    assert [t.id for t in app.review.queue(REVIEWER, state=TaskState.WAITING).tasks] == [task]
    app.review.decide(REVIEWER, task, Verdict.SAME, "the site answered")
    view = app.review.task(REVIEWER, task)
    assert [v.verdict for v in view.verdicts] == [Verdict.NOT_SURE, Verdict.SAME]
    assert view.same_person_now


def test_a_join_closes_the_questions_that_it_answers(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    register(app, "INS", "9", nhs_number=N3)
    assert len(app.review.queue(REVIEWER).tasks) == 3
    while tasks := app.review.queue(REVIEWER).tasks:
        app.review.decide(REVIEWER, tasks[0].id, Verdict.SAME, "one person")
    counts = app.overview.counts()
    assert counts.tasks_open == 0 and counts.persons == 1


def test_people_kept_apart_are_not_joined_through_a_third(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    register(app, "INS", "9", nhs_number=N3)
    by_pair = {
        frozenset((t.left.local_id, t.right.local_id)): t.id
        for t in app.review.queue(REVIEWER).tasks
        if t.left and t.right
    }
    app.review.decide(REVIEWER, by_pair[frozenset(("1", "77"))], Verdict.DIFFERENT, "two people")
    app.review.decide(REVIEWER, by_pair[frozenset(("1", "9"))], Verdict.SAME, "one person")
    with pytest.raises(Conflict):
        app.review.decide(REVIEWER, by_pair[frozenset(("77", "9"))], Verdict.SAME, "one person")


def test_different_people_splits_a_broken_person(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "77", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "77", nhs_number=N2, nhs_number_status="01")
    [broken] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, broken.id, Verdict.DIFFERENT, "the update was for somebody else")
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one != two


def test_the_riskiest_question_comes_first_whatever_its_weight(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    merge(app, "1", "2", other="RYY")
    first, last = app.review.queue(REVIEWER).tasks
    assert (first.type, last.type) == (TaskType.HELD_MERGE, TaskType.TWO_NHS_NUMBERS)
    assert app.review.decide(REVIEWER, first.id, Verdict.NOT_SURE, "asked the site").next_task == last.id


def test_a_task_is_due_by_its_kind_and_stands_higher_where_somebody_is_restricted(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    app.inbox.process([message(Register(replace(a_record("RYY", "77", nhs_number=N2), restricted=True)))])
    with app.store.reading() as unit:
        [task], _ = unit.queue.page(Reader("rita"), QueueFilter(), most=10, skip=0)
    usual = priority(TaskType.TWO_NHS_NUMBERS, recent=True, restricted=False)
    assert task.priority == usual + 1
    assert task.due_at is not None
    assert clock.read(task.due_at) - clock.read(task.created_at) == timedelta(days=KINDS[task.type].days)


def test_one_study_is_asked_about_once(app: App) -> None:
    held = NewTask(TaskType.GATE_HOLD, None, None, "held", study_uid="2.999.7")
    with app.store.writing() as unit:
        event = AuditEvent(REVIEWER, Action.TASK_OPENED)
        first = unit.tasks.open(held, event=event)
        assert first is not None
        assert unit.tasks.open(held, event=event) is None
        stored = unit.tasks.same_question(held)
        assert stored is not None and stored.id == first
        unit.tasks.settle(stored, event=event)
        assert unit.tasks.open(held, event=event) is not None


STEPS = [(state, step) for state in TaskState for step in Step]


@pytest.mark.parametrize(("state", "step"), STEPS, ids=[f"{state}, {step}" for state, step in STEPS])
def test_a_closed_task_only_opens_again_and_an_open_one_is_never_taken_back(state: TaskState, step: Step) -> None:
    if (state is TaskState.CLOSED) == (step is Step.TAKEN_BACK) and (state, step) in TRANSITIONS:
        assert (next_state(state, step) is TaskState.OPEN) == (step in (Step.TAKEN_BACK, Step.CHANGED))
        return
    with pytest.raises(Conflict):
        next_state(state, step)


def test_a_task_that_does_not_exist_is_not_found(app: App) -> None:
    with pytest.raises(NotFound):
        app.review.task(REVIEWER, 12345)

"""The queue's housekeeping: places that follow what is heard of the people, questions about unverified numbers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mpi.bootstrap import App, build
from mpi.domain.messages import Register
from mpi.domain.queue import QueueFilter
from mpi.domain.review import TaskState, TaskType, Verdict, priority
from mpi.store import clock
from tests.builders import a_record, nhs_number
from tests.index import REVIEWER, message, register

N1, N2 = nhs_number(61), nhs_number(62)


def places(app: App) -> list[tuple[TaskType, int]]:
    with app.store.reading() as unit:
        found = [unit.tasks.get(task.id) for task in app.queue.page(REVIEWER, QueueFilter()).tasks]
    return [(task.type, task.priority) for task in found if task is not None]


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let so many days pass."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: clock.stamp(clock.read(now()) + timedelta(days=days)))


def test_a_task_moves_down_when_nothing_is_heard_and_up_when_somebody_becomes_restricted(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "77", nhs_number=N2)
    kind = TaskType.TWO_NHS_NUMBERS
    assert places(app) == [(kind, priority(kind, recent=True, restricted=False))]
    assert app.upkeep.run() == (0, 0, 0)
    later(monkeypatch, 8)
    assert app.upkeep.run() == (1, 0, 0)
    assert places(app) == [(kind, priority(kind, recent=False, restricted=False))]
    app.inbox.process([message(Register(replace(a_record("RYY", "77", nhs_number=N2), restricted=True)))])
    assert app.upkeep.run() == (1, 0, 0)
    assert places(app) == [(kind, priority(kind, recent=True, restricted=True))]


def test_unverified_numbers_are_asked_about_once_and_only_where_that_is_wanted(app: App) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="03")
    assert app.upkeep.run() == (0, 0, 0)
    asking = build(replace(app.config, unverified_days=30))
    assert asking.upkeep.run()[1:] == (1, 0)
    assert asking.upkeep.run()[1:] == (0, 0)
    [task] = asking.queue.page(REVIEWER, QueueFilter(type=TaskType.UNVERIFIED_NUMBER)).tasks
    assert asking.review.task(REVIEWER, task.id).may_decide
    asking.review.decide(REVIEWER, task.id, Verdict.SAME, "the ward saw the card")
    assert asking.upkeep.run()[1:] == (0, 0)
    asking.close()


def test_a_number_that_was_verified_meanwhile_is_not_asked_about_any_more(app: App) -> None:
    asking = build(replace(app.config, unverified_days=30))
    register(asking, "RXX", "1", nhs_number=N1, nhs_number_status="03")
    asking.upkeep.run()
    [task] = asking.queue.page(REVIEWER, QueueFilter()).tasks
    register(asking, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    assert asking.upkeep.run()[1:] == (0, 1)
    assert asking.review.task(REVIEWER, task.id).summary.state is TaskState.CLOSED
    asking.close()


def test_records_not_heard_of_lately_are_left_alone(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="03")
    later(monkeypatch, 31)
    asking = build(replace(app.config, unverified_days=30))
    assert asking.upkeep.run()[1] == 0
    asking.close()

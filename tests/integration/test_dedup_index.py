"""Batch linkage over the index: links what is certain, asks about the rest, keeps what humans decided, never flaps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from mpi.bootstrap import App
from mpi.cli.dedup import dedup
from mpi.domain.decision import RecordDecision
from mpi.domain.errors import TemporaryFailure
from mpi.domain.person import SourceRecord
from mpi.domain.review import TaskState, TaskType, Verdict
from mpi.engines.reference import ReferenceEngine
from mpi.services import dedup_index, identity
from mpi.services.dedup_index import Applied, IndexDedup
from mpi.store.persons import AUTOMATIC, MANUAL
from mpi.store.tables import audit_event, link, person, review_task
from mpi.synth.population import make
from tests.builders import nhs_number
from tests.index import MACHINE, REVIEWER, merge, persons_of, register

N1, N2, N3 = nhs_number(41), nhs_number(42), nhs_number(43)


class _Nobody:
    def phase(self, name: str, total: float | None) -> None:
        pass

    def progress(self, done: float) -> None:
        pass


@pytest.fixture
def unlinked(app: App, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register a record that matching is not asked about, as one that came before the model knew better."""

    def register_alone(authority: str, local_id: str, **said: str | None) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(identity, "ask", lambda *_, **__: RecordDecision(None, (), 0))
            register(app, authority, local_id, **said)

    return register_alone


def _run(app: App, folder: Path) -> Applied:
    return IndexDedup(app.store, app.model, ReferenceEngine()).apply(MACHINE, folder, _Nobody())


def _state(app: App) -> list[Any]:
    """Everything that a run may change but the audit trail and its own row."""
    with app.store.reading() as unit:
        return [
            unit.connection.execute(select(table).order_by(table.c.id)).all() for table in (link, person, review_task)
        ]


def _count(app: App, action: str) -> int:
    with app.store.reading() as unit:
        found = unit.connection.execute(select(func.count()).where(audit_event.c.action == action)).scalar_one()
    return int(found)


def test_two_persons_that_are_one_are_joined_and_the_older_stays(app: App, unlinked: Any, tmp_path: Path) -> None:
    unlinked("RXX", "1", nhs_number=N1, nhs_number_status="01")
    unlinked("RYY", "2", nhs_number=N1, nhs_number_status="01")
    older, younger = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    done = _run(app, tmp_path)
    assert (done.persons_joined, done.records_moved, done.questions) == (1, 1, 0)
    assert persons_of(app, ("RXX", "1"), ("RYY", "2")) == [older, older]
    view = app.people.person(REVIEWER, younger)
    assert (view.enterprise_id, view.merged_from) == (older, younger)
    moved = next(record for record in view.records if record.local_id == "2")
    assert moved.how == AUTOMATIC and moved.weight is not None and moved.weight > app.model.thresholds.link


def test_what_is_not_certain_is_asked_once(app: App, unlinked: Any, tmp_path: Path) -> None:
    unlinked("RXX", "1", nhs_number=N1)
    unlinked("RYY", "2", nhs_number=N2)
    assert _run(app, tmp_path / "one").questions == 1
    [task] = app.review.queue(REVIEWER).tasks
    assert task.type is TaskType.TWO_NHS_NUMBERS
    again = _run(app, tmp_path / "two")
    assert (again.questions, again.asked_already) == (0, 1)


def test_a_question_that_a_feed_has_raised_is_not_asked_again(app: App, tmp_path: Path) -> None:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "2", nhs_number=N2)
    assert _run(app, tmp_path).questions == 0
    assert len(app.review.queue(REVIEWER).tasks) == 1


def test_a_join_settles_the_question_it_answers(app: App, unlinked: Any, tmp_path: Path) -> None:
    register(app, "RXX", "1", birth_date=None, address_line=None, postcode=None, town=None, other_identifier="EX1")
    register(app, "RYY", "2", birth_date=None, address_line=None, postcode=None, town=None)
    before = len(app.review.queue(REVIEWER).tasks)
    unlinked("RYY", "3", nhs_number=N3, nhs_number_status="01")
    unlinked("RXX", "4", nhs_number=N3, nhs_number_status="01")
    assert _run(app, tmp_path).persons_joined >= 1
    for task in app.review.queue(REVIEWER).tasks:
        assert not app.review.task(REVIEWER, task.id).same_person_now
    assert before <= 1


@pytest.fixture
def decided_apart(app: App) -> App:
    register(app, "RXX", "1", nhs_number=N1)
    register(app, "RYY", "2", nhs_number=N2)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two sisters")
    return app


def test_what_a_human_keeps_apart_is_neither_joined_nor_asked(decided_apart: App, tmp_path: Path) -> None:
    register(decided_apart, "RYY", "2", nhs_number=N1, nhs_number_status="01")
    register(decided_apart, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    before = _state(decided_apart)
    done = _run(decided_apart, tmp_path)
    assert (done.persons_joined, done.questions) == (0, 0)
    assert _state(decided_apart) == before


def test_a_record_between_two_that_are_kept_apart_joins_one_and_not_both(
    decided_apart: App, unlinked: Any, tmp_path: Path
) -> None:
    unlinked("RXX", "3")
    _run(decided_apart, tmp_path)
    one, other, between = persons_of(decided_apart, ("RXX", "1"), ("RYY", "2"), ("RXX", "3"))
    assert one != other and between in (one, other)


def test_a_link_that_a_human_made_stays_theirs_when_its_person_joins_another(
    app: App, unlinked: Any, tmp_path: Path
) -> None:
    for local_id in "123":
        unlinked("RXX", local_id, nhs_number=N1, nhs_number_status="01")
    with app.store.writing() as unit:
        two, three = (unit.persons.current_link(record).person_id for record in _ids(app, "2", "3"))
        identity.join(unit, two, three, identity.Cause(REVIEWER), "asked her")
    _run(app, tmp_path)
    assert len(set(persons_of(app, ("RXX", "1"), ("RXX", "2"), ("RXX", "3")))) == 1
    view = app.people.person(REVIEWER, persons_of(app, ("RXX", "1"))[0])
    assert {record.local_id: record.how for record in view.records} == {"1": "new", "2": AUTOMATIC, "3": MANUAL}


def _ids(app: App, *local_ids: str) -> list[int]:
    with app.store.reading() as unit:
        return [unit.records.with_local_id(local_id)[0].id for local_id in local_ids]


def test_the_number_of_a_merged_record_still_speaks_against_a_join(app: App, unlinked: Any, tmp_path: Path) -> None:
    unlinked("RXX", "1", nhs_number=N1, nhs_number_status="01")
    unlinked("RXX", "2")
    merge(app, "1", "2")
    unlinked("RYY", "3", nhs_number=N2, nhs_number_status="01")
    assert _run(app, tmp_path).persons_joined == 0
    one, other = persons_of(app, ("RXX", "2"), ("RYY", "3"))
    assert one != other
    assert [task.type for task in app.review.queue(REVIEWER).tasks] == [TaskType.TWO_NHS_NUMBERS]


def test_nobody_joins_a_person_in_doubt(app: App, unlinked: Any, tmp_path: Path) -> None:
    register(app, "RXX", "1", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "2", nhs_number=N1, nhs_number_status="01")
    register(app, "RYY", "2", nhs_number=N1, nhs_number_status="01", given_name="Peter", sex="male")
    assert {task.type for task in app.review.queue(REVIEWER).tasks} == {TaskType.BROKEN_CLUSTER}
    unlinked("RXX", "3")
    assert _run(app, tmp_path).persons_joined == 0
    assert "person-in-doubt" in {task.rule for task in app.review.queue(REVIEWER).tasks}


# Many records --------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """A synthetic population registered without asking: every duplicate is still to be found."""
    with monkeypatch.context() as patch:
        patch.setattr(identity, "ask", lambda *_, **__: RecordDecision(None, (), 0))
        rows = [(row, {k: v for k, v in row.items() if v}) for row in make(60, seed=5)]
        for number, (row, said) in enumerate(rows):
            changes = {k: v for k, v in said.items() if k not in ("record_id", "authority", "true_person")}
            changes = {k: v for k, v in changes.items() if k not in ("true_birth", "faults", "traits")}
            with app.store.writing() as unit:
                cause = identity.Cause(MACHINE)
                record = SourceRecord("RXX" if number % 2 else "RYY", row["record_id"], changes, complete=True)
                app.registrar.register(unit, record, cause, "test")
    return app


def test_a_second_run_changes_nothing(crowd: App, tmp_path: Path) -> None:
    first = _run(crowd, tmp_path / "one")
    assert first.persons_joined > 20 and first.questions > 0
    before, events = _state(crowd), [_count(crowd, action) for action in ("link.made", "task.opened", "person.merged")]
    second = _run(crowd, tmp_path / "two")
    assert (second.persons_joined, second.records_moved, second.questions) == (0, 0, 0)
    assert _state(crowd) == before
    assert [_count(crowd, action) for action in ("link.made", "task.opened", "person.merged")] == events


class _Killed(BaseException):
    pass


def test_a_killed_run_leaves_whole_steps_and_the_next_does_the_rest(
    crowd: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup_index, "CHUNK", 5)
    chunks = 0

    def die(_seconds: float) -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 3:
            raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(dedup_index.time, "sleep", die)
        with pytest.raises(_Killed):
            _run(crowd, tmp_path / "one")
    second = _run(crowd, tmp_path / "two")
    assert second.resumed
    assert _count(crowd, "run.started") == 1 and _count(crowd, "run.finished") == 1
    assert second.persons_joined > 20
    assert _run(crowd, tmp_path / "three").persons_joined == 0


def test_a_run_with_the_database_gone_says_so_and_keeps_what_is_done(
    crowd: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup_index, "ATTEMPTS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(dedup_index.identity, "retire", lambda *_: (_ for _ in ()).throw(TemporaryFailure("gone")))
        with pytest.raises(TemporaryFailure):
            _run(crowd, tmp_path / "one")
    assert _run(crowd, tmp_path / "two").persons_joined > 20


def test_what_changes_between_reading_and_writing_is_left_for_the_next_run(
    app: App, unlinked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlinked("RXX", "1", nhs_number=N1, nhs_number_status="01")
    unlinked("RYY", "2", nhs_number=N1, nhs_number_status="01")
    look = IndexDedup.look

    def meanwhile(*args: Any) -> Any:
        found = look(*args)
        with app.store.writing() as unit:
            record = SourceRecord(
                "RYY", "2", {"family_name": "Okafor", "given_name": "Daniel", "sex": "male"}, complete=True
            )
            stored = unit.records.find("RYY", "2")
            assert stored is not None
            app.registrar.release(unit, stored, record, identity.Cause(MACHINE), "test")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(IndexDedup, "look", meanwhile)
        done = _run(app, tmp_path / "one")
    assert (done.persons_joined, done.changed_meanwhile) == (0, 1)
    one, other = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    assert one != other
    assert _run(app, tmp_path / "two").persons_joined == 0


def test_an_empty_index_has_no_duplicates(app: App, tmp_path: Path) -> None:
    assert _run(app, tmp_path) == Applied()


# The command ---------------------------------------------------------------------------------------------------------


def test_without_apply_the_command_only_says_what_it_would_do(app: App, unlinked: Any) -> None:
    unlinked("RXX", "1", nhs_number=N1, nhs_number_status="01")
    unlinked("RYY", "2", nhs_number=N1, nhs_number_status="01")
    before = _state(app)
    url = ["--database", app.config.database_url, "--engine", "reference"]
    result = CliRunner().invoke(dedup, url)
    assert result.exception is None, result.output
    assert "1 persons would be joined" in result.output and "Nothing was changed" in result.output
    assert _state(app) == before
    assert CliRunner().invoke(dedup, [*url, "--apply"]).exception is None
    assert app.overview.counts().persons == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["--apply", "--out", "x"], ["--apply", "--model", "train"], ["people.csv", "--apply"], ["people.csv"]],
    ids=["nothing", "index and folder", "index and model", "file and index", "file without folder"],
)
def test_files_and_index_are_not_mixed(arguments: list[str]) -> None:
    assert CliRunner().invoke(dedup, arguments).exit_code == 2


def test_closed_questions_stay_closed(app: App, unlinked: Any, tmp_path: Path) -> None:
    unlinked("RXX", "1", nhs_number=N1)
    unlinked("RYY", "2", nhs_number=N2)
    _run(app, tmp_path / "one")
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.NOT_SURE, "ask the ward")
    assert _run(app, tmp_path / "two").questions == 0
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "two people")
    assert _run(app, tmp_path / "three").questions == 0
    assert len(app.review.queue(REVIEWER, state=TaskState.CLOSED).tasks) == 1

"""What a check leaves behind, and that nothing that goes wrong on the way attaches a study."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, NotAllowed, TemporaryFailure
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study import GateDecision, PatientId, RuleResult
from mpi.matching.exact import INTERNAL_ERROR
from mpi.matching.gate_policy import load_default
from mpi.services.gate import Gate
from mpi.services.gate import judge as service
from mpi.store.database import Database
from mpi.store.studies import Studies
from mpi.store.unit_of_work import Store, UnitOfWork
from tests.gate_world import CONFIG, MARIA, MARIA_NHS, OPERATOR, OTHER_STUDY, STUDY, World, a_header, nhs, rxx

ATTACH, HOLD, REFUSE = GateDecision.ATTACH, GateDecision.HOLD, GateDecision.REFUSE


@pytest.fixture
def world(migrated_url: str) -> Iterator[World]:
    built = World(migrated_url)
    yield built
    built.close()


def _rows(world: World, table: str) -> list[dict[str, Any]]:
    with world.store.reading() as unit:
        return [dict(row) for row in unit.connection.execute(text(f"SELECT * FROM {table}")).mappings()]  # noqa: S608


def _event(world: World) -> dict[str, Any]:
    rows = [row for row in _rows(world, "audit_event") if row["action"] == "study.checked"]
    body: dict[str, Any] = json.loads(rows[-1]["body"])
    return body


def test_a_check_is_stored_with_its_header_rules_policy_and_person(world: World) -> None:
    answer = world.check(a_header(other_patient_ids=(nhs(MARIA_NHS),)))
    policy = load_default()
    (check,) = _rows(world, "study_check")
    assert (check["study_uid"], check["decision"], check["by"]) == (STUDY, "attach", OPERATOR.name)
    assert check["person_id"] == world.maria
    assert (check["policy_version"], check["policy_hash"]) == (policy.version, policy.hash)
    header = json.loads(check["header"])
    assert header["family_name"] == "ASHWORTH"
    assert header["other_patient_ids"][0]["issuer"] == "NHS"
    assert [row[0] for row in json.loads(check["rules"])] == [outcome.rule for outcome in answer.rules]
    (study,) = _rows(world, "study")
    assert (study["person_id"], study["record_id"]) == (world.maria, world.id_of("RXX", "100"))


def test_a_check_and_its_audit_event_are_one(world: World) -> None:
    world.check(a_header(birth_date=None))
    event = _event(world)
    assert (event["study_uid"], event["person_id"], event["actor"]) == (STUDY, world.maria, OPERATOR.name)
    assert event["detail"]["decision"] == "hold"
    assert event["detail"]["failed"] == ["birth-date"]
    assert event["detail"]["candidates"] == [world.eid(world.maria)]


def test_no_reason_and_no_audit_event_carries_a_value_of_the_header(world: World) -> None:
    header = a_header(
        patient_id=rxx("200"), other_patient_ids=(nhs(MARIA_NHS), PatientId("X77")), birth_date="19680325"
    )
    answer = world.check(header)
    told = " ".join(outcome.reason for outcome in answer.rules) + json.dumps(_event(world))
    for value in ("ASHWORTH", "MARIA", "19680325", "X77", MARIA_NHS):
        assert value not in told


def test_a_check_again_attaches_again_and_changes_nothing_but_the_list_of_checks(world: World) -> None:
    first = world.check(a_header())
    before = _rows(world, "study")
    second = world.check(a_header())
    assert (first.decision, second.decision, second.person) == (ATTACH, ATTACH, first.person)
    assert _rows(world, "study") == before
    assert len(_rows(world, "study_check")) == 2


def test_a_study_that_is_attached_stays_so_whatever_a_later_check_says(world: World) -> None:
    world.check(a_header())
    assert world.check(a_header(birth_date=None)).decision is HOLD
    assert world.check(a_header(patient_id=rxx("101"), given_name="MARTA")).decision is REFUSE
    (study,) = _rows(world, "study")
    assert (study["decision"], study["person_id"]) == ("attach", world.maria)


def test_a_held_study_is_attached_when_its_header_was_mended(world: World) -> None:
    assert world.check(a_header(birth_date=None)).decision is HOLD
    assert _rows(world, "study")[0]["person_id"] is None
    assert world.check(a_header()).decision is ATTACH
    assert _rows(world, "study")[0]["person_id"] == world.maria


def test_an_attached_study_follows_its_person_through_a_merge(world: World) -> None:
    other = world.person()
    world.record(other, "RYY", "98", MARIA | {"nhs_number": None})
    attached = world.check(a_header(patient_id=PatientId("98", "RYY")))
    assert attached.person == world.eid(other)
    world.merge_persons(other, world.maria)
    again = world.check(a_header())
    assert (again.decision, again.person) == (ATTACH, world.eid(world.maria))
    with world.store.reading() as unit:
        study = unit.studies.get(STUDY)
        assert study is not None
        assert study.person_id is not None
        holder = unit.persons.get([study.person_id])[study.person_id]
        assert unit.persons.survivor(holder).id == world.maria


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_only_roles_that_may_check_studies_get_an_answer(role: Role, world: World) -> None:
    actor = Actor("somebody", role.value)
    if can(role, Permission.CHECK_STUDY):
        assert world.gate.check(actor, a_header()).decision is ATTACH
    else:
        with pytest.raises(NotAllowed):
            world.gate.check(actor, a_header())
        assert _rows(world, "study_check") == []


@pytest.mark.parametrize("uid", ["", "1", "1..2", "1.02", "1.2.", "1.2.x", "1." + "2" * 63, "1.\u0662"])
def test_a_study_without_a_valid_uid_is_bad_input(uid: str, world: World) -> None:
    with pytest.raises(BadInput) as caught:
        world.check(a_header(study_uid=uid))
    assert caught.value.field == "(0020,000D)"


def test_bare_numbers_name_candidates_and_nothing_more(world: World) -> None:
    answer = world.check(a_header(patient_id=PatientId("100"), other_patient_ids=(PatientId(MARIA_NHS),)))
    assert (answer.decision, answer.person) == (HOLD, None)
    assert answer.candidates == (world.eid(world.maria),)


# --- failing closed --------------------------------------------------------------------------------------------------


def _bad_sql(unit: UnitOfWork, *_args: object) -> None:
    unit.connection.execute(text("SELECT nothing FROM no_such_table"))


def _bug(*_args: object) -> None:
    raise ZeroDivisionError("ASHWORTH")


@pytest.mark.parametrize("fault", [_bad_sql, _bug], ids=["the database refuses a statement", "a bug"])
@pytest.mark.parametrize("step", ["gather", "evaluate", "decide"])
def test_an_error_while_judging_holds_and_is_stored(
    step: str, fault: Any, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if step != "gather" and fault is _bad_sql:
        fault = _bug
    monkeypatch.setattr(service, step, fault)
    with caplog.at_level(logging.INFO):
        answer = world.check(a_header())
    assert (answer.decision, answer.person) == (HOLD, None)
    assert [(o.rule, o.result) for o in answer.rules] == [(INTERNAL_ERROR, RuleResult.FAILED)]
    assert [row["decision"] for row in _rows(world, "study_check")] == ["hold"]
    assert _event(world)["detail"]["failed"] == [INTERNAL_ERROR]
    assert not any("ASHWORTH" in record.getMessage() for record in caplog.records)


def test_an_error_while_writing_leaves_no_attachment_and_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Studies._follow, []

    def fails_once(self: Studies, check: Any, *rest: Any) -> None:
        calls.append(check.decision)
        real(self, check, *rest)
        if len(calls) == 1:
            raise RuntimeError

    monkeypatch.setattr(Studies, "_follow", fails_once)
    answer = world.check(a_header())
    assert calls == [ATTACH, HOLD]
    assert (answer.decision, answer.rules[0].rule) == (HOLD, INTERNAL_ERROR)
    assert [row["decision"] for row in _rows(world, "study_check")] == ["hold"]
    assert _rows(world, "study")[0]["person_id"] is None


def test_what_cannot_be_stored_at_all_gets_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Studies, "add_check", _bug)
    with pytest.raises(TemporaryFailure):
        world.check(a_header())
    assert _rows(world, "study") == []


def test_a_temporary_failure_while_judging_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = service.gather, []

    def gone_once(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise TemporaryFailure("gone")
        return real(*args)

    monkeypatch.setattr(service, "gather", gone_once)
    assert world.check(a_header()).decision is ATTACH
    assert len(_rows(world, "study_check")) == 1


@pytest.mark.parametrize("url", ["sqlite:////nowhere/mpi.db", "postgresql://mpi@127.0.0.1:1/mpi"], ids=["sqlite", "pg"])
def test_a_database_that_is_gone_is_a_temporary_failure_and_no_answer(url: str) -> None:
    gate = Gate(Store(Database(url, lock_wait=1)), CONFIG, load_default())
    with pytest.raises(TemporaryFailure):
        gate.check(OPERATOR, a_header())


def test_a_database_taken_away_between_two_checks(migrated_sqlite_url: str) -> None:
    world = World(migrated_sqlite_url)
    assert world.check(a_header()).decision is ATTACH
    Path(migrated_sqlite_url.removeprefix("sqlite:///")).unlink()
    with pytest.raises(TemporaryFailure):
        world.check(a_header(study_uid=OTHER_STUDY))
    world.close()


def test_one_study_for_two_people_at_once_is_attached_to_one(world: World) -> None:
    headers = [a_header(), a_header(patient_id=rxx("101"), given_name="MARTA")] * 4
    answers: list[tuple[GateDecision, str | None]] = []
    start = threading.Barrier(len(headers))

    def ask(number: int) -> None:
        start.wait()
        answer = world.check(headers[number])
        answers.append((answer.decision, answer.person))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(headers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(headers)
    assert len({person for decision, person in answers if decision is ATTACH}) == 1
    # Who comes first gets it; the first object of the other one stops the study, and from then on all of it waits.
    assert [decision for decision, _ in answers].count(REFUSE) >= 1
    assert world.standing().decision is HOLD

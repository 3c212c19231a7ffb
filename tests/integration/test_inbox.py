"""What becomes of a message: kept once, applied once, answered the same when it comes again."""

import pytest
from sqlalchemy import text

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.errors import Conflict, NotAllowed, TemporaryFailure
from mpi.domain.messages import AckCode, Acknowledge, ErrorCode, Register, Severity
from mpi.store.inbox import Arrival, InboxTable
from tests.builders import a_record, nhs_number, with_wrong_check_digit
from tests.index import message, register, send

ADMIN = Actor("anna", "administrator")


def test_a_repeat_gets_the_same_answer_and_has_no_second_effect(app: App) -> None:
    first = message(Register(a_record("RXX", "1", birth_date="1968-13-24")), "c1")
    [one] = app.inbox.process([first])
    [two] = app.inbox.process([first])
    assert (two.ack, two.errors, two.record_id, two.message_id) == (one.ack, one.errors, one.record_id, one.message_id)
    assert two.repeated and not one.repeated
    assert app.overview.counts().records == 1


def test_a_repeat_within_one_batch_is_applied_once(app: App) -> None:
    first = message(Register(a_record("RXX", "1")), "c1")
    outcomes = app.inbox.process([first, first, first])
    assert [o.repeated for o in outcomes] == [False, True, True]
    assert app.overview.counts().records == 1


def test_a_control_id_used_again_with_other_bytes_is_kept_and_refused_and_can_be_replayed(app: App) -> None:
    send_first = message(Register(a_record("RXX", "1")), "c1")
    clash = message(Register(a_record("RXX", "2", given_name="Wilhelmina", birth_date="1931-02-03")), "c1")
    [_, refused] = app.inbox.process([send_first, clash])
    assert refused.ack is AckCode.ERROR and refused.errors[0].code == ErrorCode.DUPLICATE_KEY
    assert app.overview.counts().records == 1
    [kept] = app.inbox.unfinished()
    assert kept.raw == clash.raw and kept.state == "conflict"
    [again] = app.inbox.process([clash])
    assert again.repeated and again.ack is AckCode.ERROR
    replayed = app.inbox.replay(ADMIN, kept.id, clash)
    assert replayed.ack is AckCode.ACCEPTED
    assert app.overview.counts().records == 2
    assert app.inbox.unfinished() == []
    with pytest.raises(Conflict):
        app.inbox.replay(ADMIN, kept.id, clash)


def test_one_message_that_breaks_takes_no_other_with_it(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    real = app.registrar.register

    def sometimes(unit, record, cause, source):  # type: ignore[no-untyped-def]
        done = real(unit, record, cause, source)
        if record.local_id == "2":
            raise ZeroDivisionError
        return done

    monkeypatch.setattr(app.registrar, "register", sometimes)
    broken = message(Register(a_record("RXX", "2")), "c2")
    outcomes = app.inbox.process(
        [message(Register(a_record("RXX", "1"))), broken, message(Register(a_record("RXX", "3")))]
    )
    assert [o.ack for o in outcomes] == ["AA", "AR", "AA"]
    assert app.overview.counts().records == 2
    [kept] = app.inbox.unfinished()
    assert (kept.phase, kept.reason, kept.raw) == ("apply", "ZeroDivisionError", broken.raw)
    monkeypatch.undo()
    [afresh] = app.inbox.process([broken])
    assert afresh.ack is AckCode.ACCEPTED and not afresh.repeated
    assert app.overview.counts().records == 3


def test_after_a_lost_database_every_message_is_refused_and_none_is_stored(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = app.store.database.begin, []

    def gone(*, identities: bool):  # type: ignore[no-untyped-def]
        calls.append(identities)
        raise TemporaryFailure("gone")

    batch = [message(Register(a_record("RXX", str(n)))) for n in range(3)]
    monkeypatch.setattr(app.store.database, "begin", gone)
    assert [o.ack for o in app.inbox.process(batch)] == ["AR"] * 3
    assert len(calls) == 3, "a temporary failure is tried again"
    monkeypatch.setattr(app.store.database, "begin", real)
    assert app.overview.counts().messages == {}
    assert [(o.ack, o.repeated) for o in app.inbox.process(batch)] == [("AA", False)] * 3


def test_values_that_cannot_be_read_are_kept_named_by_field_and_counted(app: App) -> None:
    outcome = register(app, "RXX", "1", birth_date="1968-13-24", nhs_number=with_wrong_check_digit(nhs_number(1)))
    assert outcome.ack is AckCode.ACCEPTED
    assert {(e.field, e.severity) for e in outcome.errors} == {
        ("birth_date", Severity.WARNING),
        ("nhs_number", Severity.WARNING),
    }
    assert {(field, problem) for _, field, problem, _ in app.overview.counts().problems} == {
        ("birth_date", "impossible-date"),
        ("nhs_number", "check-digit"),
    }


def test_a_message_without_identity_change_is_kept_and_accepted(app: App) -> None:
    [outcome] = app.inbox.process([message(Acknowledge("a visit moved"))])
    assert outcome.ack is AckCode.ACCEPTED
    assert app.overview.counts().messages == {"AA": 1}


def test_a_second_sender_may_use_the_same_control_id(app: App) -> None:
    one = message(Register(a_record("RXX", "1")), "c1")
    other = message(Register(a_record("RYY", "2")), "c1")
    from dataclasses import replace

    outcomes = app.inbox.process([one, replace(other, facility="RYY")])
    assert [o.ack for o in outcomes] == ["AA", "AA"]


def test_no_audit_event_of_a_failed_message_is_left(app: App) -> None:
    [outcome] = send(app, a_record("RXX", "1"))
    with app.store.reading() as unit:
        before = unit.records.count()
    assert outcome.record_id is not None and before == 1


@pytest.mark.parametrize("role", ["viewer", "reviewer", "service", "feed"])
def test_only_roles_that_may_replay_do(app: App, role: str) -> None:
    clash = message(Register(a_record("RXX", "2")), "c1")
    app.inbox.process([message(Register(a_record("RXX", "1")), "c1"), clash])
    [kept] = app.inbox.unfinished()
    with pytest.raises(NotAllowed):
        app.inbox.replay(Actor("somebody", role), kept.id, clash)
    assert app.overview.counts().records == 1


def test_a_message_that_the_database_will_not_keep_takes_no_other_with_it(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = InboxTable.store

    def sometimes(self: InboxTable, arrival: Arrival) -> int:
        if arrival.control_id == "c2":
            self._connection.execute(text("INSERT INTO inbox_message (id) VALUES (NULL)"))
        return real(self, arrival)

    monkeypatch.setattr(InboxTable, "store", sometimes)
    batch = [message(Register(a_record("RXX", str(n))), f"c{n}") for n in (1, 2, 3)]
    assert [o.ack for o in app.inbox.process(batch)] == ["AA", "AR", "AA"]
    assert app.overview.counts().records == 2

"""An identity that its person left behind: kept, fed, and shown to nobody but who may."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import pytest
from sqlalchemy import select

from mpi.bootstrap import App
from mpi.config import Subscriber
from mpi.domain.audit import Action, Actor
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.messages import AckCode, Link, Merge, MergePair, Move
from mpi.domain.person import NHS, Identifier
from mpi.domain.review import TaskState, Verdict
from mpi.domain.roles import PERMISSIONS, Permission, Role
from mpi.domain.study import GateDecision, PatientId, StudyHeader
from mpi.services.decisions import Decision, Operation
from mpi.services.identity import Cause
from mpi.services.trace_export import Counts, Restricted
from mpi.store.tables import audit_event
from tests.builders import a_record, demographics, nhs_number
from tests.index import MACHINE, REVIEWER, SENIOR, merge, message, open_index, persons_of, register
from tests.invariants import check_index
from tests.notified import Taker, tell

OLD, NEW = nhs_number(1), nhs_number(2)
GUARDIAN = Actor("iris", Role.IG_AUDITOR.value)
WAS = {"given_name": "Martin", "sex": "male", "nhs_number": OLD, "nhs_number_status": "01"}
IS = {"given_name": "Maria", "sex": "female", "nhs_number": NEW, "nhs_number_status": "01"}


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """RXX 1 and RYY 1 knew the person before, RXX 2 knows the new identity."""
    app = open_index(migrated_url)
    register(app, "RXX", "1", **WAS)
    register(app, "RYY", "1", **WAS)
    register(app, "RXX", "2", **IS)
    yield app
    check_index(app.store)
    app.close()


@pytest.fixture
def hidden(app: App) -> tuple[str, str]:
    old, new = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert old != new
    app.protected.hide(GUARDIAN, old, new, "case 12")
    return old, new


LOOKS: dict[str, Callable[[App, str], object]] = {
    "search-by-nhs-number": lambda app, _: app.people.search(REVIEWER, nhs_number=OLD),
    "search-by-local-number": lambda app, _: app.people.search(REVIEWER, local_id="1"),
    "search-by-hospital-and-number": lambda app, _: app.people.search(REVIEWER, local_id="1", authority="RYY"),
    "search-by-name": lambda app, _: app.people.search(REVIEWER, family_name="Ashworth", birth_date="1968-03-24"),
    "match": lambda app, _: app.matcher.match(MACHINE, demographics(**WAS), authority="RZZ").candidates,
    "queue": lambda app, _: app.review.queue(REVIEWER).tasks,
    "home-page-counts": lambda app, _: [n for n in app.overview.counts().tasks_by_type.values() if n],
    "trace-export": lambda app, _: [
        row
        for row in app.trace_export.rows(GUARDIAN, Counts(), restricted=Restricted.WITHOUT_HOME, again=True)
        if row["nhs_number"] == OLD
    ],
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_nothing_that_users_see_leads_to_it(
    app: App, hidden: tuple[str, str], look: Callable[[App, str], object]
) -> None:
    old, _ = hidden
    shown = json.dumps([str(one) for one in look(app, old)])  # type: ignore[attr-defined]
    assert old not in shown
    assert OLD not in shown
    assert "Martin" not in shown
    assert "RYY" not in shown


def test_it_is_unknown_to_whoever_asks_by_its_own_names(app: App, hidden: tuple[str, str]) -> None:
    old, _ = hidden
    with pytest.raises(NotFound):
        app.people.person(REVIEWER, old)
    for authority, value in ((NHS, OLD), ("RXX", "1"), ("RYY", "1")):
        with pytest.raises(NotFound):
            app.people.crosswalk(MACHINE, authority, value)


def test_the_page_of_the_new_identity_says_nothing_of_it(app: App, hidden: tuple[str, str]) -> None:
    old, new = hidden
    page = json.dumps(asdict(app.people.person(REVIEWER, new)), default=str)
    for trace in (old, OLD, "Martin", "RYY", "case 12", "different people", "do-not-link", "protected"):
        assert trace not in page


def test_it_goes_on_taking_its_feed_and_stays_hidden(app: App, hidden: tuple[str, str]) -> None:
    old, new = hidden
    outcome = register(app, "RXX", "1", **WAS, postcode="EX4 9ZZ")
    assert outcome.ack is AckCode.ACCEPTED
    assert register(app, "RXX", "1", **{**WAS, "given_name": "Maria", "nhs_number": NEW}).ack is AckCode.ACCEPTED
    assert app.review.queue(REVIEWER).tasks == ()
    assert persons_of(app, ("RXX", "2")) == [new]
    with pytest.raises(NotFound):
        app.people.person(REVIEWER, old)


def test_a_new_record_of_the_person_joins_the_new_identity_alone(app: App, hidden: tuple[str, str]) -> None:
    _, new = hidden
    register(app, "RZZ", "7", **IS)
    assert persons_of(app, ("RZZ", "7")) == [new]
    assert app.review.queue(REVIEWER).tasks == ()


def test_a_merge_by_message_does_not_bring_the_two_together(app: App, hidden: tuple[str, str]) -> None:
    _, new = hidden
    assert merge(app, "1", "2").ack in (AckCode.ACCEPTED, AckCode.ERROR)
    assert persons_of(app, ("RXX", "2")) == [new]
    assert app.review.queue(REVIEWER).tasks == ()
    found = app.people.crosswalk(MACHINE, "RXX", "2").identifiers
    assert {entry.value for entry in found} == {"2", NEW}


@pytest.mark.parametrize("other", ["2", "9"], ids=["its-new-identity", "somebody-else"])
def test_no_message_brings_it_together_with_what_is_shown(app: App, hidden: tuple[str, str], other: str) -> None:
    old, new = hidden
    register(app, "RXX", "9", family_name="Brackenbury", given_name="Noor", birth_date="1991-11-02")
    [stranger] = persons_of(app, ("RXX", "9"))
    here, there = Identifier("RXX", "1"), Identifier("RXX", other)
    for command in (
        Link(here, there),
        Link(there, here),
        Move((MergePair(there, here),)),
        Merge((MergePair(there, here),)),
    ):
        app.inbox.process([message(command)])
    assert persons_of(app, ("RXX", "2"), ("RXX", "9")) == [new, stranger]
    assert app.review.queue(REVIEWER).tasks == ()
    for person in (new, stranger):
        view = app.people.person(REVIEWER, person)
        assert view.tasks == ()
        page = json.dumps(asdict(view), default=str)
        assert not [secret for secret in (old, OLD, "Martin") if secret in page]


def test_studies_go_to_the_new_identity_and_never_to_the_old_one(app: App, hidden: tuple[str, str]) -> None:
    _, new = hidden
    merge(app, "1", "2")  # held, and nobody's to see: it must not hold studies for good
    header = StudyHeader(
        study_uid="1.2.3",
        patient_id=PatientId("2", "RXX"),
        family_name="Ashworth",
        given_name="Maria",
        birth_date="19680324",
        sex="F",
        study_date="20240110",
        modality="CT",
    )
    answer = app.gate.check(MACHINE, header)
    assert (answer.decision, answer.person) == (GateDecision.ATTACH, new)
    for number in (PatientId("1", "RXX"), PatientId(OLD, "NHS")):
        answer = app.gate.check(MACHINE, replace(header, study_uid="1.2.4", patient_id=number, given_name="Martin"))
        assert answer.decision is not GateDecision.ATTACH
        assert (answer.person, answer.candidates) == (None, ())


def test_a_change_of_its_number_does_not_show_it(app: App, hidden: tuple[str, str]) -> None:
    merge(app, "1", "1-new")
    with pytest.raises(NotFound):
        app.people.crosswalk(MACHINE, "RXX", "1-new")


def test_who_may_is_told_and_each_look_is_audited(app: App, hidden: tuple[str, str]) -> None:
    old, new = hidden
    for asked in hidden:
        (found,) = app.protected.look(GUARDIAN, asked)
        assert (found.old, found.new, found.by) == (old, (new,), "iris")
    with app.store.reading() as unit:
        looks = select(audit_event.c.seq).where(audit_event.c.action == Action.PROTECTED_READ.value)
        assert len(unit.connection.execute(looks).all()) >= 2


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_who_may_look_and_who_may_hide(migrated_sqlite_url: str, role: Role) -> None:
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1", **WAS)
    register(app, "RXX", "2", **IS)
    actor = Actor("somebody", role.value)
    old, new = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    if Permission.PROTECT in PERMISSIONS[role]:
        app.protected.hide(actor, old, new, "case 12")
    else:
        with pytest.raises(NotAllowed):
            app.protected.hide(actor, old, new, "case 12")
    if Permission.SEE_PROTECTED not in PERMISSIONS[role]:
        with pytest.raises(NotAllowed):
            app.protected.look(actor, old)
    assert (Permission.SEE_PROTECTED in PERMISSIONS[role]) == (role is Role.IG_AUDITOR)
    app.close()


def test_hiding_is_taken_back_and_the_two_stay_apart(app: App, hidden: tuple[str, str]) -> None:
    old, new = hidden
    app.protected.show_again(GUARDIAN, old, "hidden by mistake")
    assert persons_of(app, ("RXX", "1"), ("RYY", "1"), ("RXX", "2")) == [old, old, new]
    with pytest.raises(Conflict):
        app.protected.show_again(GUARDIAN, old, "again")
    register(app, "RXX", "1", **{**IS})
    assert persons_of(app, ("RXX", "2")) == [new]


@pytest.fixture
def overwritten(migrated_url: str) -> Iterator[App]:
    """RXX 1 was one identity, and is another since a reviewer let the update through."""
    app = open_index(migrated_url)
    register(app, "RXX", "1", **WAS)
    register(app, "RXX", "1", **WAS, postcode="EX4 9ZZ")
    with app.store.writing() as unit:
        stored = unit.records.find("RXX", "1")
        assert stored is not None
        app.registrar.release(unit, stored, a_record("RXX", "1", **IS), Cause(GUARDIAN), "PAS")
    register(app, "RXX", "1", **IS, postcode="EX4 9ZY")
    yield app
    check_index(app.store)
    app.close()


def test_an_identity_that_was_written_over_is_hidden_with_its_past(overwritten: App) -> None:
    app = overwritten
    [person] = persons_of(app, ("RXX", "1"))
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
        assert stored is not None
        versions = unit.records.versions(stored)
    moment = versions[1].valid_from
    assert app.people.crosswalk(MACHINE, NHS, OLD, at=moment).enterprise_id == person
    app.protected.hide_past(GUARDIAN, "RXX", "1", "case 12")

    for asked in ((NHS, OLD), ("RXX", "1")):
        with pytest.raises(NotFound):
            app.people.crosswalk(MACHINE, *asked, at=moment)
    assert app.people.crosswalk(MACHINE, "RXX", "1").enterprise_id == person
    with pytest.raises(NotFound):
        app.people.crosswalk(MACHINE, NHS, OLD)
    with app.store.reading() as unit:
        stored = unit.records.find("RXX", "1")
        assert stored is not None
        assert all(one.recorded.nhs_number == NEW for one in unit.records.versions(stored))
    page = json.dumps(asdict(app.people.person(REVIEWER, person)), default=str)
    for trace in (OLD, "Martin", "left behind", "case 12"):
        assert trace not in page
    [found] = app.protected.look(GUARDIAN, person)
    assert found.new == (person,)
    assert register(app, "RXX", "1", **IS, postcode="EX4 9ZX").ack is AckCode.ACCEPTED
    assert persons_of(app, ("RXX", "1")) == [person]


def test_a_number_that_was_always_one_identity_has_no_past_to_hide(app: App) -> None:
    with pytest.raises(BadInput):
        app.protected.hide_past(GUARDIAN, "RXX", "1", "case 12")
    with pytest.raises(NotFound):
        app.protected.hide_past(GUARDIAN, "RXX", "no such number", "case 12")
    with pytest.raises(NotAllowed):
        app.protected.hide_past(REVIEWER, "RXX", "1", "case 12")


def test_the_history_of_the_new_identity_forgets_what_was_asked_about_both(migrated_sqlite_url: str) -> None:
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1", nhs_number=OLD, nhs_number_status="02")
    register(app, "RXX", "2", nhs_number=NEW, nhs_number_status="02")
    old, new = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.DIFFERENT, "adopted, was Martin")
    app.protected.hide(GUARDIAN, old, new, "case 12")
    page = json.dumps(asdict(app.people.person(REVIEWER, new)), default=str)
    for trace in (old, OLD, "Martin", "two different", "different people", "task.decided"):
        assert trace not in page
    assert "record.created" in page
    check_index(app.store)
    app.close()


@pytest.fixture
def separated(app: App) -> tuple[str, str, list[int], str]:
    """RXX 1 and RYY 1 were one person with RZZ 5 until a human said otherwise, with second thoughts between."""
    register(app, "RZZ", "5", **WAS)
    with app.store.reading() as unit:
        stored = unit.records.find("RZZ", "5")
        assert stored is not None
        before = stored.created_at
    first = app.decisions.do(SENIOR, Decision(Operation.UNLINK, Identifier("RZZ", "5")), "was Martin").change_id
    undone = app.undo.do(SENIOR, first, "second thoughts, was Martin").change_id
    again = app.undo.do(SENIOR, undone, "but was Martin").change_id
    old, new = persons_of(app, ("RXX", "1"), ("RZZ", "5"))
    assert old != new
    app.protected.hide(GUARDIAN, old, new, "case 12")
    return old, new, [first, undone, again], before


def test_no_undo_brings_back_what_was_separated_before_it_was_hidden(
    app: App, separated: tuple[str, str, list[int], str]
) -> None:
    old, new, changes, _ = separated
    for change in changes:
        with pytest.raises(NotFound):
            app.undo.change(SENIOR, change)
        with pytest.raises(NotFound):
            app.undo.do(SENIOR, change, "let me see")
    view = app.people.person(SENIOR, new)
    assert view.changes == ()
    page = json.dumps(asdict(view), default=str)
    assert not [trace for trace in (old, "was Martin", "second thoughts") if trace in page]
    (found,) = app.protected.look(GUARDIAN, new)
    assert (found.old, found.new) == (old, (new,))

    app.protected.show_again(GUARDIAN, old, "hidden by mistake")  # the two stay apart all the same
    with pytest.raises(Conflict):
        app.undo.do(SENIOR, changes[-1], "let me see")
    assert persons_of(app, ("RXX", "1"), ("RZZ", "5")) == [old, new]


def test_the_past_of_a_number_does_not_name_the_identity_that_it_left(
    app: App, separated: tuple[str, str, list[int], str]
) -> None:
    _, new, _, before = separated
    with pytest.raises(NotFound):
        app.people.crosswalk(MACHINE, "RZZ", "5", at=before)
    assert app.people.crosswalk(MACHINE, "RZZ", "5").enterprise_id == new


def test_the_question_that_let_an_identity_be_written_over_is_hidden_with_it(migrated_url: str) -> None:
    app = open_index(migrated_url)
    register(app, "RXX", "1", **WAS)
    register(app, "RXX", "1", **IS)
    [task] = app.review.queue(REVIEWER).tasks
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "Martin is Maria now")
    [person] = persons_of(app, ("RXX", "1"))
    app.protected.hide_past(GUARDIAN, "RXX", "1", "case 12")
    assert app.review.queue(SENIOR, state=TaskState.CLOSED).tasks == ()
    for look in (app.review.task, lambda actor, task_id: app.review.reopen(actor, task_id, "let me see")):
        with pytest.raises(NotFound):
            look(SENIOR, task.id)
    page = json.dumps(asdict(app.people.person(REVIEWER, person)), default=str)
    for trace in (OLD, "Martin", "changes the verified NHS number"):
        assert trace not in page
    register(app, "RXX", "1", **IS, phone="0113 496 0001")
    check_index(app.store)
    app.close()


def test_what_waits_for_a_subscriber_is_withdrawn_when_the_identity_is_hidden(app: App) -> None:
    subscriber = Subscriber("laboratory", "h", 1, ("RXX", "RYY"))
    old, new = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    with app.store.writing(identities=False) as unit:
        unit.outbox.enrol("laboratory", 0)
        stored = unit.outbox.subscriber("laboratory")
        assert stored is not None
        assert unit.outbox.take(stored, "a courier")
    app.outbox.look(subscriber, "a courier")
    with app.store.writing(identities=False) as unit:
        unit.outbox.release("laboratory", "a courier")
    app.protected.hide(GUARDIAN, old, new, "case 12")
    taker = Taker()
    tell(app, taker, subscriber)
    assert [one.told.identifiers for one in taker.taken] == [(("RXX", "2"),)]

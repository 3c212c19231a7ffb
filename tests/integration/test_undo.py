"""Taking changes back: exactly, whatever has happened since, with a preview that tells what will be done."""

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Action, Actor, AuditEvent
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.messages import Delete, Link
from mpi.domain.person import Identifier
from mpi.domain.review import TaskState, TaskType, Verdict
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study import GateDecision
from mpi.store.studies import NewCheck
from tests.builders import nhs_number
from tests.history import changes, kept_apart, last_change, picture
from tests.index import REVIEWER, SENIOR, merge, message, persons_of, register

N1, N2, N3 = nhs_number(41), nhs_number(42), nhs_number(43)
LITTLE = dict.fromkeys(("birth_date", "address_line", "postcode", "town", "sex"))
WHY = "the charts show two people"


def undo(app: App, change: int | None = None, *, keep_apart: bool | None = None) -> int:
    return app.undo.do(SENIOR, change or last_change(app), WHY, keep_apart=keep_apart).change_id


def a_task(app: App, one: tuple[str, str] = ("RXX", "1"), other: tuple[str, str] = ("RYY", "77")) -> int:
    """Two records that a human is asked about."""
    register(app, *one, nhs_number=N1)
    register(app, *other, nhs_number=N2)
    return next(
        t.id
        for t in app.review.queue(REVIEWER).tasks
        if t.left
        and t.right
        and {(t.left.authority, t.left.local_id), (t.right.authority, t.right.local_id)} == {one, other}
    )


def answer(app: App, task: int, verdict: Verdict) -> int:
    app.review.decide(REVIEWER, task, verdict, "seen the charts")
    return last_change(app)


def state_of(app: App, task: int) -> TaskState:
    return app.review.task(REVIEWER, task).summary.state


@pytest.mark.parametrize("verdict", [Verdict.SAME, Verdict.DIFFERENT])
def test_a_verdict_is_taken_back_and_asked_again(app: App, verdict: Verdict) -> None:
    task = a_task(app)
    before = picture(app), kept_apart(app)
    answer(app, task, verdict)
    assert (picture(app), kept_apart(app)) != before
    undo(app)
    assert (picture(app), kept_apart(app)) == before
    assert state_of(app, task) is TaskState.OPEN


@pytest.mark.parametrize("verdict", [Verdict.SAME, Verdict.DIFFERENT])
def test_an_undo_is_taken_back_and_the_change_holds_again(app: App, verdict: Verdict) -> None:
    task = a_task(app)
    before = picture(app), kept_apart(app)
    change = answer(app, task, verdict)
    decided = picture(app), kept_apart(app)
    first = undo(app, change)
    second = undo(app, first)
    assert (picture(app), kept_apart(app)) == decided and state_of(app, task) is TaskState.CLOSED
    undo(app, second)
    assert (picture(app), kept_apart(app)) == before and state_of(app, task) is TaskState.OPEN
    undo(app)
    assert (picture(app), kept_apart(app)) == decided


def test_a_merge_of_numbers_is_taken_back_exactly(app: App) -> None:
    register(app, "RXX", "1", **LITTLE)
    register(app, "RXX", "2")
    before = picture(app)
    merge(app, "1", "2")
    merged = picture(app)
    first = undo(app, keep_apart=False)
    assert picture(app) == before and kept_apart(app) == set()
    undo(app, first)
    assert picture(app) == merged


def test_a_merge_that_was_taken_back_is_not_made_again_by_matching(app: App) -> None:
    register(app, "RXX", "1", **LITTLE)
    register(app, "RXX", "2")
    merge(app, "1", "2")
    undo(app)
    assert len(kept_apart(app)) == 1
    register(app, "RXX", "1", phone="01134960000")
    one, two = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    register(app, "RXX", "2", phone="01134960000")
    assert persons_of(app, ("RXX", "1"), ("RXX", "2")) == [one, two]


def test_a_change_of_number_is_taken_back_with_what_was_said_since(app: App) -> None:
    register(app, "RXX", "1")
    [person] = persons_of(app, ("RXX", "1"))
    merge(app, "1", "2")
    register(app, "RXX", "2", phone="01134960000", nhs_number=N1)
    change = undo(app, changes(app)[0].id)
    assert picture(app) == {("RXX", "1"): (person, "active", None), ("RXX", "2"): (None, "merged", "1")}
    [record] = [r for r in app.people.person(REVIEWER, person).records if r.status == "active"]
    assert (record.local_id, record.recorded.phone, record.recorded.nhs_number) == ("1", "01134960000", N1)
    register(app, "RXX", "1", phone="01134960001", nhs_number=N1)
    undo(app, change)
    assert picture(app) == {("RXX", "1"): (None, "merged", "2"), ("RXX", "2"): (person, "active", None)}
    [record] = [r for r in app.people.person(REVIEWER, person).records if r.status == "active"]
    assert (record.local_id, record.recorded.phone) == ("2", "01134960001")


def test_an_automatic_link_is_taken_back_for_good(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77")
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert one == two
    undo(app)
    apart = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert apart[0] == one != apart[1]
    register(app, "RYY", "77", phone="01134960000")
    assert persons_of(app, ("RXX", "1"), ("RYY", "77")) == apart
    undo(app, next(c.id for c in changes(app) if c.undoes is not None))
    assert persons_of(app, ("RXX", "1"), ("RYY", "77")) == [one, one] and kept_apart(app) == set()


def test_who_joined_since_by_another_record_stays_with_that_record(app: App) -> None:
    task = a_task(app)
    first = answer(app, task, Verdict.SAME)
    register(app, "RZZ", "5", nhs_number=N1)
    [a, b, c] = persons_of(app, ("RXX", "1"), ("RYY", "77"), ("RZZ", "5"))
    assert a == b
    if c != a:
        last = max(t.id for t in app.review.queue(REVIEWER).tasks)
        answer(app, last, Verdict.SAME)
    undo(app, first)
    one, two, three = persons_of(app, ("RXX", "1"), ("RYY", "77"), ("RZZ", "5"))
    assert one != two and three in (one, two)


def test_an_earlier_join_is_taken_back_from_under_a_later_one(app: App) -> None:
    """X and Y became one, then Y and Z did: without the first, Y and Z are one and X stands alone."""
    x, y, z = ("RXX", "1"), ("RYY", "77"), ("RZZ", "5")
    first = answer(app, a_task(app, x, y), Verdict.SAME)
    alone = register(app, *z, nhs_number=N3)
    assert alone.ack == "AA"
    task = next(t for t in app.review.queue(REVIEWER).tasks if z in {(t.left.authority, t.left.local_id)})  # type: ignore[union-attr]
    joined = {(task.right.authority, task.right.local_id)}  # type: ignore[union-attr]
    second = answer(app, task.id, Verdict.SAME)
    whole = persons_of(app, x, y, z)
    assert len(set(whole)) == 1
    taken = undo(app, first)
    of = dict(zip((x, y, z), persons_of(app, x, y, z), strict=True))
    assert of[x] != of[y] and of[z] == of[joined.pop()]
    undo(app, second)
    assert len(set(persons_of(app, x, y, z))) == 3
    undo(app, taken)
    of = dict(zip((x, y, z), persons_of(app, x, y, z), strict=True))
    assert of[x] == of[y] != of[z]


def test_records_that_changed_since_come_back_as_they_are_now(app: App) -> None:
    task = a_task(app)
    before = picture(app)
    change = answer(app, task, Verdict.SAME)
    register(app, "RXX", "1", nhs_number=N1, phone="01134960000")
    register(app, "RYY", "77", nhs_number=N2, postcode="M13 9PL")
    undo(app, change)
    assert picture(app) == before
    for person in persons_of(app, ("RXX", "1"), ("RYY", "77")):
        [record] = app.people.person(REVIEWER, person).records
        assert record.recorded.phone == "01134960000" or record.recorded.postcode == "M13 9PL"


def test_the_preview_tells_what_is_then_done_and_does_nothing(app: App) -> None:
    change = answer(app, a_task(app), Verdict.SAME)
    before = picture(app)
    effect = app.undo.preview(SENIOR, change)
    assert picture(app) == before
    done = app.undo.do(SENIOR, change, WHY)
    assert done.effect == effect
    [moved] = effect.identifiers
    assert picture(app)[moved.identifier.authority, moved.identifier.value][0] == moved.to_person
    assert effect.persons_back == (moved.to_person,) and set(effect.sites) == {"RXX", "RYY"}
    assert [word for _, word in effect.tasks] == ["asked again"]


def test_a_change_is_taken_back_once(app: App) -> None:
    change = answer(app, a_task(app), Verdict.SAME)
    undo(app, change)
    with pytest.raises(Conflict):
        app.undo.do(SENIOR, change, WHY)
    with pytest.raises(NotFound):
        app.undo.do(SENIOR, 10**9, WHY)
    with pytest.raises(BadInput):
        app.undo.do(SENIOR, last_change(app), "  ")


@pytest.mark.parametrize("role", list(Role))
def test_only_who_may_undo_takes_changes_back(app: App, role: Role) -> None:
    change = answer(app, a_task(app), Verdict.SAME)
    actor = Actor("somebody", role.value)
    if can(role, Permission.UNDO):
        assert app.undo.do(actor, change, WHY).change_id
        return
    before = picture(app)
    for ask in (lambda: app.undo.do(actor, change, WHY), lambda: app.undo.preview(actor, change)):
        with pytest.raises(NotAllowed):
            ask()
    assert picture(app) == before


def test_a_message_that_changes_no_identity_leaves_no_change(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RXX", "1", phone="01134960000")
    assert changes(app) == []


def test_a_broken_task_of_the_past_is_not_opened_twice(app: App) -> None:
    change = answer(app, a_task(app), Verdict.SAME)
    for _ in range(3):
        change = undo(app, change)
    tasks = app.review.queue(REVIEWER).tasks
    assert len([t for t in tasks if t.type is TaskType.TWO_NHS_NUMBERS]) <= 1


def attach_study(app: App, authority: str, value: str) -> None:
    """An imaging study that the gate attached by a number."""
    with app.store.writing() as unit:
        record = unit.records.find(authority, value)
        assert record is not None
        current = unit.persons.current_link(unit.records.survivor(record).id)
        assert current is not None
        check = NewCheck("1.2.3", GateDecision.ATTACH, current.person_id, record.id, "{}", "[]", "1", "0" * 64)
        unit.studies.add_check(check, attached_to=None, event=AuditEvent(SENIOR, Action.STUDY_CHECKED))


def study_person(app: App) -> str:
    with app.store.reading() as unit:
        study = unit.studies.get("1.2.3")
        assert study is not None
        assert study.person_id is not None
        person = unit.persons.get([study.person_id])[study.person_id]
        return unit.persons.survivor(person).enterprise_id


def test_a_study_goes_with_the_number_it_came_by(app: App) -> None:
    register(app, "RXX", "1")
    register(app, "RYY", "77")
    attach_study(app, "RYY", "77")
    link = last_change(app)
    effect = app.undo.preview(SENIOR, link)
    assert [study for study, _ in effect.studies] == ["1.2.3"]
    undone = undo(app, link)
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "77"))
    assert study_person(app) == two != one
    undo(app, undone)
    assert study_person(app) == one


def test_a_study_goes_with_a_number_that_was_merged(app: App) -> None:
    register(app, "RXX", "1", **LITTLE)
    register(app, "RXX", "2")
    attach_study(app, "RXX", "1")
    before, survivor = persons_of(app, ("RXX", "1"), ("RXX", "2"))
    assert study_person(app) == before
    merge(app, "1", "2")
    assert study_person(app) == survivor
    undo(app)
    assert study_person(app) == before


def test_a_number_of_which_nothing_was_known_says_nothing_again(app: App) -> None:
    """A24 had made it; the number merged into it spoke for it meanwhile."""
    register(app, "RYY", "77", given_name="Tunde", family_name="Oyelaran", birth_date="1999-11-02", sex="male")
    app.inbox.process([message(Link(Identifier("RYY", "77"), Identifier("RYY", "99")))])
    before = picture(app), said_of(app, "99")
    merge(app, "77", "99", authority="RYY")
    merged = picture(app), said_of(app, "99")
    assert merged != before
    undone = undo(app, keep_apart=False)
    assert (picture(app), said_of(app, "99")) == before
    undo(app, undone)
    assert (picture(app), said_of(app, "99")) == merged


def said_of(app: App, value: str) -> dict[str, str]:
    with app.store.reading() as unit:
        record = unit.records.find("RYY", value)
        assert record is not None
        return record.recorded.as_dict()


def test_a_number_that_was_deleted_and_then_merged_is_deleted_again(app: App) -> None:
    register(app, "RXX", "1", **LITTLE)
    register(app, "RXX", "2")
    app.inbox.process([message(Delete(Identifier("RXX", "1")))])
    before = picture(app)
    [task] = app.review.queue(REVIEWER).tasks
    merge(app, "1", "2")
    assert state_of(app, task.id) is TaskState.CLOSED
    undo(app, keep_apart=False)
    assert picture(app) == before and before["RXX", "1"][1] == "deleted"
    assert state_of(app, task.id) is TaskState.OPEN

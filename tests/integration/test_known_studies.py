"""Where a person's studies are: what sites tell of them, and what becomes of it when people are merged and parted."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed, NotFound
from mpi.domain.known_study import KnownStudies, ReportStudies, StudyFilter, StudyNews, StudyState
from mpi.domain.messages import AckCode, MergePair, Move, Outcome
from mpi.domain.person import Identifier
from mpi.domain.review import Verdict
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study import GateDecision
from tests.builders import a_record, nhs_number
from tests.gate_world import a_header, rxx
from tests.index import MACHINE, SENIOR, merge, message, open_index, persons_of, register, send

CHEST, KNEE = "1.2.826.0.1.3680043.10.511.1", "1.2.826.0.1.3680043.10.511.2"
KATE = {"family_name": "Ellwood", "given_name": "Kate", "birth_date": "1987-06-14", "sex": "female"}
HOLT = {"family_name": "Holt", "given_name": "Peter", "birth_date": "1951-11-02", "sex": "male"}
AS_KATE = (("family_name", "Ellwood"), ("given_name", "Kate"), ("birth_date", "19870614"), ("sex", "F"))
AS_HOLT = (("family_name", "Holt"), ("given_name", "Peter"), ("birth_date", "19511102"), ("sex", "M"))
ALL = StudyFilter()


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    index = open_index(migrated_url)
    yield index
    index.close()


def tell(
    app: App,
    local_id: str,
    uid: str = CHEST,
    state: StudyState = StudyState.AVAILABLE,
    *,
    authority: str = "RXX",
    patient: tuple[tuple[str, str], ...] = (),
    said_at: str | None = None,
    **said: str,
) -> Outcome:
    """A message that tells of one study."""
    command = ReportStudies(Identifier(authority, local_id), (StudyNews(uid, state, **said),), patient, said_at)
    return app.inbox.process([message(command)])[0]


def of(app: App, local_id: str, authority: str = "RXX") -> KnownStudies:
    """What is known of the studies of whoever has this number."""
    return app.prior_studies.by_number(MACHINE, authority, local_id, ALL)


def uids(found: KnownStudies) -> list[str]:
    return [one.study_uid for one in found.studies]


def test_a_study_is_told_of_at_every_number_of_its_person(app: App) -> None:
    register(app, "RXX", "100", **KATE, nhs_number=nhs_number(1), nhs_number_status="01")
    register(app, "RYY", "900", **KATE, nhs_number=nhs_number(1), nhs_number_status="01")
    done = tell(app, "100", modality="CT", study_date="20240110", accession_number="ACC1", description="CT of chest")
    assert done.ack is AckCode.ACCEPTED
    found = of(app, "900", "RYY")
    study = found.studies[0]
    assert (study.study_uid, study.site, study.local_id, study.modality) == (CHEST, "RXX", "100", "CT")
    assert app.prior_studies.of_person(MACHINE, found.enterprise_id, ALL) == found


def test_what_a_later_message_does_not_say_stays(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    tell(app, "100", state=StudyState.SCHEDULED, modality="CT", study_date="20240110")
    tell(app, "100", state=StudyState.REPORTED, description="CT of chest")
    study = of(app, "100").studies[0]
    assert (study.state, study.modality, study.description) == (StudyState.REPORTED, "CT", "CT of chest")


def test_an_older_message_overwrites_nothing_and_fills_in_what_was_never_said(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    tell(app, "100", state=StudyState.REPORTED, said_at="20240111", modality="CT")
    tell(app, "100", state=StudyState.SCHEDULED, said_at="20240109", modality="MR", accession_number="ACC1")
    study = of(app, "100").studies[0]
    assert (study.state, study.modality, study.accession_number) == (StudyState.REPORTED, "CT", "ACC1")


def test_a_repeated_message_is_told_of_once(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    command = ReportStudies(Identifier("RXX", "100"), (StudyNews(CHEST, StudyState.AVAILABLE),))
    one = message(command, "C1")
    assert [o.repeated for o in app.inbox.process([one, one])] == [False, True]
    assert uids(of(app, "100")) == [CHEST]


def test_a_study_of_an_unknown_number_is_found_once_the_number_is_registered_and_merged(app: App) -> None:
    done = tell(app, "100")
    assert done.ack is AckCode.ACCEPTED
    assert "not known yet" in done.errors[0].text
    register(app, "RXX", "100", **KATE)
    register(app, "RXX", "200", **KATE | {"address_line": "1 Other Road"})
    assert uids(of(app, "100")) == [CHEST]
    merge(app, "100", "200")
    assert uids(of(app, "200")) == [CHEST]


def test_a_study_follows_a_merge_and_its_undoing(app: App) -> None:
    register(app, "RXX", "100", **KATE, nhs_number=nhs_number(1))
    register(app, "RXX", "200", **KATE | {"given_name": "Katherine", "address_line": "9 Far Away"})
    tell(app, "100")
    merge(app, "100", "200")
    found = of(app, "200")
    assert uids(found) == [CHEST]
    change = app.people.person(SENIOR, found.enterprise_id).changes[0].id
    app.undo.do(SENIOR, change, "merged by mistake")
    assert uids(of(app, "200")) == []
    assert uids(of(app, "100")) == [CHEST]


def test_a_study_follows_a_number_that_is_moved_to_another_person(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    register(app, "RXX", "200", **KATE | {"birth_date": "1987-06-15", "address_line": "9 Far Away"})
    tell(app, "100")
    pair = MergePair(Identifier("RXX", "200"), Identifier("RXX", "100"))
    app.inbox.process([message(Move((pair,)))])
    assert persons_of(app, ("RXX", "100")) == persons_of(app, ("RXX", "200"))
    assert uids(of(app, "200")) == [CHEST]


def test_a_number_that_is_given_to_somebody_else_leaves_its_studies_with_the_first(app: App) -> None:
    tell(app, "100")  # before the index knows the number, and without a word of the patient
    register(app, "RXX", "100", **KATE)
    first = of(app, "100").enterprise_id
    register(app, "RXX", "100", **HOLT)
    task = app.review.queue(SENIOR).tasks[0]
    app.review.decide(SENIOR, task.id, Verdict.REUSED, "the hospital gave the number out again")
    now = of(app, "100")
    assert now.enterprise_id != first
    assert uids(now) == []
    assert uids(app.prior_studies.of_person(MACHINE, first, ALL)) == [CHEST]


def test_a_study_whose_message_describes_somebody_else_is_withheld_until_the_record_says_the_same(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    tell(app, "100", patient=AS_HOLT)
    tell(app, "100", KNEE, patient=AS_KATE)
    found = of(app, "100")
    assert (uids(found), found.withheld) == ([KNEE], 1)
    tell(app, "100", patient=AS_KATE)
    found = of(app, "100")
    assert (sorted(uids(found)), found.withheld) == ([CHEST, KNEE], 0)


def test_a_study_told_of_two_people_is_withheld_from_both_until_one_of_them_is_withdrawn(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    register(app, "RXX", "200", **HOLT)
    tell(app, "100")
    tell(app, "200")
    assert [(uids(of(app, n)), of(app, n).withheld) for n in ("100", "200")] == [([], 1), ([], 1)]
    tell(app, "200", state=StudyState.WITHDRAWN)
    assert [(uids(of(app, n)), of(app, n).withheld) for n in ("100", "200")] == [([CHEST], 0), ([], 0)]


def test_a_study_told_of_a_number_that_nobody_knows_is_withheld_from_the_one_who_is_known(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    tell(app, "100")
    tell(app, "999")
    assert (uids(of(app, "100")), of(app, "100").withheld) == ([], 1)


def test_a_study_that_the_gate_attached_to_somebody_else_is_withheld(app: App) -> None:
    register(app, "RXX", "100", **KATE | {"nhs_number": nhs_number(1), "nhs_number_status": "01"})
    register(app, "RXX", "200", **HOLT)
    header = a_header(
        study_uid=CHEST, patient_id=rxx("100"), family_name="ELLWOOD", given_name="KATE", birth_date="19870614"
    )
    answer = app.gate.check(Actor("gate", Role.GATE_OPERATOR.value), header)
    assert answer.decision is GateDecision.ATTACH
    tell(app, "200")
    assert (uids(of(app, "200")), of(app, "200").withheld) == ([], 1)
    told = of(app, "100").studies
    assert [(one.study_uid, one.source, one.site, one.local_id) for one in told] == [(CHEST, "gate", "RXX", "100")]


def test_of_a_restricted_person_no_site_is_told(app: App) -> None:
    send(app, replace(a_record("RXX", "100", **KATE), restricted=True))
    tell(app, "100")
    found = of(app, "100")
    assert (found.studies, found.total, found.withheld, found.restricted) == ((), 0, 0, True)


def test_of_a_restricted_person_a_site_is_told_of_its_own_studies(app: App) -> None:
    send(app, replace(a_record("RXX", "100", **KATE), restricted=True))
    tell(app, "100")
    own = replace(MACHINE, sites=frozenset({"RXX"}))
    assert uids(app.prior_studies.by_number(own, "RXX", "100", ALL)) == [CHEST]


def test_a_site_is_told_everything_of_its_own_patients_and_nothing_of_others(app: App) -> None:
    register(app, "RXX", "100", **KATE, nhs_number=nhs_number(1), nhs_number_status="01")
    register(app, "RYY", "900", **KATE, nhs_number=nhs_number(1), nhs_number_status="01")
    register(app, "RXX", "200", **HOLT)
    tell(app, "100")
    tell(app, "200", KNEE)
    second = replace(MACHINE, sites=frozenset({"RYY"}))
    assert uids(app.prior_studies.by_number(second, "RYY", "900", ALL)) == [CHEST]
    with pytest.raises(NotFound):
        app.prior_studies.by_number(second, "RXX", "200", ALL)
    with pytest.raises(NotFound):
        app.prior_studies.of_person(second, persons_of(app, ("RXX", "200"))[0], ALL)


def test_studies_are_chosen_by_day_modality_and_site_and_come_in_pages(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    for number in range(5):
        tell(app, "100", f"{CHEST}.{number}", modality="CT" if number % 2 else "MR", study_date=f"2024010{number + 1}")
    ask = app.prior_studies.by_number
    days = ask(MACHINE, "RXX", "100", StudyFilter("20240102", "20240104"))
    assert [one.study_date for one in days.studies] == ["20240104", "20240103", "20240102"]
    assert len(ask(MACHINE, "RXX", "100", StudyFilter(modalities=frozenset({"CT"}))).studies) == 2
    assert ask(MACHINE, "RXX", "100", StudyFilter(site="RYY")).total == 0
    page = ask(MACHINE, "RXX", "100", ALL, limit=2, offset=2)
    assert ([one.study_date for one in page.studies], page.total) == (["20240103", "20240102"], 5)


def test_every_answer_is_in_the_audit_and_names_what_was_told(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    tell(app, "100")
    of(app, "100")
    with app.store.reading() as unit:
        rows = unit.connection.execute(_events())
        bodies = [json.loads(row.body) for row in rows]
    read = [body for body in bodies if body["action"] == "studies.read"]
    assert read[-1]["detail"]["told"] == [CHEST]
    assert [body["study_uid"] for body in bodies if body["action"] == "study.told"] == [CHEST]


def _events() -> object:
    from sqlalchemy import select

    from mpi.store.tables import audit_event

    return select(audit_event.c.body).order_by(audit_event.c.seq)


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_each_role_may_ask_as_the_table_of_roles_says(app: App, role: Role) -> None:
    actor = Actor("somebody", role.value)
    if can(role, Permission.LIST_STUDIES):
        with pytest.raises(NotFound):
            app.prior_studies.of_person(actor, "P000000000000", ALL)
    else:
        with pytest.raises(NotAllowed):
            app.prior_studies.of_person(actor, "P000000000000", ALL)


def test_an_identity_that_was_left_behind_is_not_known(app: App) -> None:
    register(app, "RXX", "100", **KATE)
    register(app, "RXX", "200", **HOLT)
    tell(app, "100")
    old, new = persons_of(app, ("RXX", "100"), ("RXX", "200"))
    app.protected.hide(Actor("ig", Role.IG_AUDITOR.value), old, new, "case 12")
    with pytest.raises(NotFound):
        of(app, "100")
    assert uids(of(app, "200")) == []

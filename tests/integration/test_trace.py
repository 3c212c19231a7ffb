"""Tracing: who is asked about, what each answer does, and what it never does."""

import csv
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Select, select

from mpi.bootstrap import App, build
from mpi.cli.trace import plain_cell
from mpi.cli.trace import trace as trace_command
from mpi.domain.audit import SYSTEM
from mpi.domain.errors import BadInput
from mpi.domain.person import NHS, Identifier, SourceRecord
from mpi.domain.queries import Asker, IdentifierQuery
from mpi.domain.review import TaskType, Verdict
from mpi.domain.study import GateDecision, PatientId, StudyHeader
from mpi.domain.trace import Fate
from mpi.services.identity import Cause
from mpi.services.trace_export import Counts, Restricted
from mpi.services.trace_import import Taken, TraceRow
from mpi.store.tables import audit_event
from mpi.web.words import nhs_number_of
from tests.builders import a_record, nhs_number, with_wrong_check_digit
from tests.index import MACHINE, REVIEWER, config_for, merge, open_index, persons_of, register, send
from tests.invariants import check_index
from tests.website import make_web, open_website_index, post, sign_in

OLD, NEW, OTHER = nhs_number(1), nhs_number(2), nhs_number(3)


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    app = open_index(migrated_url)
    yield app
    check_index(app.store)
    app.close()


@pytest.fixture
def one_app(migrated_sqlite_url: str) -> Iterator[App]:
    """On SQLite only: what the database is makes no difference."""
    app = open_index(migrated_sqlite_url)
    yield app
    check_index(app.store)
    app.close()


def exported(
    app: App, restricted: Restricted = Restricted.LEAVE_OUT, *, again: bool = False
) -> dict[str, dict[str, str]]:
    rows = app.trace_export.rows(SYSTEM, Counts(), restricted=restricted, again=again)
    return {f"{row['authority']} {row['local_id']}".strip(): row for row in rows}


def reference(app: App, authority: str, local_id: str) -> str:
    with app.store.reading() as unit:
        record = unit.records.find(authority, local_id)
        assert record is not None
        return f"R{record.id}-{record.version}"


def answer(app: App, ref: str, outcome: str, number: str = "") -> Taken:
    return app.trace_import.take(SYSTEM, [TraceRow(2, ref, outcome, number)], "answers.csv")[0]


def numbers(app: App, authority: str, local_id: str) -> set[tuple[str, bool]]:
    found = app.people.crosswalk(MACHINE, authority, local_id)
    return {(e.value, e.verified) for e in found.identifiers if e.authority == NHS and e.status == "active"}


def open_tasks(app: App) -> Counter[TaskType]:
    return Counter(task.type for task in app.review.queue(REVIEWER).tasks)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        pytest.param({}, True, id="no-number"),
        pytest.param({"nhs_number": OLD}, True, id="unverified"),
        pytest.param({"nhs_number": OLD, "nhs_number_status": "01"}, False, id="verified"),
        pytest.param({"nhs_number": OLD, "nhs_number_status": "03"}, True, id="status-03"),
        pytest.param({"nhs_number": OLD, "nhs_number_status": "04"}, True, id="status-04"),
        pytest.param({"nhs_number": OLD, "nhs_number_status": "05"}, True, id="status-05"),
        pytest.param({"nhs_number": OLD, "nhs_number_status": "06"}, False, id="in-progress"),
        pytest.param({"nhs_number_status": "07"}, False, id="not-needed"),
        pytest.param({"nhs_number_status": "08"}, False, id="postponed"),
        pytest.param({"nhs_number": with_wrong_check_digit(OLD)}, True, id="wrong-check-digit"),
        pytest.param({"birth_date": None}, False, id="no-birth-date"),
        pytest.param({"family_name": "UNKNOWN", "given_name": "MALE"}, False, id="placeholder-person"),
    ],
)
def test_who_is_traced(one_app: App, said: dict[str, str | None], asked: bool) -> None:
    app = one_app
    register(app, "RXX", "1", **said)
    assert ("RXX 1" in exported(app)) is asked


def test_the_fields_a_tracing_service_needs(app: App) -> None:
    register(
        app, "RXX", "1", middle_names="Jo", nhs_number=OLD, phone="+44 1632 960001", sex="2", birth_date="1968-03-24"
    )
    row = exported(app)["RXX 1"]
    assert row["nhs_number"] == OLD
    assert (row["gender"], row["birth_date"], row["other_given_names"]) == ("2", "19680324", "Jo")
    assert (row["address_line_1"], row["address_line_4"], row["postcode"]) == (
        "14 Quarry Bank",
        "Exampleton",
        "LS6 4QB",
    )
    assert row["phone"].startswith("0")


def test_restricted_people_are_left_out_or_told_without_their_home(app: App) -> None:
    send(app, a_record("RXX", "1"))
    send(app, _restricted("RYY", "2"))
    assert exported(app) == {}, "one address stands on all records of a person"
    hidden = exported(app, Restricted.WITHOUT_HOME)
    text = json.dumps(hidden)
    assert "LS6" not in text
    assert "Quarry" not in text
    assert "RYY" not in text
    with app.store.reading() as unit:
        looks = unit.connection.execute(_trace_looks()).all()
    assert len(looks) == 2


def _restricted(authority: str, local_id: str, **said: str | None) -> SourceRecord:
    return replace(a_record(authority, local_id, **said), restricted=True)


def _trace_looks() -> Select[tuple[int]]:
    return select(audit_event.c.seq).where(
        audit_event.c.action == "trace.exported", audit_event.c.person_id.is_not(None)
    )


def test_a_verified_number_confirms_the_record(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    done = answer(app, reference(app, "RXX", "1"), "verified", f"{OLD[:3]} {OLD[3:6]} {OLD[6:]}")
    assert done.fate is Fate.CONFIRMED
    assert numbers(app, "RXX", "1") == {(OLD, True)}
    assert exported(app) == {}
    with app.store.reading() as unit:
        record = unit.records.find("RXX", "1")
        assert record is not None
        row = unit.records.identifiers_of([record.id])[0]
        assert (row.status, row.verified_at is not None) == ("01", True)
        assert record.recorded.nhs_number_status is None, "what the hospital said stays as it said it"


def test_a_number_that_is_found_for_a_record_without_one_links_as_any_verified_number_would(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD, nhs_number_status="01")
    register(app, "RYY", "2", birth_date="1968-03-25", address_line=None, postcode=None, town=None, given_name="Mary")
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    assert one != two
    answer(app, reference(app, "RYY", "2"), "verified", OLD)
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    assert one == two or open_tasks(app)


def test_two_people_who_get_one_number_are_asked_about_and_not_joined(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD, nhs_number_status="01")
    register(app, "RYY", "2", family_name="Brackenbury", given_name="Noor", birth_date="1991-11-02", postcode="EX4 9ZZ")
    done = answer(app, reference(app, "RYY", "2"), "verified", OLD)
    assert done.fate is Fate.TASK
    one, two = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    assert one != two
    assert open_tasks(app) == {TaskType.NHS_NUMBER_TWO_PERSONS: 1}


def test_an_answer_is_taken_once(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    ref = reference(app, "RXX", "1")
    assert answer(app, ref, "verified", OLD).fate is Fate.CONFIRMED
    assert answer(app, ref, "verified", OLD).fate is Fate.REPEATED


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"nhs_number": OTHER}, id="another-number-was-sent"),
        pytest.param({"birth_date": "1968-03-25"}, id="another-birth-date-was-sent"),
        pytest.param({"given_name": "Marina"}, id="another-name-was-sent"),
    ],
)
def test_what_a_newer_message_said_is_never_overwritten(app: App, changed: dict[str, str]) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    ref = reference(app, "RXX", "1")
    register(app, "RXX", "1", **({"nhs_number": OLD} | changed))
    before = numbers(app, "RXX", "1")
    assert answer(app, ref, "verified", NEW).fate is Fate.STALE
    assert numbers(app, "RXX", "1") == before


def test_a_new_address_since_the_export_does_not_matter(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    ref = reference(app, "RXX", "1")
    register(app, "RXX", "1", nhs_number=OLD, postcode="EX4 9ZZ")
    assert answer(app, ref, "verified", OLD).fate is Fate.CONFIRMED
    register(app, "RXX", "1", nhs_number=OLD, postcode="EX4 9ZY")
    assert numbers(app, "RXX", "1") == {(OLD, True)}, "the answer outlives updates that it does not depend on"


def test_a_later_message_with_another_number_wins_over_the_answer(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    answer(app, reference(app, "RXX", "1"), "verified", OLD)
    register(app, "RXX", "1", nhs_number=OTHER)
    assert numbers(app, "RXX", "1") == {(OTHER, False)}


def test_an_answer_does_not_pass_to_somebody_else_under_the_same_local_number(app: App) -> None:
    register(app, "RXX", "1")
    answer(app, reference(app, "RXX", "1"), "verified", OLD)
    assert numbers(app, "RXX", "1") == {(OLD, True)}
    record = a_record(
        "RXX", "1", given_name="Oluwaseun", family_name="Brackenbury", birth_date="1991-11-02", sex="male"
    )
    with app.store.writing() as unit:
        stored = unit.records.find("RXX", "1")
        assert stored is not None
        app.registrar.release(unit, stored, record, Cause(SYSTEM), "PAS")
    assert numbers(app, "RXX", "1") == set()


def test_a_superseded_number_leads_to_its_survivor(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    register(app, "RYY", "2", nhs_number=OLD)
    done = answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    assert done.fate is Fate.CONFIRMED
    assert numbers(app, "RXX", "1") == {(NEW, True)}
    for number in (OLD, NEW):
        found = app.people.crosswalk(MACHINE, NHS, number)
        assert found.enterprise_id == persons_of(app, ("RXX", "1"))[0]
    assert app.people.crosswalk(MACHINE, NHS, OLD).superseded_by == NEW
    assert app.people.crosswalk(MACHINE, NHS, NEW).superseded_by is None
    assert ("RXX", "1") in {
        (record.authority, record.local_id)
        for person in app.people.search(REVIEWER, nhs_number=OLD)
        for record in person.records
    }


def test_the_gate_and_queries_follow_a_superseded_number_too(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD, nhs_number_status="01")
    header = StudyHeader(
        study_uid="1.2.3",
        patient_id=PatientId(OLD, "NHS"),
        family_name="Ashworth",
        given_name="Maria",
        birth_date="19680324",
        sex="F",
        study_date="20240110",
        modality="CT",
    )
    before = app.gate.check(MACHINE, header)
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    after = app.gate.check(MACHINE, header)
    assert (after.decision, after.person) == (before.decision, before.person) == (GateDecision.ATTACH, after.person)
    for asked in (OLD, NEW):
        asker = Asker("PACS", "RXX", frozenset({"RXX", NHS}))
        query = IdentifierQuery(asker, "1", Identifier(NHS, asked), frozenset({"RXX"}))
        [found] = app.identifier_queries.answer([query])
        assert Identifier("RXX", "1") in found.identifiers


def test_a_record_that_comes_with_the_old_number_later_is_the_same_person(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    register(app, "RYY", "2", nhs_number=OLD, nhs_number_status="01")
    register(app, "RZZ", "3", nhs_number=NEW, nhs_number_status="01")
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "2"), ("RZZ", "3")))) == 1
    assert open_tasks(app) == {}


def test_two_verified_numbers_are_no_longer_two_once_one_replaced_the_other(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD, nhs_number_status="01")
    register(app, "RYY", "2", nhs_number=NEW, nhs_number_status="01")
    assert open_tasks(app) == {TaskType.TWO_NHS_NUMBERS: 1}
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    assert len(set(persons_of(app, ("RXX", "1"), ("RYY", "2")))) == 1
    assert open_tasks(app) == {}


def test_the_carrier_of_a_superseded_number_that_was_merged_away_follows_too(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    register(app, "RXX", "2", nhs_number=OLD)
    merge(app, "2", "1")
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    assert numbers(app, "RXX", "1") == {(NEW, True)} or {n for n, _ in numbers(app, "RXX", "1")} == {NEW}


def test_chains_and_circles_of_superseded_numbers(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    register(app, "RYY", "2", nhs_number=NEW, family_name="Brackenbury", birth_date="1991-11-02", given_name="Noor")
    answer(app, reference(app, "RYY", "2"), "superseded", OTHER)
    assert app.people.crosswalk(MACHINE, "RXX", "1").identifiers
    assert {n for n, _ in numbers(app, "RXX", "1")} == {OTHER}
    register(app, "RZZ", "3", nhs_number=OTHER, family_name="Castellane", birth_date="1931-01-12", given_name="Piet")
    assert answer(app, reference(app, "RZZ", "3"), "superseded", OLD).fate is Fate.REFUSED


def test_a_replacement_is_taken_back(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    answer(app, reference(app, "RXX", "1"), "superseded", NEW)
    app.trace_import.restore(SYSTEM, OLD, "the service withdrew it")
    assert numbers(app, "RXX", "1") == {(OLD, False)}
    assert app.people.crosswalk(MACHINE, NHS, OLD).superseded_by is None


def test_a_conflict_keeps_the_number_out_of_links_and_asks(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    done = answer(app, reference(app, "RXX", "1"), "DEMOG-0040")
    assert done.fate is Fate.TASK
    (task,) = app.review.queue(REVIEWER).tasks
    assert task.type is TaskType.TRACE_CONFLICT
    assert app.review.task(REVIEWER, task.id).summary.left is not None
    app.review.decide(REVIEWER, task.id, Verdict.SAME, "seen the card")
    with app.store.reading() as unit:
        record = unit.records.find("RXX", "1")
        assert record is not None
        assert record.traced is None


def test_a_conflict_is_decided_on_its_page(migrated_sqlite_url: str) -> None:
    one_app = open_website_index(migrated_sqlite_url)
    register(one_app, "RXX", "1", nhs_number=OLD)
    answer(one_app, reference(one_app, "RXX", "1"), "conflict")
    [task] = one_app.review.queue(REVIEWER).tasks
    client = make_web(one_app)
    sign_in(client, "reviewer")
    for page in ("/review", f"/review/{task.id}"):
        shown = client.get(page)
        assert shown.status_code == 200
        assert "Tracing" in shown.text or "conflict with tracing" in shown.text
    post(client, f"/review/{task.id}", {"verdict": "same-person", "reason": "seen the card"})
    assert one_app.review.queue(REVIEWER).tasks == ()
    one_app.close()


@pytest.mark.parametrize(
    ("outcome", "returned", "shown"),
    [
        pytest.param("verified", OLD, (OLD, True, None), id="verified"),
        pytest.param("superseded", NEW, (NEW, True, "by tracing"), id="superseded"),
        pytest.param("conflict", "", (OLD, False, "trace needs resolving"), id="conflict"),
        pytest.param("no-match", "", (OLD, False, "trace tried"), id="no-match"),
        pytest.param("invalidated", "", (OLD, False, "withdrawn"), id="withdrawn"),
    ],
)
def test_pages_show_the_number_that_counts(
    one_app: App, outcome: str, returned: str, shown: tuple[str, bool, str | None]
) -> None:
    register(one_app, "RXX", "1", nhs_number=OLD, nhs_number_status="02")
    answer(one_app, reference(one_app, "RXX", "1"), outcome, returned)
    [person] = persons_of(one_app, ("RXX", "1"))
    view = one_app.people.person(REVIEWER, person)
    [record] = view.records
    found = nhs_number_of(record)
    assert {one.value for one in view.golden if one.field == "nhs_number"} == {shown[0]}
    number, verified, note = shown
    assert ((found.number or "").replace(" ", ""), found.verified) == (number, verified)
    assert (found.note is None) if note is None else note in (found.note or "")


def test_a_withdrawn_number_takes_no_part_any_more(app: App) -> None:
    register(app, "RXX", "1", nhs_number=OLD)
    assert answer(app, reference(app, "RXX", "1"), "invalidated").fate is Fate.SET_ASIDE
    assert numbers(app, "RXX", "1") == set()


def test_an_answer_of_nobody_is_not_asked_for_again_until_the_record_changes(app: App) -> None:
    register(app, "RXX", "1")
    assert answer(app, reference(app, "RXX", "1"), "no-match").fate is Fate.NOTED
    assert exported(app) == {}
    assert "RXX 1" in exported(app, again=True)
    register(app, "RXX", "1", birth_date="1986-03-24")
    assert "RXX 1" in exported(app) or open_tasks(app)


@pytest.mark.parametrize(
    ("ref", "outcome", "number"),
    [
        pytest.param("R999999-1", "verified", OLD, id="reference-of-nobody"),
        pytest.param("1", "verified", OLD, id="reference-of-another-form"),
        pytest.param("", "verified", OLD, id="no-reference"),
        pytest.param("R1-99", "verified", OLD, id="version-that-never-was"),
        pytest.param("R1-1", "perhaps", OLD, id="outcome-that-is-none"),
        pytest.param("R1-1", "verified", "", id="no-number"),
        pytest.param("R1-1", "verified", with_wrong_check_digit(OLD), id="wrong-check-digit"),
        pytest.param("R1-1", "verified", "0000000000", id="placeholder-number"),
    ],
)
def test_rows_that_cannot_be_used_change_nothing(one_app: App, ref: str, outcome: str, number: str) -> None:
    app = one_app
    register(app, "RXX", "1", nhs_number=OLD)
    real = reference(app, "RXX", "1")
    ref = ref.replace("R1-", real[: real.index("-") + 1])
    assert answer(app, ref, outcome, number).fate is Fate.REFUSED
    assert numbers(app, "RXX", "1") == {(OLD, False)}


def test_a_row_whose_columns_are_mixed_up_is_not_repeated(one_app: App) -> None:
    fate = answer(one_app, "Ashworth", OLD, "1968-03-24")
    assert (fate.fate, fate.reference, fate.outcome) == (Fate.REFUSED, "", "")
    assert OLD not in fate.reason


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"reference\nR1-1\n", id="no-outcome-column"),
        pytest.param(b"\x00\x01\x02\xff" * 50, id="binary"),
        pytest.param(b"a,b,c\n1,2,3\n", id="other-columns"),
    ],
)
def test_files_that_are_no_answers_are_refused(content: bytes, migrated_sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "traced.csv"
    file.write_bytes(content)
    result = CliRunner().invoke(trace_command, ["import", str(file), "--database", migrated_sqlite_url])
    assert isinstance(result.exception, BadInput)


def test_torn_and_odd_rows_are_refused_one_by_one(migrated_sqlite_url: str, tmp_path: Path) -> None:
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1")
    ref = reference(app, "RXX", "1")
    app.close()
    file = tmp_path / "traced.csv"
    file.write_text(
        f'Reference;OUTCOME;NHS_Number;more\n"torn;no-match;;\n{ref};no-match;;x\n;;;\n{ref};no-match\n', "utf-16"
    )
    result = CliRunner().invoke(trace_command, ["import", str(file), "--json", "--database", migrated_sqlite_url])
    fates = [row["fate"] for row in json.loads(result.stdout)["rows"]]
    assert sorted(fates) == ["noted", "refused", "refused", "refused"]


def test_answers_are_taken_while_the_feed_runs(migrated_url: str) -> None:
    app = open_index(migrated_url)
    for n in range(10):
        register(app, "RXX", f"{n}", nhs_number=nhs_number(n), birth_date=f"19{60 + n}-03-24")
    refs = [reference(app, "RXX", f"{n}") for n in range(10)]
    stop = threading.Event()

    def feed() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            register(
                app, "RYY", f"{turn % 10}", nhs_number=nhs_number(turn % 13), birth_date=f"19{60 + turn % 10}-03-24"
            )

    feeds = [threading.Thread(target=feed) for _ in range(4)]
    for one in feeds:
        one.start()
    try:
        for n, ref in enumerate(refs):
            answer(app, ref, *(("superseded", nhs_number(50 + n // 2)) if n % 2 else ("verified", nhs_number(n))))
    finally:
        stop.set()
        for one in feeds:
            one.join()
    check_index(app.store)
    with app.store.reading() as unit:
        standing = {unit.numbers.survivor(nhs_number(n)) for n in range(10)}
        for n in range(10):
            number = nhs_number(n)
            assert number in standing or unit.records.with_number(NHS, number) == [], "a superseded number stands"
    app.close()


def test_test_range_numbers_are_refused_in_a_live_hospital(migrated_url: str) -> None:
    config = config_for(migrated_url)
    live = build(replace(config, authorities=tuple(replace(a, test=False) for a in config.authorities)))
    register(live, "RXX", "1")
    assert answer(live, reference(live, "RXX", "1"), "verified", OLD).fate is Fate.REFUSED
    live.close()


def test_a_cell_that_a_spreadsheet_would_run_is_made_plain() -> None:
    assert [plain_cell(text) for text in ("=1+1", "@x", "-1", "+44", "Ashworth")] == [
        "'=1+1",
        "'@x",
        "'-1",
        "'+44",
        "Ashworth",
    ]


CONFIG = """
[[authorities]]
code = "RXX"
test = true
"""


def test_the_commands_export_import_and_report_each_row(migrated_sqlite_url: str, tmp_path: Path) -> None:
    app = open_index(migrated_sqlite_url)
    register(app, "RXX", "1", nhs_number=OLD)
    register(app, "RXX", "2", family_name='=HYPERLINK("x")', given_name="Noor", birth_date="1991-11-02")
    app.close()
    (tmp_path / "mpi.toml").write_text(CONFIG, encoding="utf-8")
    place = ["--database", migrated_sqlite_url, "--config", str(tmp_path / "mpi.toml")]
    out, back = tmp_path / "to-trace.csv", tmp_path / "traced.csv"
    done = CliRunner().invoke(trace_command, ["export", str(out), *place])
    assert done.exit_code == 0, done.output
    assert out.stat().st_mode & 0o077 == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["family_name"][:2] for row in rows] == ["As", "'="]
    lines = ["reference,outcome,nhs_number"]
    lines += [f"{rows[0]['reference']},verified,{OLD}", f"{rows[1]['reference']},no-match,", "R77-1,verified,1"]
    back.write_text("\n".join(lines), encoding="utf-8")
    for arguments, fates in (
        (["--dry-run"], ["confirmed", "noted", "refused"]),
        ([], ["confirmed", "noted", "refused"]),
        ([], ["repeated", "repeated", "refused"]),
    ):
        result = CliRunner().invoke(trace_command, ["import", str(back), "--json", *arguments, *place])
        assert result.exit_code == 10
        assert [row["fate"] for row in json.loads(result.stdout)["rows"]] == fates
    reported = (tmp_path / "traced.csv.fates.csv").read_text(encoding="utf-8")
    assert "repeated" in reported
    assert OLD not in reported

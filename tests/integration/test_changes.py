"""The feed of changes that other systems pull: what is in it, and that nothing is ever missed."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.config import Subscriber
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, NotAllowed
from mpi.domain.messages import Register
from mpi.domain.roles import Permission, Role, can
from mpi.services.changes import ChangedPerson
from mpi.services.outbox import Outbox
from mpi.web.app import create_app
from tests.builders import a_record, nhs_number
from tests.index import MACHINE, merge, message, persons_of, register
from tests.notified import Taker, refusals, tell
from tests.website import make_web, open_website_index, sign_in

SAME = {"family_name": "Ellwood", "birth_date": "1987-06-14", "nhs_number": nhs_number(7), "nhs_number_status": "01"}


def read(app: App, after: int = 0, limit: int = 1000) -> list[ChangedPerson]:
    return app.changes.read(MACHINE, after, limit)


def names(one: ChangedPerson) -> set[tuple[str, str, str]]:
    return {(i.authority, i.value, i.status) for i in one.identifiers or ()}


def test_a_person_is_told_with_all_identifiers(app: App) -> None:
    register(app, "RXX", "1", **SAME)
    register(app, "RYY", "2", **SAME)
    [line] = read(app)
    assert names(line) == {("RXX", "1", "active"), ("RYY", "2", "active"), ("NHS", nhs_number(7), "active")}
    assert line.person == persons_of(app, ("RXX", "1"))[0]
    assert (line.event, line.replaced_by, line.restricted) == ("link.made", None, False)
    assert read(app, line.cursor) == []


def test_pages_are_followed_by_cursor(app: App) -> None:
    for n in range(7):
        register(
            app, "RXX", str(n), family_name=f"Family{n}", birth_date=f"19{50 + n}-01-0{n + 1}", postcode=f"LS{n} 1AA"
        )
    found, cursor = [], 0
    while lines := read(app, cursor, 3):
        assert len(lines) <= 3
        assert [line.cursor for line in lines] == sorted(line.cursor for line in lines)
        assert lines[0].cursor > cursor
        cursor = lines[-1].cursor
        found += lines
    assert {value for line in found for _, value, _ in names(line)} == {str(n) for n in range(7)}


def test_a_merge_leads_the_old_number_and_the_old_person_on(app: App) -> None:
    register(app, "RXX", "1", nhs_number=nhs_number(41))
    register(app, "RXX", "2", family_name="Ashworth", phone="0113 496 0001")
    cursor = read(app)[-1].cursor
    merge(app, "2", "1")
    lines = {line.person: line for line in read(app, cursor)}
    [survivor] = persons_of(app, ("RXX", "1"))
    assert names(lines[survivor]) >= {("RXX", "1", "active"), ("RXX", "2", "merged")}
    assert all(line.replaced_by == survivor and line.identifiers == () for p, line in lines.items() if p != survivor)


def test_reading_and_address_changes_are_no_changes(app: App) -> None:
    register(app, "RXX", "1", **SAME)
    [line] = read(app)
    register(app, "RXX", "1", **SAME, town="Elsewhere")
    persons_of(app, ("RXX", "1"))
    assert read(app, line.cursor) == []


def test_of_a_restricted_person_no_identifier_is_told(app: App) -> None:
    record = replace(a_record("RXX", "1", **SAME), restricted=True)
    app.inbox.process([message(Register(record))])
    register(app, "RYY", "2", **SAME)
    [line] = read(app)
    assert line.restricted
    assert line.identifiers is None


def test_an_identity_that_is_left_behind_goes_from_sight_and_is_never_told_of_again(app: App) -> None:
    register(app, "RXX", "1", **SAME)
    register(app, "RYY", "2", family_name="Szabo", given_name="Zoltan", birth_date="1951-02-03", sex="male")
    old, new = persons_of(app, ("RXX", "1"), ("RYY", "2"))
    cursor = read(app)[-1].cursor
    app.protected.hide(Actor("ida", Role.IG_AUDITOR.value), old, new, "adopted")
    [line] = read(app, cursor)
    assert (line.person, line.identifiers, line.replaced_by, line.event) == (old, (), None, "changed")
    register(app, "RXX", "1", **{**SAME, "nhs_number": nhs_number(8)})
    assert read(app, line.cursor) == []
    register(app, "RZZ", "3", family_name="Quigley", given_name="Declan", birth_date="1931-01-09", sex="male")
    [later] = read(app, line.cursor, 1)
    assert names(later) == {("RZZ", "3", "active")}
    assert {one.person for one in read(app)} == {old, new, later.person}


def test_each_call_is_in_the_audit_once(app: App) -> None:
    register(app, "RXX", "1")
    [line] = read(app)
    read(app, line.cursor)
    with app.store.reading() as unit:
        bodies = unit.connection.execute(
            text("SELECT body FROM audit_event WHERE action = 'changes.read' ORDER BY seq")
        )
        details = [json.loads(body)["detail"] for body in bodies.scalars()]
    assert details == [{"to": line.cursor, "persons": [line.person]}, {"to": line.cursor, "persons": []}]


def test_who_may_not_is_refused_and_so_is_nonsense(app: App) -> None:
    with pytest.raises(NotAllowed):
        app.changes.read(Actor("vera", Role.VIEWER.value), 0, 10)
    for after, limit in ((-1, 10), (0, 0), (0, 1001)):
        with pytest.raises(BadInput):
            read(app, after, limit)
    with pytest.raises(Conflict, match="begin again"):
        read(app, 5)


def test_a_reader_beside_writers_misses_nothing(app: App) -> None:
    def write(authority: str) -> None:
        for n in range(12):
            register(app, authority, str(n), given_name=f"Given{n}", birth_date=f"19{40 + n}-01-0{n % 9 + 1}")

    writers = [threading.Thread(target=write, args=(authority,)) for authority in ("RXX", "RYY", "RZZ")]
    for writer in writers:
        writer.start()
    held: dict[str, ChangedPerson] = {}
    cursor = 0
    while True:
        alive = any(writer.is_alive() for writer in writers)
        lines = read(app, cursor, 5)
        for line in lines:
            held[line.person] = line
            cursor = line.cursor
        if not lines and not alive:
            break
    told = {name for line in held.values() if not line.replaced_by for name in names(line)}
    assert {(a, v) for a, v, _ in told} == {(a, str(n)) for a in ("RXX", "RYY", "RZZ") for n in range(12)}
    assert {p: held[p].identifiers for p in held} == {line.person: line.identifiers for line in read(app)}


@pytest.fixture
def client(app: App) -> Iterator[FlaskClient]:
    web = create_app(app, secret_key=b"k" * 32, secure_cookies=False, testing=True)
    with web.test_client() as found:
        yield found


def test_over_http_as_ndjson(app: App, client: FlaskClient) -> None:
    register(app, "RXX", "1", **SAME)
    token = app.users.issue_token(OPERATOR, "portal", Role.SERVICE)
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.get("/api/v1/changes?after=0&limit=10", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == "application/x-ndjson"
    [line] = [json.loads(one) for one in answer.text.splitlines()]
    assert {i["authority"] for i in line["identifiers"]} == {"RXX", "NHS"}
    assert set(line) == {"cursor", "at", "event", "person", "replaced_by", "restricted", "identifiers"}
    empty = client.get(f"/api/v1/changes?after={line['cursor']}", headers=headers)
    assert (empty.status_code, empty.text) == (200, "")
    assert client.get("/api/v1/changes?after=99999", headers=headers).status_code == 409
    assert client.get("/api/v1/changes?after=x", headers=headers).status_code == 422
    assert client.get("/api/v1/changes?limit=1001", headers=headers).status_code == 422
    assert client.get("/api/v1/changes").status_code == 401


def test_each_role_reads_changes_as_the_table_of_roles_says(app: App, client: FlaskClient) -> None:
    answered = {}
    for role in Role:
        token = app.users.issue_token(OPERATOR, role.value, role)
        answered[role] = client.get("/api/v1/changes", headers={"Authorization": f"Bearer {token}"}).status_code
    assert answered == {role: 200 if can(role, Permission.READ_CHANGES) else 403 for role in Role}


def test_how_it_stands_with_subscribers_is_seen_by_operators_and_harms_no_health(app: App) -> None:
    pacs = Subscriber("PACS", "127.0.0.1", 1, ("RXX",), refusals=1)
    app = replace(app, outbox=Outbox(app.store, replace(app.config, subscribers=(pacs,))))
    web = create_app(app, secret_key=b"k" * 32, secure_cookies=False, testing=True)
    app.outbox.enrol()
    register(app, "RXX", "1", **SAME)
    with web.test_client() as client:
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.get_json()["subscribers"]["PACS"].startswith("0 waiting, oldest")
        assert 'mpi_notifications_behind{subscriber="PACS"} 1.0' in client.get("/metrics").text
        taker = Taker()
        taker.answers = refusals(1)
        tell(app, taker, pacs)
        assert client.get("/health/ready").get_json()["subscribers"] == {"PACS": "AE 204; 1 given up"}
        figures = client.get("/metrics").text
    assert 'mpi_notifications_given_up{subscriber="PACS"} 1.0' in figures
    assert 'mpi_notifications_waiting{subscriber="PACS"} 0.0' in figures


def test_the_home_page_names_systems_that_are_told(migrated_sqlite_url: str) -> None:
    app = open_website_index(migrated_sqlite_url)
    pacs = Subscriber("PACS <b>", "127.0.0.1", 1, ("RXX",))
    app = replace(app, outbox=Outbox(app.store, replace(app.config, subscribers=(pacs,))))
    client = make_web(app)
    sign_in(client, Role.VIEWER.value)
    page = client.get("/").text
    app.close()
    assert "Systems that are told of changes" in page
    assert "PACS &lt;b&gt;" in page

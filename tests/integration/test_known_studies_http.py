"""Where a person's studies are, asked over HTTP as QIDO-RS asks, and told over HL7."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.roles import Permission, Role, can
from mpi.hl7 import adt
from tests.index import persons_of, register
from tests.website import make_web, open_website_index

PERSON = {"family_name": "Ellwood", "given_name": "Kate", "birth_date": "1987-06-14", "sex": "female"}
NUMBER = {"authority": "RXX", "value": "100"}
ORU = (
    r"MSH|^~\&|PAS|RXX|MPI|RXX|20240111102500||ORU^R01^ORU_R01|C{n}|P|2.5"
    "\r"
    "PID|1||100^^^RXX^MR||Ellwood^Kate||19870614|F\r"
    "OBR|1|||CTCHEST^CT of chest^LOCAL|||2024010{n}|||||||||||ACC{n}^RIS||||||CT|F\r"
    "OBX|1|ST|113014^DICOM Study^DCM||1.2.826.0.1.3680043.10.511.{n}||||||F\r"
)


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    register(index, "RXX", "100", **PERSON)
    for n in (1, 2, 3):
        raw = ORU.format(n=n).encode()
        index.inbox.process([adt.receive(raw, "test", index.config).inbound])
    yield index
    index.close()


def asking(app: App, role: Role = Role.SERVICE) -> tuple[FlaskClient, dict[str, str]]:
    token = app.users.issue_token(OPERATOR, f"of-{role.value}", role)
    return make_web(app), {"Authorization": f"Bearer {token}"}


def path_of(app: App) -> str:
    return f"/api/v1/persons/{persons_of(app, ('RXX', '100'))[0]}/studies"


def test_studies_are_answered_as_dicom_json_newest_first(app: App) -> None:
    client, headers = asking(app)
    answer = client.get(path_of(app), headers=headers)
    assert answer.status_code == 200
    assert answer.content_type == "application/dicom+json"
    found = answer.get_json(force=True)
    assert [one["0020000D"]["Value"][0][-1] for one in found] == ["3", "2", "1"]
    first = found[0]
    assert list(first) == sorted(first)
    assert first["00080020"] == {"vr": "DA", "Value": ["20240103"]}
    assert first["00080050"] == {"vr": "SH", "Value": ["ACC3"]}
    assert first["00080051"]["Value"][0]["00400031"]["Value"] == ["RIS"]
    assert first["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert (first["00100020"]["Value"], first["00100021"]["Value"]) == (["100"], ["RXX"])
    assert first["00100010"] == {"vr": "PN"}
    assert "Warning" not in answer.headers


def test_the_same_by_an_identifier_in_the_body(app: App) -> None:
    client, headers = asking(app)
    by_person = client.get(path_of(app), headers=headers)
    by_number = client.post("/api/v1/persons/studies", json=NUMBER, headers=headers)
    assert by_number.data == by_person.data


QUERIES = [
    pytest.param("limit=1&offset=1", ["2"], id="a page"),
    pytest.param("StudyDate=20240102-", ["3", "2"], id="from a day on"),
    pytest.param("StudyDate=-20240102", ["2", "1"], id="up to a day"),
    pytest.param("StudyDate=20240102", ["2"], id="one day"),
    pytest.param("ModalitiesInStudy=MR,CT", ["3", "2", "1"], id="one of two modalities"),
    pytest.param("StudyInstanceUID=1.2.826.0.1.3680043.10.511.1", ["1"], id="one study"),
    pytest.param("includefield=all&limit=1", ["3"], id="with more attributes asked for"),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_questions_of_qido(app: App, query: str, expected: list[str]) -> None:
    client, headers = asking(app)
    answer = client.get(f"{path_of(app)}?{query}", headers=headers)
    assert [one["0020000D"]["Value"][0][-1] for one in answer.get_json(force=True)] == expected
    assert answer.headers["X-Total-Count"]


WRONG = [
    pytest.param("PatientName=Ellwood", 400, id="a question that would name a patient"),
    pytest.param("limit=0", 422, id="a page of nothing"),
    pytest.param("StudyDate=2024", 422, id="half a day"),
    pytest.param("StudyInstanceUID=abc", 422, id="no unique identifier"),
]


@pytest.mark.parametrize(("query", "status"), WRONG)
def test_what_cannot_be_asked_is_refused(app: App, query: str, status: int) -> None:
    client, headers = asking(app)
    answer = client.get(f"{path_of(app)}?{query}", headers=headers)
    assert (answer.status_code, "Ellwood" in answer.text) == (status, False)


def test_nothing_known_is_204_and_nobody_404(app: App) -> None:
    client, headers = asking(app)
    register(app, "RYY", "900", family_name="Holt", given_name="Peter", birth_date="1951-11-02", sex="male")
    assert (
        client.post("/api/v1/persons/studies", json={"authority": "RYY", "value": "900"}, headers=headers).status_code
        == 204
    )
    assert (
        client.post("/api/v1/persons/studies", json={"authority": "RYY", "value": "1"}, headers=headers).status_code
        == 404
    )
    assert client.get("/api/v1/persons/PNOBODY/studies", headers=headers).status_code == 404


def test_what_is_withheld_is_said_in_a_warning(app: App) -> None:
    client, headers = asking(app)
    register(app, "RXX", "200", family_name="Holt", given_name="Peter", birth_date="1951-11-02", sex="male")
    raw = ORU.format(n=2).replace("100^^^RXX", "200^^^RXX").replace("|C2|", "|C9|").encode()
    app.inbox.process([adt.receive(raw, "test", app.config).inbound])
    answer = client.get(path_of(app), headers=headers)
    assert [one["0020000D"]["Value"][0][-1] for one in answer.get_json(force=True)] == ["3", "1"]
    assert answer.headers["Warning"].startswith('299 mpi "1 studies are withheld')


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
def test_each_role_may_ask_what_the_table_of_roles_says(app: App, role: Role) -> None:
    client, headers = asking(app, role)
    expected = 200 if can(role, Permission.LIST_STUDIES) else 403
    assert client.get(path_of(app), headers=headers).status_code == expected
    assert client.post("/api/v1/persons/studies", json=NUMBER, headers=headers).status_code == expected


def test_a_stranger_is_told_nothing(app: App) -> None:
    assert make_web(app).get(path_of(app)).status_code == 401

"""Decisions about studies over HTTP: who may, what is answered, and that all of it is described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.roles import Permission, Role, can
from mpi.domain.study import PatientId, StudyHeader
from tests.index import open_index, register
from tests.website import make_web

UID = "1.2.826.0.1.3680043.10.77"
WHY = {"reason": "rang the sending hospital"}
OVERRIDE = {"authority": "RXX", "value": "A1", "reason_code": "name-changed", **WHY}
CHECKER = Actor("gate", Role.SERVICE.value)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> Iterator[App]:
    file = tmp_path_factory.mktemp("web") / "mpi.db"
    file.write_bytes(_migrated_file.read_bytes())
    built = open_index(f"sqlite:///{file}")
    register(built, "RXX", "A1", family_name="Featherstone", given_name="Eve", birth_date="1971-05-02", sex="female")
    yield built
    built.close()


@pytest.fixture(scope="module")
def client(app: App) -> FlaskClient:
    return make_web(app)


@pytest.fixture(scope="module")
def tokens(app: App) -> dict[str, dict[str, str]]:
    names = {role.value: role for role in Role} | {"second": Role.GATE_OPERATOR}
    made = {name: app.users.issue_token(OPERATOR, name, role) for name, role in names.items()}
    return {name: {"Authorization": f"Bearer {token}"} for name, token in made.items()}


@pytest.fixture
def uid(app: App, request: pytest.FixtureRequest) -> str:
    """A study that is held because of its family name."""
    found = f"{UID}.{abs(hash(request.node.nodeid)) % 10**9}"
    header = StudyHeader(found, PatientId("A1", "RXX"), (), "HOLT", "EVE", None, "19710502", "F", "20240110")
    assert app.gate.check(CHECKER, header).decision == "hold"
    return found


def _post(client: FlaskClient, path: str, token: dict[str, str], body: dict[str, Any] | None = None) -> Any:
    return client.post(f"/api/v1/studies/{path}", json=body or WHY, headers=token)


def test_an_override_is_opened_confirmed_and_taken_back(
    client: FlaskClient, tokens: dict[str, dict[str, str]], uid: str
) -> None:
    mine, second = tokens["gate-operator"], tokens["second"]
    opened = _post(client, f"{uid}/override", mine, OVERRIDE).get_json()
    assert (opened["study"], opened["state"], opened["rules"]) == (uid, "open", ["family-name"])
    standing = client.get(f"/api/v1/studies/{uid}/standing", headers=mine).get_json()
    assert (standing["decision"], standing["verified"], standing["value"]) == ("attach", False, "A1")
    assert _post(client, f"{uid}/override/confirm", mine).status_code == 403
    assert _post(client, f"{uid}/override/confirm", second).get_json()["state"] == "confirmed"
    assert _post(client, f"{uid}/override/confirm", second).status_code == 409
    assert _post(client, f"{uid}/override/revoke", second).get_json()["state"] == "revoked"
    standing = client.get(f"/api/v1/studies/{uid}/standing", headers=mine).get_json()
    assert (standing["decision"], standing["person"], standing["value"]) == ("hold", None, None)


def test_a_study_is_refused_released_and_detached(
    app: App, client: FlaskClient, tokens: dict[str, dict[str, str]], uid: str
) -> None:
    mine = tokens["gate-operator"]
    assert _post(client, f"{uid}/refuse", mine).get_json()["decision"] == "refuse"
    answer = _post(client, f"{uid}/release", mine)
    assert answer.status_code == 409
    assert "family-name" in answer.get_json()["detail"]
    assert _post(client, f"{uid}/detach", mine).status_code == 409
    assert _post(client, f"{uid}/keep", mine).status_code == 409


@pytest.mark.parametrize("path", ["override", "override/confirm", "override/revoke", "detach", "refuse", "keep"])
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_each_role_may_decide_what_the_table_of_roles_says(
    role: Role, path: str, client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    answer = _post(client, f"{UID}/{path}", tokens[role.value], OVERRIDE if path == "override" else None)
    assert answer.status_code == (404 if can(role, Permission.DECIDE_STUDY) else 403)


@pytest.mark.parametrize(
    ("left_out", "field"), [(name, name) for name in OVERRIDE], ids=[f"without {name}" for name in OVERRIDE]
)
def test_an_override_that_says_too_little_is_refused_by_the_field(
    left_out: str, field: str, client: FlaskClient, tokens: dict[str, dict[str, str]], uid: str
) -> None:
    body = {name: value for name, value in OVERRIDE.items() if name != left_out}
    answer = _post(client, f"{uid}/override", tokens["gate-operator"], body)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.get_json()["errors"]] == [field]


def test_every_address_is_described(client: FlaskClient) -> None:
    paths = client.get("/api/v1/openapi.json").get_json()["paths"]
    found = {path.removeprefix("/api/v1/studies/{uid}/") for path in paths if "{uid}" in path}
    wanted = {"override", "override/confirm", "override/revoke", "detach", "refuse", "release", "keep", "standing"}
    assert wanted <= found

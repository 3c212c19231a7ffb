"""The machine interface: tokens, roles, answers, problem documents, limits, the description, health and metrics."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.dicom.header import header_from_file, header_from_json
from mpi.domain.errors import TemporaryFailure
from mpi.domain.roles import Permission, Role, can
from mpi.services.match import Matcher
from mpi.services.overview import Health, Overview
from mpi.web.api import LARGEST_JSON
from tests.builders import a_record, demographics, nhs_number
from tests.index import send
from tests.website import MARKUP, make_web, open_website_index, put_people, sign_in

PERSON = demographics(family_name="Featherstone", given_name="Zephaniah", birth_date="1951-11-02", sex="male").as_dict()
CROSSWALK = {"authority": "RXX", "value": "A1002"}
STUDY: dict[str, Any] = {
    "0020000D": {"vr": "UI", "Value": ["2.25.1234567890123"]},
    "00100020": {"vr": "LO", "Value": ["A1002"]},
    "00100021": {"vr": "LO", "Value": ["RXX"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Featherstone^Zephaniah"}]},
    "00100030": {"vr": "DA", "Value": ["19511102"]},
    "00100040": {"vr": "CS", "Value": ["M"]},
    "00080020": {"vr": "DA", "Value": ["20200101"]},
}
PATHS = {
    "/api/v1/match": (Permission.MATCH, PERSON),
    "/api/v1/crosswalk": (Permission.QUERY_CROSSWALK, CROSSWALK),
    "/api/v1/studies/check": (Permission.CHECK_STUDY, STUDY),
    "/api/v1/decisions": (
        Permission.DECIDE,
        {"operation": "unlink", "authority": "RXX", "value": "A1002", "dry_run": True},
    ),
    "/api/v1/undo": (Permission.UNDO, {"change": 1, "dry_run": True}),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> Iterator[App]:
    file = tmp_path_factory.mktemp("api") / "mpi.db"
    file.write_bytes(_migrated_file.read_bytes())
    index = open_website_index(f"sqlite:///{file}")
    put_people(index)
    yield index
    index.close()


@pytest.fixture(scope="module")
def client(app: App) -> FlaskClient:
    return make_web(app, read_study_json=header_from_json, read_study_file=header_from_file)


@pytest.fixture(scope="module")
def tokens(app: App) -> dict[Role, str]:
    return {role: app.users.issue_token(OPERATOR, f"of-{role.value}", role) for role in Role}


@pytest.fixture(scope="module")
def service(tokens: dict[Role, str]) -> dict[str, str]:
    """The headers of a caller in the role service."""
    return {"Authorization": f"Bearer {tokens[Role.SERVICE]}"}


def problem_of(answer: TestResponse) -> dict[str, Any]:
    """The problem document, checked for its form (RFC 9457)."""
    assert answer.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.text)
    assert document["status"] == answer.status_code
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    assert re.fullmatch(r"[a-z-]+", document["code"])
    return document


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("path", PATHS)
def test_each_role_may_call_what_the_table_of_roles_says(
    client: FlaskClient, tokens: dict[Role, str], path: str, role: Role
) -> None:
    permission, body = PATHS[path]
    answer = client.post(path, json=body, headers={"Authorization": f"Bearer {tokens[role]}"})
    if can(role, permission):
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403
        assert problem_of(answer)["code"] == "not-allowed"


STRANGERS = [
    pytest.param({}, id="no token"),
    pytest.param({"Authorization": "Bearer"}, id="an empty token"),
    pytest.param({"Authorization": "Bearer mpi_made-up"}, id="a made-up token"),
    pytest.param({"Authorization": "Basic cmV2aWV3ZXI6eA=="}, id="name and password"),
    pytest.param({"Authorization": "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}"}, id="a letter that is not ASCII"),
]


@pytest.mark.parametrize("headers", STRANGERS)
@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_is_refused_before_the_body_is_read(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = client.post(path, data=b"{ no JSON", content_type="application/json", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    problem_of(answer)


def test_a_revoked_token_is_refused(app: App, client: FlaskClient) -> None:
    token = app.users.issue_token(OPERATOR, "soon-gone", Role.SERVICE)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.post("/api/v1/crosswalk", json=CROSSWALK, headers=headers).status_code == 200
    app.users.revoke_token(OPERATOR, "soon-gone")
    assert client.post("/api/v1/crosswalk", json=CROSSWALK, headers=headers).status_code == 401


def test_a_signed_in_browser_is_no_caller(app: App) -> None:
    browser = make_web(app)
    sign_in(browser, "senior-reviewer")
    assert browser.post("/api/v1/match", json=PERSON).status_code == 401


def test_match_tells_the_person_with_the_weight_and_its_reasons(
    app: App, client: FlaskClient, service: dict[str, str]
) -> None:
    answer = client.post("/api/v1/match", json=PERSON, headers=service)
    body = answer.get_json()
    assert answer.status_code == 200
    assert body["outcome"] == "link"
    best = body["candidates"][0]
    assert best["person"] == app.people.crosswalk(_machine(), "RXX", "A1002").enterprise_id
    assert (best["authority"], best["value"]) in {("RXX", "A1002"), ("RYY", "B2002")}
    evidence = {e["comparison"]: e for e in best["evidence"]}
    assert evidence["family_name"]["label"] == "same"
    assert evidence["family_name"]["bits"] > 0
    assert best["weight"] >= app.model.thresholds.link
    assert body["model"] == app.model.hash


def _machine() -> Any:
    from tests.index import MACHINE

    return MACHINE


def test_match_weighs_no_home_of_a_restricted_person(app: App, client: FlaskClient, service: dict[str, str]) -> None:
    said = {"family_name": "Okonkwo", "given_name": "Adaeze", "birth_date": "1990-05-05", "sex": "female"}
    home = {"address_line": "9 Hidden Close", "town": "Secretham", "postcode": "ZE1 0AA", "phone": "01595 496000"}
    kept = a_record("RXX", "A9001", nhs_number=nhs_number(20), nhs_number_status="01", **said, **home)
    send(app, replace(kept, restricted=True))
    asked = said | {"nhs_number": nhs_number(20), "nhs_number_status": "01"}
    answers = [
        client.post("/api/v1/match", json=asked | guess, headers=service).get_json()
        for guess in (home, home | {"address_line": "1 Elsewhere", "postcode": "LS1 1AA", "phone": "0113 496 0001"})
    ]
    assert answers[0]["candidates"]
    assert answers[0]["candidates"] == answers[1]["candidates"]


def test_match_names_values_that_it_could_not_use_and_does_not_repeat_them(
    client: FlaskClient, service: dict[str, str]
) -> None:
    asked = PERSON | {"birth_date": "1951-13-40", "nhs_number": "9990000035"}
    answer = client.post("/api/v1/match", json=asked, headers=service)
    assert answer.status_code == 200
    assert {"field": "birth_date", "problem": "impossible-date"} in answer.get_json()["problems"]
    assert "1951-13-40" not in answer.text
    assert "9990000035" not in answer.text


def test_match_finds_nobody_like_a_stranger(client: FlaskClient, service: dict[str, str]) -> None:
    asked = {"family_name": "Quillfeather", "given_name": "Ignatius", "birth_date": "1933-08-19"}
    body = client.post("/api/v1/match", json=asked, headers=service).get_json()
    assert (body["outcome"], body["candidates"]) == ("apart", [])


def test_a_row_of_a_person_file_may_be_sent_as_it_is(client: FlaskClient, service: dict[str, str]) -> None:
    row = PERSON | {"record_id": "A1", "authority": "RXX", "limit": 1}
    body = client.post("/api/v1/match", json=row, headers=service).get_json()
    assert len(body["candidates"]) == 1


def test_crosswalk_tells_the_identifiers_of_the_same_person(client: FlaskClient, service: dict[str, str]) -> None:
    body = client.post("/api/v1/crosswalk", json=CROSSWALK, headers=service).get_json()
    found = {(i["authority"], i["value"], i["kind"], i["verified"]) for i in body["identifiers"]}
    assert found == {
        ("NHS", nhs_number(2), "national", True),
        ("RXX", "A1002", "local", False),
        ("RYY", "B2002", "local", False),
    }
    narrowed = client.post("/api/v1/crosswalk", json=CROSSWALK | {"target": ["RYY"]}, headers=service).get_json()
    assert [i["value"] for i in narrowed["identifiers"]] == ["B2002"]
    assert narrowed["person"] == body["person"]


def test_the_gate_answers_a_study_with_every_rule(client: FlaskClient, service: dict[str, str]) -> None:
    answer = client.post(
        "/api/v1/studies/check",
        data=json.dumps(STUDY),
        content_type="application/dicom+json",
        headers=service,
    )
    body = answer.get_json()
    assert answer.status_code == 200
    assert body["decision"] in {"attach", "hold", "refuse"}
    assert body["study"] == "2.25.1234567890123"
    assert body["rules"]
    assert all(set(rule) == {"rule", "outcome", "on_failure", "reason"} for rule in body["rules"])


def test_the_gate_reads_a_dicom_file(client: FlaskClient, service: dict[str, str], tmp_path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    data = Dataset.from_json(json.dumps(STUDY))
    data.StudyInstanceUID = "2.25.998"
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, "2.25.999"
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = tmp_path / "one.dcm"
    data.save_as(file, enforce_file_format=True)
    answer = client.post(
        "/api/v1/studies/check", data=file.read_bytes(), content_type="application/dicom", headers=service
    )
    assert answer.status_code == 200
    assert answer.get_json()["study"] == "2.25.998"


BAD = [
    pytest.param("/api/v1/match", b"{ no JSON", "application/json", 400, "bad-request", id="no JSON"),
    pytest.param("/api/v1/match", b"\xff\xfe", "application/json", 400, "bad-request", id="no text"),
    pytest.param("/api/v1/match", b"", "application/json", 400, "bad-request", id="an empty body"),
    pytest.param("/api/v1/match", b"[" * 100_000, "application/json", 400, "bad-request", id="nested without end"),
    pytest.param(
        "/api/v1/match",
        b'{"limit": ' + b"1" * 10_000 + b"}",
        "application/json",
        400,
        "bad-request",
        id="a number of 10,000 digits",
    ),
    pytest.param(
        "/api/v1/match",
        json.dumps(PERSON).encode(),
        "text/plain",
        415,
        "unsupported-media-type",
        id="JSON that is not called so",
    ),
    pytest.param(
        "/api/v1/crosswalk",
        b"authority=RXX&value=Featherstone",
        "application/x-www-form-urlencoded",
        415,
        "unsupported-media-type",
        id="a form",
    ),
    pytest.param("/api/v1/match", b"[1]", "application/json", 422, "bad-input", id="a list"),
    pytest.param("/api/v1/match", b'{"limit": 0}', "application/json", 422, "bad-input", id="a limit of 0"),
    pytest.param(
        "/api/v1/match", b'{"family_name": {"Featherstone": 1}}', "application/json", 422, "bad-input", id="an object"
    ),
    pytest.param(
        "/api/v1/match", b'{"Featherstone": "Zephaniah"}', "application/json", 422, "bad-input", id="an unknown field"
    ),
    pytest.param(
        "/api/v1/match",
        json.dumps({"family_name": "Featherstone" * 100}).encode(),
        "application/json",
        422,
        "bad-input",
        id="a name of 1,200 letters",
    ),
    pytest.param("/api/v1/crosswalk", b"{}", "application/json", 422, "bad-input", id="nothing asked"),
    pytest.param(
        "/api/v1/crosswalk",
        b'{"authority": "Featherstone", "value": "1"}',
        "application/json",
        422,
        "unknown-authority",
        id="an unknown authority",
    ),
    pytest.param(
        "/api/v1/crosswalk",
        b'{"authority": "RXX", "value": "Featherstone"}',
        "application/json",
        404,
        "not-found",
        id="an unknown number",
    ),
    pytest.param("/api/v1/studies/check", b"x", "text/plain", 415, "unsupported-media-type", id="plain text"),
    pytest.param("/api/v1/studies/check", b"{ no", "application/dicom+json", 422, "json", id="no DICOM JSON"),
    pytest.param("/api/v1/studies/check", b"Featherstone", "application/dicom", 422, None, id="no DICOM file"),
    pytest.param(
        "/api/v1/studies/check",
        b" " * (LARGEST_JSON + 1),
        "application/json",
        413,
        "request-entity-too-large",
        id="too much DICOM JSON",
    ),
    pytest.param(
        "/api/v1/match",
        b" " * (LARGEST_JSON + 1),
        "application/json",
        413,
        "request-entity-too-large",
        id="too much JSON",
    ),
]


@pytest.mark.parametrize(("path", "body", "kind", "status", "code"), BAD)
def test_a_bad_request_gets_a_problem_document_without_what_was_sent(
    client: FlaskClient, service: dict[str, str], path: str, body: bytes, kind: str, status: int, code: str | None
) -> None:
    answer = client.post(path, data=body, content_type=kind, headers=service)
    assert answer.status_code == status
    document = problem_of(answer)
    assert code is None or document["code"] == code
    assert "Featherstone" not in answer.text
    assert "Zephaniah" not in answer.text


def test_the_problem_names_the_field(client: FlaskClient, service: dict[str, str]) -> None:
    answer = client.post("/api/v1/crosswalk", json={"authority": "RXX"}, headers=service)
    assert [error["field"] for error in problem_of(answer)["errors"]] == ["value"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/match", 405), ("POST", "/api/v1/nope", 404)])
def test_wrong_addresses_and_methods_are_problems_too(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    problem_of(answer)


FAILURES = [
    pytest.param(TemporaryFailure("gone"), 503, "temporary", id="the database does not answer"),
    pytest.param(RuntimeError("Featherstone"), 500, "internal", id="a fault of ours"),
]


@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
def test_a_failure_is_a_problem_without_values(
    client: FlaskClient,
    service: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(Matcher, "match", fail)
    answer = client.post("/api/v1/match", json=PERSON, headers=service)
    assert answer.status_code == status
    assert problem_of(answer)["code"] == code
    assert "Featherstone" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_without_the_library_the_gate_says_which_extra_is_missing(app: App, service: dict[str, str]) -> None:
    answer = make_web(app).post("/api/v1/studies/check", json=STUDY, headers=service)
    assert answer.status_code == 501
    assert "mpi[dicom]" in problem_of(answer)["detail"]


def test_the_description_names_every_address_and_the_bearer_token(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    one_study = {path for path in document["paths"] if path.startswith("/api/v1/studies/{uid}/")}
    assert set(document["paths"]) - one_study == {
        *PATHS,
        "/api/v1/changes",
        "/api/v1/person",
        "/api/v1/persons/{person}/studies",
        "/api/v1/persons/studies",
        "/api/v1/studies",
    }
    for path in PATHS:
        operation = document["paths"][path]["post"]
        assert operation["security"] == [{"bearer": []}]
        assert {"200", "401", "403", "422"} <= set(operation["responses"])
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    answer = document["components"]["schemas"]["StudyAnswer"]["properties"]
    assert {"decision", "person", "rules", "study"} <= set(answer)


def test_live_and_ready_answer_without_signing_in(client: FlaskClient) -> None:
    assert client.get("/health/live").get_json() == {"status": "alive"}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.get_json()["status"] == "ready"


def test_not_ready_is_503_and_says_which_check_failed(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Overview, "health", lambda _self: Health(False, {"schema": "run mpi migrate"}))
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.get_json() == {"status": "not ready", "checks": {"schema": "run mpi migrate"}}


def test_a_database_that_is_gone_is_not_ready_but_alive(migrated_sqlite_url: str) -> None:
    app = open_website_index(migrated_sqlite_url)
    web = make_web(app)
    app.close()
    Path(migrated_sqlite_url.removeprefix("sqlite:///")).unlink()
    assert web.get("/health/ready").status_code == 503
    assert web.get("/health/live").status_code == 200
    assert web.get("/metrics").status_code == 503
    app.close()


def test_metrics_count_and_name_nobody(app: App, client: FlaskClient) -> None:
    text = client.get("/metrics").text
    counts = app.overview.counts()
    assert f"mpi_persons {counts.persons}.0" in text
    assert f"mpi_records {counts.records}.0" in text
    assert f'mpi_review_tasks{{state="open"}} {counts.tasks_open}.0' in text
    assert 'mpi_messages{outcome="AA"}' in text
    assert 'mpi_value_problems{field="sex",problem="unknown-code",source="PAS|RXX"} 2.0' in text
    for value in ("Ashworth", "Featherstone", MARKUP, nhs_number(0), "A1001"):
        assert value not in text

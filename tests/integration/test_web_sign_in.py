"""Signing in over HTTP: cookies, sessions, forms without their token, ways back."""

import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.services.users import FAILURES_ALLOWED
from mpi.web.app import create_app
from mpi.web.security import CONTENT_SECURITY_POLICY, safe_next, secret_key
from tests.website import PASSWORD, SECRET, csrf_of, make_web, open_website_index, post, sign_in


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    yield index
    index.close()


@pytest.fixture
def client(app: App) -> FlaskClient:
    return make_web(app)


def cookie_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("mpi")
    assert cookie is not None
    return cookie.value


def test_who_is_not_signed_in_is_asked_to_and_comes_back(client: FlaskClient) -> None:
    asked = client.get("/review?state=waiting")
    assert asked.status_code == 303
    assert asked.headers["Location"] == "/sign-in?next=/review?state%3Dwaiting"
    form = client.get(asked.headers["Location"])
    assert 'name="next" value="/review?state=waiting"' in form.text
    answer = sign_in(client, "reviewer", next="/review?state=waiting")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/review?state=waiting")
    assert client.get("/review?state=waiting").status_code == 200


WAYS_BACK = [
    pytest.param("/review?page=2", "/review?page=2", id="a page of ours"),
    pytest.param("https://evil.example/", "/", id="another host"),
    pytest.param("//evil.example/", "/", id="another host without a scheme"),
    pytest.param("/\\evil.example/", "/", id="a backslash that browsers read as a slash"),
    pytest.param("\\\\evil.example/", "/", id="two backslashes"),
    pytest.param("/\t/evil.example/", "/", id="a tab that browsers leave out"),
    pytest.param("/\n//evil.example", "/", id="a line end"),
    pytest.param("javascript:alert(1)", "/", id="a script"),
    pytest.param("", "/", id="nothing"),
    pytest.param(None, "/", id="not given"),
]


@pytest.mark.parametrize(("target", "way"), WAYS_BACK)
def test_the_way_back_stays_on_this_site(target: str | None, way: str) -> None:
    assert safe_next(target) == way


@pytest.mark.parametrize(("target", "way"), [p for p in WAYS_BACK if p.values[0]])
def test_no_sign_in_sends_anybody_to_another_host(client: FlaskClient, target: str, way: str) -> None:
    assert sign_in(client, "reviewer", next=target).headers["Location"] == way


def test_an_unknown_name_a_wrong_password_and_a_locked_account_get_the_same_answer(client: FlaskClient) -> None:
    def answer(name: str, password: str) -> str:
        page = sign_in(client, name, password)
        assert page.status_code == 422
        without_token = re.sub(r'name="csrf_token" value="[^"]+"', "", page.text)
        return without_token.replace(name, "NAME")

    unknown = answer("mallory", PASSWORD)
    wrong = answer("reviewer", "not the password")
    for _ in range(FAILURES_ALLOWED):
        locked = answer("reviewer", PASSWORD if _ == FAILURES_ALLOWED - 1 else "not the password")
    assert unknown == wrong == locked
    assert sign_in(client, "reviewer").status_code == 422


def test_an_empty_form_says_what_is_missing_and_the_title_says_error(client: FlaskClient) -> None:
    page = sign_in(client, "", "")
    assert page.status_code == 422
    assert "<title>Error: Sign in" in page.text
    assert "Enter your name" in page.text
    assert "Enter your password" in page.text


def test_the_password_is_never_in_the_answer(client: FlaskClient) -> None:
    assert "not the password" not in sign_in(client, "reviewer", "not the password").text


def test_signing_in_makes_a_new_session_that_an_old_cookie_cannot_follow(app: App) -> None:
    victim, attacker = make_web(app), make_web(app)
    attacker.get("/sign-in")
    victim.set_cookie("mpi", cookie_of(attacker))  # planted before the victim signs in
    token = csrf_of(victim.get("/sign-in"))
    assert (
        victim.post("/sign-in", data={"csrf_token": token, "name": "reviewer", "password": PASSWORD}).status_code == 303
    )
    assert cookie_of(victim) != cookie_of(attacker)
    assert attacker.get("/review").status_code == 303
    # The token from before the sign-in is worth nothing after it.
    assert victim.post("/sign-out", data={"csrf_token": token}).status_code == 400


def test_signing_out_ends_every_copy_of_the_cookie(app: App) -> None:
    one, copy = make_web(app), make_web(app)
    sign_in(one, "reviewer")
    copy.set_cookie("mpi", cookie_of(one))
    assert copy.get("/review").status_code == 200
    assert post(one, "/sign-out", {}, form="/").status_code == 303
    assert one.get("/review").status_code == 303
    assert copy.get("/review").status_code == 303


def test_signing_out_takes_a_post(client: FlaskClient) -> None:
    sign_in(client, "reviewer")
    assert client.get("/sign-out").status_code == 405
    assert client.get("/").status_code == 200


FORMS = [
    pytest.param("/sign-in", id="signing in"),
    pytest.param("/sign-out", id="signing out"),
    pytest.param("/search", id="searching"),
    pytest.param("/review/1", id="deciding"),
]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", [{}, {"csrf_token": "made-up"}], ids=["without a token", "with a made-up token"])
def test_a_form_without_its_token_is_refused(client: FlaskClient, path: str, token: dict[str, str]) -> None:
    sign_in(client, "reviewer")
    answer = client.post(path, data={"name": "reviewer", "password": PASSWORD, **token})
    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text


def test_a_token_of_another_session_is_refused(app: App) -> None:
    one, other = make_web(app), make_web(app)
    sign_in(one, "reviewer")
    sign_in(other, "viewer")
    token = csrf_of(one.get("/search"))
    assert other.post("/search", data={"csrf_token": token, "by": "name"}).status_code == 400


def test_the_cookie_travels_by_tls_only_and_no_script_reads_it(app: App) -> None:
    web = create_app(app, secret_key=SECRET).test_client()
    cookie = web.get("/sign-in", base_url="https://index.example").headers["Set-Cookie"]
    assert cookie.startswith("__Host-mpi=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie


def test_the_cookie_of_a_demonstration_without_tls_says_so_by_its_name(client: FlaskClient) -> None:
    cookie = client.get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("mpi=")
    assert "Secure" not in cookie
    assert "HttpOnly" in cookie


def test_a_forged_cookie_is_nobody(app: App) -> None:
    other = create_app(app, secret_key=b"another key", secure_cookies=False).test_client()
    sign_in(other, "administrator")
    client = make_web(app)
    client.set_cookie("mpi", cookie_of(other))
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nope", "/health/live", "/api/v1/openapi.json", "/static/mpi.css"])
def test_every_answer_carries_the_headers_that_protect_browsers(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Cache-Control"] == ("public, max-age=3600" if path.startswith("/static") else "no-store")


def test_the_policy_allows_nothing_inline_and_no_other_host() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_browsers_are_told_to_come_by_tls_only_where_there_is_tls(app: App) -> None:
    secure = create_app(app, secret_key=SECRET).test_client().get("/sign-in", base_url="https://index.example")
    assert "max-age=" in secure.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in make_web(app).get("/sign-in").headers


def test_the_log_has_routes_and_no_queries_paths_or_bodies(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        sign_in(client, "reviewer")
        client.get("/review?type=Featherstone")
        client.get("/Featherstone/1951-11-02")
        client.get("/persons/Featherstone")
        post(
            client, "/search", {"by": "name", "family_name": "Featherstone", "day": "2", "month": "11", "year": "1951"}
        )
    lines = [f"{record.getMessage()} {getattr(record, 'facts', '')}" for record in caplog.records]
    assert any("/persons/<enterprise_id>" in line for line in lines)
    assert any("/search" in line for line in lines)
    assert not any(word in line for line in lines for word in ("Featherstone", "1951", "reviewer", PASSWORD))


def test_the_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "var")
    assert len(key) >= 32
    assert secret_key(tmp_path / "var") == key
    file = tmp_path / "var" / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [f.name for f in file.parent.iterdir()] == ["secret.key"]


def test_the_secret_key_of_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPI_SECRET_KEY", "from the environment")
    assert secret_key(tmp_path) == b"from the environment"
    assert list(tmp_path.iterdir()) == []

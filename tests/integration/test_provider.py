"""Signing in at a provider by OpenID Connect, against a real one on loopback."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from mpi.bootstrap import App, build
from mpi.cli.options import OPERATOR
from mpi.config import Config, InvalidConfiguration, Provider
from mpi.domain.errors import Conflict
from mpi.domain.roles import Role
from mpi.services.provider import values
from tests.index import config_for
from tests.website import make_web, post

ROLES = {"mpi-admins": "administrator", "mpi-reviewers": "reviewer"}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider asks the client for a secret, and takes any."""
    monkeypatch.setenv("MPI_OIDC_CLIENT_SECRET", "a secret of the client")


def configured(url: str, issuer: str, **more: Any) -> Config:
    provider = Provider(issuer, "mpi", "Example Sign-in", "groups", ROLES, **more)
    return replace(config_for(url), provider=provider)


@pytest.fixture
def app(migrated_sqlite_url: str, provider_url: str) -> Iterator[App]:
    index = build(configured(migrated_sqlite_url, provider_url))
    yield index
    index.close()


@pytest.fixture
def bound(migrated_sqlite_url: str, provider_url: str) -> Iterator[App]:
    """An index at which sites are mapped, only strong sign-ins count, and passwords of its own do not."""
    more = {"site_claim": "sites", "sites": {"R1": "RXX", "R2": "RYY"}, "acr": ("AAL3",), "local_accounts": False}
    index = build(configured(migrated_sqlite_url, provider_url, **more))
    yield index
    index.close()


def started(client: FlaskClient, way: str = "/sign-in/provider") -> str:
    """The address at the provider that the browser is sent to."""
    answer = client.get(way)
    assert answer.status_code == 302
    return answer.headers["Location"]


def agreed(address: str, subject: str) -> str:
    """The way back after the person has signed in there."""
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=10)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def enter(client: FlaskClient, subject: str, way: str = "/sign-in/provider") -> TestResponse:
    return client.get(agreed(started(client, way), subject))


def test_the_first_sign_in_makes_an_account_with_what_the_provider_says(app: App) -> None:
    client = make_web(app)
    answer = enter(client, "s-rita", "/sign-in/provider?next=/review")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/review")
    assert client.get("/review").status_code == 200
    assert enter(make_web(app), "s-rita").status_code == 303
    [account] = app.users.accounts(OPERATOR)
    assert (account.name, account.role, account.sites) == ("ritareviewer", Role.REVIEWER, None)
    assert account.provider == app.config.provider.issuer  # type: ignore[union-attr]
    assert "You sign in at" in client.get("/account").text


def test_the_request_carries_pkce_state_and_nonce_and_never_the_same_twice(app: App) -> None:
    asked = [parse_qs(urlsplit(started(make_web(app))).query) for _ in range(2)]
    for one in asked:
        assert one["code_challenge_method"] == ["S256"]
        assert one["response_type"] == ["code"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


def test_sites_come_from_the_claim_and_follow_it(bound: App) -> None:
    client = make_web(bound)
    assert enter(client, "s-sita").status_code == 303
    [account] = bound.users.accounts(OPERATOR)
    assert account.sites == ("RXX",)
    bound.users.set_access(OPERATOR, "sita", Role.VIEWER, ["RYY"])
    assert client.get("/review").status_code == 303, "the change ended the session"
    enter(client, "s-sita")
    [account] = bound.users.accounts(OPERATOR)
    assert (account.role, account.sites) == (Role.REVIEWER, ("RXX",))


REFUSED = [
    pytest.param("s-nora", "gives you a role", id="no role"),
    pytest.param("s-rita", "gives you a site", id="no site"),
    pytest.param("s-wim", "not strong enough", id="signed in too weakly"),
    pytest.param("s-adam", "gives you a site", id="a role that concerns every site, bound to one"),
]


@pytest.mark.parametrize(("subject", "why"), REFUSED)
def test_whom_the_mapping_gives_nothing_stays_out_and_leaves_a_line(bound: App, subject: str, why: str) -> None:
    client = make_web(bound)
    answer = enter(client, subject)
    assert answer.status_code == 403
    assert why in answer.text
    assert client.get("/").status_code == 303
    assert bound.users.accounts(OPERATOR) == []


def test_a_name_at_the_provider_takes_no_account_of_ours(app: App) -> None:
    app.users.add(OPERATOR, "administrator", Role.VIEWER, "seven lanterns over the canal")
    enter(make_web(app), "s-adam")
    found = {one.name: (one.role, one.provider is None) for one in app.users.accounts(OPERATOR)}
    assert found == {"administrator": (Role.VIEWER, True), "administrator-2": (Role.ADMINISTRATOR, False)}


def test_an_account_of_a_provider_has_no_password_here(app: App) -> None:
    enter(make_web(app), "s-rita")
    assert app.users.sign_in("ritareviewer", "!") is None
    assert app.users.sign_in("ritareviewer", "") is None
    with pytest.raises(Conflict):
        app.users.set_password(OPERATOR, "ritareviewer", "seven lanterns over the canal")


def test_a_lock_of_ours_holds_against_the_provider(app: App) -> None:
    client = make_web(app)
    enter(client, "s-rita")
    app.users.set_lock(OPERATOR, "ritareviewer", True)
    assert client.get("/").status_code == 303
    assert enter(client, "s-rita").status_code == 403


def test_an_answer_that_was_not_asked_for_lets_nobody_in(app: App) -> None:
    victim, attacker = make_web(app), make_web(app)
    stolen = agreed(started(attacker), "s-adam")
    assert victim.get(stolen).status_code == 502, "another browser's answer"
    started(victim)
    assert victim.get(stolen).status_code == 502, "another answer than the one that was asked for"
    assert victim.get("/").status_code == 303
    assert attacker.get(stolen).status_code == 303
    assert attacker.get(stolen).status_code == 502, "the same answer twice"


def test_an_answer_for_another_question_or_signed_by_somebody_else_is_refused(app: App) -> None:
    client = make_web(app)
    way = agreed(started(client), "s-rita")
    with client.session_transaction() as session:
        [state] = [key for key in session if key.startswith("_state_provider_")]
        session[state]["data"]["nonce"] = "another"
        session.modified = True
    assert client.get(way).status_code == 502
    way = agreed(started(client), "s-rita")
    metadata = client.application.extensions["mpi-provider"].server_metadata
    named = requests.get(metadata["jwks_uri"], timeout=10).json()["keys"][0]
    forged = RSAKey.generate_key(2048).as_dict(private=False)
    metadata["jwks"] = {"keys": [named | {"n": forged["n"], "e": forged["e"]}]}
    assert client.get(way).status_code == 502
    assert client.get("/").status_code == 303


@pytest.mark.parametrize("answer", ["?error=access_denied&error_description=<script>", "?code=x", "", "?state=x"])
def test_what_comes_back_is_never_written_into_the_page(app: App, answer: str) -> None:
    page = make_web(app).get(f"/sign-in/provider/back{answer}")
    assert page.status_code == 502
    assert "<script>alert" not in page.text
    assert "access_denied" not in page.text


def test_signing_in_makes_a_new_session_and_ends_the_one_before_it(app: App) -> None:
    client = make_web(app)
    client.get("/sign-in")
    planted = client.get_cookie("mpi")
    enter(client, "s-rita")
    fresh = client.get_cookie("mpi")
    assert planted is not None
    assert fresh is not None
    assert planted.value != fresh.value
    started_again = client.get("/sign-in/provider")
    assert (started_again.status_code, started_again.headers["Location"]) == (303, "/")


def test_no_way_back_leads_to_another_host(app: App) -> None:
    answer = enter(make_web(app), "s-rita", "/sign-in/provider?next=//evil.example/")
    assert answer.headers["Location"] == "/"


def test_signing_out_offers_to_leave_the_provider_too(app: App) -> None:
    client = make_web(app)
    enter(client, "s-rita")
    out = post(client, "/sign-out", {}, form="/")
    assert "sign out of Example Sign-in too" in client.get(out.headers["Location"]).text
    away = client.get("/sign-out/provider")
    assert away.headers["Location"].startswith(f"{app.config.provider.issuer}/")  # type: ignore[union-attr]
    assert "post_logout_redirect_uri=" in away.headers["Location"]


def test_passwords_of_ours_can_be_switched_off(bound: App) -> None:
    client = make_web(bound)
    page = client.get("/sign-in").text
    assert "Sign in with Example Sign-in" in page
    assert 'name="password"' not in page
    token = client.get("/sign-in")
    assert token.status_code == 200
    client.application.config["WTF_CSRF_ENABLED"] = False
    assert client.post("/sign-in", data={"name": "x", "password": "y"}).status_code == 404


def test_a_provider_that_is_away_is_said_and_nobody_waits_for_it(migrated_sqlite_url: str) -> None:
    index = build(configured(migrated_sqlite_url, "http://127.0.0.1:9"))
    page = make_web(index).get("/sign-in/provider")
    assert page.status_code == 502
    assert "did not work" in page.text
    index.close()


def test_without_a_provider_there_is_no_such_page(migrated_sqlite_url: str) -> None:
    index = build(config_for(migrated_sqlite_url))
    client = make_web(index)
    for page in ("/sign-in/provider", "/sign-in/provider/back", "/sign-out/provider"):
        assert client.get(page).status_code == 404
    index.close()


def test_a_role_that_there_is_not_is_refused_at_the_start(migrated_sqlite_url: str) -> None:
    provider = Provider("https://login.example", "mpi", "Example", "groups", {"x": "king"})
    with pytest.raises(InvalidConfiguration):
        build(replace(config_for(migrated_sqlite_url), provider=provider))


CLAIMS = [
    pytest.param({"groups": ["a", "b"]}, "groups", ["a", "b"], id="a list"),
    pytest.param({"role": "a"}, "role", ["a"], id="one text"),
    pytest.param({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"], id="an object (Keycloak)"),
    pytest.param({"nrbac": [{"role": "a"}, {"role": "b"}]}, "nrbac.role", ["a", "b"], id="a list of objects (CIS2)"),
    pytest.param({"https://x.example/roles": ["a"]}, "https://x.example/roles", ["a"], id="a name with dots"),
    pytest.param({"groups": [1, None, {"x": "a"}]}, "groups", [], id="what is no text"),
    pytest.param({"groups": None}, "groups.x", [], id="nothing there"),
    pytest.param({}, "groups", [], id="no claim"),
]


@pytest.mark.parametrize(("claims", "path", "found"), CLAIMS)
def test_claims_are_found_where_providers_put_them(claims: dict[str, Any], path: str, found: list[str]) -> None:
    assert list(values(claims, path)) == found

"""One's own account, and the administrator's pages for accounts and tokens."""

import html
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.errors import Conflict
from mpi.domain.roles import Role
from mpi.services.own_account import one_time_password
from mpi.services.passwords import check_password
from mpi.services.users import FAILURES_ALLOWED
from tests.website import PASSWORD, make_web, open_website_index, post, sign_in

CHOSEN = "eleven herons by the weir"


@pytest.fixture
def app(migrated_sqlite_url: str) -> Iterator[App]:
    index = open_website_index(migrated_sqlite_url)
    yield index
    index.close()


def client_of(app: App, name: str, password: str = PASSWORD) -> FlaskClient:
    client = make_web(app)
    assert sign_in(client, name, password).status_code == 303
    return client


def change(client: FlaskClient, current: str = PASSWORD, chosen: str = CHOSEN, again: str | None = None) -> str:
    data = {"current": current, "password": chosen, "again": chosen if again is None else again}
    answer = post(client, "/account/password", data)
    assert answer.status_code in (303, 422)
    return "changed" if answer.status_code == 303 else html.unescape(answer.text)


def test_choosing_another_password_ends_every_other_session_and_renews_this_one(app: App) -> None:
    here, elsewhere = client_of(app, "reviewer"), client_of(app, "reviewer")
    before = here.get_cookie("mpi")
    assert change(here) == "changed"
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303
    after = here.get_cookie("mpi")
    assert before is not None
    assert after is not None
    copy = make_web(app)
    copy.set_cookie("mpi", before.value)
    assert copy.get("/account").status_code == 303
    assert app.users.sign_in("reviewer", PASSWORD) is None
    assert app.users.sign_in("reviewer", CHOSEN) is not None


WRONG = [
    pytest.param({"current": "not the password"}, "This is not your password", id="the present one is wrong"),
    pytest.param({"current": ""}, "Enter the password you have", id="the present one is missing"),
    pytest.param({"chosen": "short"}, "at least 12 characters", id="too short"),
    pytest.param({"chosen": "password123456"}, "among the first", id="what everybody tries"),
    pytest.param({"chosen": PASSWORD}, "not the one you have", id="the same again"),
    pytest.param({"again": "something else entirely"}, "the same password twice", id="a slip of the finger"),
    pytest.param({"chosen": ""}, "Enter the password you want", id="none"),
]


@pytest.mark.parametrize(("typed", "said"), WRONG)
def test_a_password_that_is_refused_says_why_and_changes_nothing(app: App, typed: dict[str, str], said: str) -> None:
    client = client_of(app, "reviewer")
    assert said in change(client, **typed)
    assert client.get("/account").status_code == 200
    assert app.users.sign_in("reviewer", PASSWORD) is not None


def test_guessing_the_password_in_an_open_session_locks_the_account(app: App) -> None:
    client = client_of(app, "reviewer")
    for _ in range(FAILURES_ALLOWED):
        change(client, current="not the password")
    assert "locked" in change(client)
    assert app.users.sign_in("reviewer", PASSWORD) is None


def test_people_see_where_they_are_signed_in_and_end_all_of_it(app: App) -> None:
    here, elsewhere = client_of(app, "reviewer"), client_of(app, "reviewer")
    other = client_of(app, "viewer")
    page = here.get("/account").text
    assert page.count("This browser") == 1
    assert page.count("Another browser or computer") == 1
    assert post(here, "/account/sign-out-everywhere", {}, form="/account").status_code == 303
    assert here.get("/account").status_code == 303
    assert elsewhere.get("/account").status_code == 303
    assert other.get("/account").status_code == 200
    assert client_of(app, "reviewer").get("/account").text.count("Another browser or computer") == 0


def secret_in(page: str) -> str:
    found = re.search(r'<code class="mpi-wrap">([^<]+)</code>', page)
    assert found
    return found.group(1)


def test_an_account_begins_with_a_password_that_must_be_changed(app: App) -> None:
    admin = client_of(app, "administrator")
    made = post(admin, "/accounts", {"name": "Nadia", "role": "reviewer", "sites": "RXX"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    given = secret_in(made.text)
    assert given not in admin.get("/accounts").text
    nadia = client_of(app, "nadia", given)
    for page in ("/", "/review", "/search", "/account", "/accounts"):
        answer = nadia.get(page)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account/password")
    refused = nadia.post("/search", data={"by": "local-number", "local_id": "A1"})
    assert refused.status_code in (303, 400)
    assert change(nadia, current=given) == "changed"
    assert nadia.get("/review").status_code == 200
    [account] = [one for one in app.users.accounts(OPERATOR) if one.name == "nadia"]
    assert (account.role, account.sites) == (Role.REVIEWER, ("RXX",))


def test_one_time_passwords_are_good_and_never_the_same() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    for one in made:
        check_password("nadia", one)


def test_administrators_change_access_lock_unlock_and_reset(app: App) -> None:
    admin, rita = client_of(app, "administrator"), client_of(app, "reviewer")
    page = "/accounts/reviewer"
    done = post(admin, page, {"step": "access", "role": "senior-reviewer", "sites": "RYY"})
    assert done.status_code == 303
    assert rita.get("/").status_code == 303
    [found] = [one for one in app.users.accounts(OPERATOR) if one.name == "reviewer"]
    assert (found.role, found.sites) == (Role.SENIOR_REVIEWER, ("RYY",))
    post(admin, page, {"step": "lock"})
    assert app.users.sign_in("reviewer", PASSWORD) is None
    post(admin, page, {"step": "unlock"})
    assert app.users.sign_in("reviewer", PASSWORD) is not None
    given = secret_in(post(admin, page, {"step": "reset"}).text)
    assert app.users.sign_in("reviewer", PASSWORD) is None
    again = app.users.sign_in("reviewer", given)
    assert again is not None
    assert again.must_change


REFUSED = [
    pytest.param({"step": "access", "role": "king"}, "Select a role", id="a role that there is not"),
    pytest.param({"step": "access", "role": "ig-auditor", "sites": "RXX"}, "concerns every site", id="bound auditor"),
    pytest.param({"step": "access", "role": "viewer", "sites": "RQQ"}, "a hospital in the", id="an unknown site"),
    pytest.param({"step": "dance"}, "Select what to do", id="no such step"),
]


@pytest.mark.parametrize(("form", "said"), REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(app: App, form: dict[str, str], said: str) -> None:
    before = app.users.accounts(OPERATOR)
    answer = post(client_of(app, "administrator"), "/accounts/reviewer", form)
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)
    assert app.users.accounts(OPERATOR) == before


@pytest.mark.parametrize("step", ["lock", "access"])
def test_nobody_changes_their_own_access(app: App, step: str) -> None:
    admin = client_of(app, "administrator")
    assert "This is your own account" in admin.get("/accounts/administrator").text
    answer = post(admin, "/accounts/administrator", {"step": step, "role": "viewer"}, form="/accounts")
    assert answer.status_code == 422
    with pytest.raises(Conflict):
        app.users.set_role(app.users.sign_in("administrator", PASSWORD).actor, "administrator", Role.VIEWER)  # type: ignore[union-attr]


def test_a_token_is_shown_once_works_and_is_revoked(app: App) -> None:
    admin = client_of(app, "administrator")
    made = post(admin, "/tokens", {"name": "gateway", "role": "service", "sites": "RXX"})
    assert made.status_code == 201
    token = secret_in(made.text)
    assert token not in admin.get("/tokens").text
    machine = app.users.bearer(token)
    assert machine is not None
    assert machine.sites == frozenset({"RXX"})
    assert post(admin, "/tokens", {"name": "gateway", "role": "service"}).status_code == 422
    assert post(admin, "/tokens/gateway/revoke", {}, form="/tokens").status_code == 303
    assert app.users.bearer(token) is None


def test_an_account_that_there_is_not_is_not_found(app: App) -> None:
    assert client_of(app, "administrator").get("/accounts/nobody").status_code == 404

"""Accounts, sessions and tokens, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from mpi.bootstrap import App
from mpi.cli.options import OPERATOR
from mpi.domain.audit import Actor
from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.roles import Role
from mpi.services.passwords import Passwords
from mpi.services.users import FAILURES_ALLOWED, IDLE_LIMIT, LOCKED_FOR, SESSION_LIMIT, TOKEN_PREFIX, Users
from mpi.store import audit, clock

PASSWORD = "seven lanterns over the canal"
WRONG = "six lanterns over the canal"

Later = Callable[[timedelta], None]


@pytest.fixture
def users(app: App) -> Users:
    """The service with quick hashes, and the account rita."""
    users = Users(app.store, app.config, Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)))
    users.add(OPERATOR, "rita", Role.REVIEWER, PASSWORD)
    return users


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Moves the clock of the store forward."""
    moved = timedelta()

    def move(by: timedelta) -> None:
        nonlocal moved
        moved += by
        monkeypatch.setattr(clock, "now", lambda: clock.stamp(datetime.now(UTC) + moved))

    return move


def actions(app: App) -> list[str]:
    """The names of all audit events, in order."""
    with app.store.reading() as unit:
        rows = unit.connection.execute(text("SELECT action FROM audit_event ORDER BY seq"))
        return [row[0] for row in rows]


def test_who_gives_name_and_password_is_signed_in_under_role_and_name(users: Users) -> None:
    found = users.sign_in(" Rita ", PASSWORD)
    assert found is not None
    assert found.actor == Actor("rita", "reviewer")
    assert users.session(found.session_id) == found


def test_no_answer_tells_an_unknown_name_from_a_wrong_password(users: Users) -> None:
    assert users.sign_in("nobody-here", PASSWORD) is None
    assert users.sign_in("rita", WRONG) is None


def test_an_unknown_name_costs_a_hash_like_a_known_one(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    class Counting(Passwords):
        def matches(self, stored: str | None, password: str) -> bool:
            asked.append(stored)
            return super().matches(stored, password)

    users = Users(app.store, app.config, Counting(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)))
    users.add(OPERATOR, "rita", Role.REVIEWER, PASSWORD)
    users.sign_in("rita", WRONG)
    users.sign_in("nobody-here", WRONG)
    assert len(asked) == 2
    assert asked[0] is not None
    assert asked[1] is None


def test_a_name_that_is_not_known_is_never_written_down(users: Users, app: App) -> None:
    users.sign_in(PASSWORD, "typed into the wrong field")
    with app.store.reading() as unit:
        bodies = [row[0] for row in unit.connection.execute(text("SELECT body FROM audit_event"))]
    assert not any(PASSWORD in body for body in bodies)


def test_wrong_passwords_in_a_row_lock_the_account_for_a_while(users: Users, later: Later) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert users.sign_in("rita", WRONG) is None
    assert users.sign_in("rita", PASSWORD) is None
    later(LOCKED_FOR - timedelta(minutes=1))
    assert users.sign_in("rita", PASSWORD) is None
    later(timedelta(minutes=1))
    assert users.sign_in("rita", PASSWORD) is not None


def test_tries_during_the_lock_do_not_make_it_longer(users: Users, later: Later) -> None:
    for _ in range(FAILURES_ALLOWED):
        users.sign_in("rita", WRONG)
    later(LOCKED_FOR - timedelta(minutes=1))
    users.sign_in("rita", WRONG)
    later(timedelta(minutes=1))
    assert users.sign_in("rita", PASSWORD) is not None


def test_a_right_password_forgets_the_wrong_ones_before(users: Users) -> None:
    for _ in range(FAILURES_ALLOWED - 1):
        users.sign_in("rita", WRONG)
    assert users.sign_in("rita", PASSWORD) is not None
    users.sign_in("rita", WRONG)
    assert users.sign_in("rita", PASSWORD) is not None


def test_tries_at_once_do_not_outrun_the_count(users: Users) -> None:
    tries = [WRONG] * (FAILURES_ALLOWED * 2)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda p: users.sign_in("rita", p), tries)) == [None] * len(tries)
    assert users.sign_in("rita", PASSWORD) is None


CHANGES = [
    pytest.param(lambda users: users.set_role(OPERATOR, "rita", Role.VIEWER), id="another role"),
    pytest.param(lambda users: users.set_lock(OPERATOR, "rita", True), id="a lock"),
    pytest.param(lambda users: users.set_password(OPERATOR, "rita", "eight lanterns over"), id="another password"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_account_ends_its_sessions(users: Users, change: Callable[[Users], None]) -> None:
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    change(users)
    assert users.session(found.session_id) is None


def test_signing_out_ends_the_session_for_every_copy_of_its_id(users: Users) -> None:
    one, other = users.sign_in("rita", PASSWORD), users.sign_in("rita", PASSWORD)
    assert one is not None
    assert other is not None
    users.sign_out(one)
    assert users.session(one.session_id) is None
    assert users.session(other.session_id) == other


def test_a_session_ends_when_it_is_not_used(users: Users, later: Later) -> None:
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    for _ in range(3):
        later(IDLE_LIMIT - timedelta(minutes=1))
        assert users.session(found.session_id) is not None
    later(IDLE_LIMIT + timedelta(seconds=1))
    assert users.session(found.session_id) is None


def test_a_session_ends_at_its_limit_however_much_it_is_used(users: Users, later: Later) -> None:
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    steps = int(SESSION_LIMIT / timedelta(minutes=20))
    for _ in range(steps):
        assert users.session(found.session_id) is not None
        later(timedelta(minutes=20))
    assert users.session(found.session_id) is None


def test_a_locked_account_comes_in_again_when_it_is_unlocked(users: Users) -> None:
    users.set_lock(OPERATOR, "rita", True)
    assert users.sign_in("rita", PASSWORD) is None
    users.set_lock(OPERATOR, "rita", False)
    assert users.sign_in("rita", PASSWORD) is not None


def test_a_hash_with_weaker_parameters_is_made_anew_at_sign_in(users: Users, app: App) -> None:
    stronger = Users(app.store, app.config, Passwords(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)))
    with app.store.reading() as unit:
        before = unit.accounts.get("rita")
    assert stronger.sign_in("rita", PASSWORD) is not None
    with app.store.reading() as unit:
        after = unit.accounts.get("rita")
    assert before is not None
    assert after is not None
    assert "t=1" in before.password_hash
    assert "t=2" in after.password_hash


def test_a_token_acts_in_its_role_until_it_is_revoked(users: Users) -> None:
    token = users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    assert token.startswith(TOKEN_PREFIX)
    assert users.bearer(token) == Actor("token:gateway", "service")
    users.revoke_token(OPERATOR, "gateway")
    assert users.bearer(token) is None
    assert users.bearer(token + "x") is None


def test_neither_token_nor_session_nor_password_can_be_read_out_of_the_database(users: Users, app: App) -> None:
    token = users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    everything = []
    with app.store.reading() as unit:
        for table in ("account", "web_session", "api_token", "audit_event"):
            everything += [str(tuple(row)) for row in unit.connection.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608 - fixed names
    written = " ".join(everything)
    assert not any(secret in written for secret in (token, found.session_id, PASSWORD))


def test_every_change_and_every_sign_in_is_in_the_audit(users: Users, app: App) -> None:
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    users.sign_in("rita", WRONG)
    users.sign_out(found)
    users.set_role(OPERATOR, "rita", Role.VIEWER)
    users.set_lock(OPERATOR, "rita", True)
    users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    assert actions(app) == [
        "user.changed",
        "user.signed-in",
        "user.sign-in-failed",
        "user.signed-out",
        "user.changed",
        "user.changed",
        "user.token-issued",
    ]
    with app.store.reading() as unit:
        assert audit.verify(unit.connection) == (7, None)


def test_an_account_and_a_token_that_are_bound_to_sites_act_for_these_only(users: Users) -> None:
    users.add(OPERATOR, "sita", Role.REVIEWER, PASSWORD, ["reh"])
    found = users.sign_in("sita", PASSWORD)
    assert found is not None
    assert found.actor.sites == frozenset({"RXX"})
    kept = users.session(found.session_id)
    assert kept is not None
    assert kept.actor.sites == frozenset({"RXX"})
    token = users.issue_token(OPERATOR, "ward", Role.SERVICE, ["RYY", "RXX"])
    machine = users.bearer(token)
    assert machine is not None
    assert machine.sites == frozenset({"RXX", "RYY"})
    assert [(one.name, one.sites) for one in users.accounts(OPERATOR)] == [("rita", None), ("sita", ("RXX",))]
    assert users.tokens(OPERATOR)[0].sites == ("RXX", "RYY")


def test_another_binding_to_sites_ends_the_sessions(users: Users) -> None:
    found = users.sign_in("rita", PASSWORD)
    assert found is not None
    users.set_sites(OPERATOR, "rita", ["RXX"])
    assert users.session(found.session_id) is None
    again = users.sign_in("rita", PASSWORD)
    assert again is not None
    assert again.actor.sites == frozenset({"RXX"})
    users.set_sites(OPERATOR, "rita", None)
    free = users.sign_in("rita", PASSWORD)
    assert free is not None
    assert free.actor.sites is None


BAD_SITES = [
    pytest.param(Role.REVIEWER, ["RQQ"], id="a hospital that is not configured"),
    pytest.param(Role.REVIEWER, ["RXX", "RQQ"], id="one of two is not configured"),
    pytest.param(Role.REVIEWER, ["NHS"], id="a national authority"),
    pytest.param(Role.REVIEWER, [], id="no site at all"),
    pytest.param(Role.IG_AUDITOR, ["RXX"], id="a role that concerns every site"),
]


@pytest.mark.parametrize(("role", "sites"), BAD_SITES)
def test_sites_that_would_bind_to_nothing_are_refused(users: Users, role: Role, sites: list[str]) -> None:
    with pytest.raises(BadInput):
        users.add(OPERATOR, "sita", role, PASSWORD, sites)
    with pytest.raises(BadInput):
        users.issue_token(OPERATOR, "ward", role, sites)
    assert [one.name for one in users.accounts(OPERATOR)] == ["rita"]


def test_a_bound_account_gets_no_role_that_concerns_every_site(users: Users) -> None:
    users.set_sites(OPERATOR, "rita", ["RXX"])
    with pytest.raises(BadInput):
        users.set_role(OPERATOR, "rita", Role.ADMINISTRATOR)


def test_an_administrator_who_is_bound_to_a_site_manages_nobody(users: Users) -> None:
    with pytest.raises(NotAllowed):
        users.accounts(replace(OPERATOR, sites=frozenset({"RXX"})))


NAMES = [
    pytest.param("", id="empty"),
    pytest.param("with space", id="a space"),
    pytest.param("<b>", id="markup"),
    pytest.param("x" * 65, id="too long"),
    pytest.param("-rf", id="begins with a hyphen"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_would_confuse_is_refused(users: Users, name: str) -> None:
    with pytest.raises(BadInput):
        users.add(OPERATOR, name, Role.VIEWER, PASSWORD)


def test_names_are_used_once(users: Users) -> None:
    with pytest.raises(Conflict):
        users.add(OPERATOR, "RITA", Role.VIEWER, PASSWORD)
    users.issue_token(OPERATOR, "gateway", Role.SERVICE)
    with pytest.raises(Conflict):
        users.issue_token(OPERATOR, "gateway", Role.SERVICE)


def test_what_does_not_exist_is_not_found(users: Users) -> None:
    with pytest.raises(NotFound):
        users.set_role(OPERATOR, "nobody", Role.VIEWER)
    with pytest.raises(NotFound):
        users.revoke_token(OPERATOR, "nobody")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_only_administrators_manage_users(users: Users, role: Role) -> None:
    actor = replace(OPERATOR, role=role.value)
    for attempt in (
        lambda: users.add(actor, "eve", Role.ADMINISTRATOR, PASSWORD),
        lambda: users.set_role(actor, "rita", Role.ADMINISTRATOR),
        lambda: users.set_lock(actor, "rita", True),
        lambda: users.set_password(actor, "rita", PASSWORD),
        lambda: users.issue_token(actor, "eve", Role.SERVICE),
        lambda: users.revoke_token(actor, "eve"),
        lambda: users.accounts(actor),
        lambda: users.tokens(actor),
    ):
        with pytest.raises(NotAllowed):
            attempt()

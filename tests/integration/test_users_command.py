"""`mpi users`: what it prints, what it refuses, by which exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mpi.bootstrap import App, build
from mpi.cli.main import cli
from mpi.config import Config
from mpi.domain.errors import BadInput, Conflict, NotFound

PASSWORD = "seven lanterns over the canal"


def run(url: str, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["users", *arguments, "--database", url], input=typed)


def index_at(url: str) -> App:
    return build(Config(database_url=url))


def test_an_account_is_added_with_a_password_typed_twice_and_never_shown(migrated_sqlite_url: str) -> None:
    result = run(migrated_sqlite_url, "add", "rita", "--role", "reviewer", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert "account rita added, role reviewer" in result.output
    assert PASSWORD not in result.output
    app = index_at(migrated_sqlite_url)
    found = app.users.sign_in("rita", PASSWORD)
    assert found is not None
    assert found.role.value == "reviewer"
    app.close()


def test_a_password_may_come_from_standard_input(migrated_sqlite_url: str) -> None:
    result = run(migrated_sqlite_url, "add", "rita", "--role", "viewer", "--password-stdin", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0
    app = index_at(migrated_sqlite_url)
    assert app.users.sign_in("rita", PASSWORD) is not None
    app.close()


def test_accounts_are_bound_to_sites_and_set_free_again(migrated_sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mpi.toml"
    file.write_text('[[authorities]]\ncode = "RXX"\n', encoding="utf-8")
    asked = ("add", "rita", "--role", "reviewer", "--site", "RXX", "--password-stdin", "--config", str(file))
    assert "site RXX" in run(migrated_sqlite_url, *asked, typed=f"{PASSWORD}\n").output
    assert "site RXX" in run(migrated_sqlite_url, "list").output
    assert run(migrated_sqlite_url, "site", "rita", "--every").exit_code == 0
    assert "site RXX" not in run(migrated_sqlite_url, "list").output
    assert run(migrated_sqlite_url, "site", "rita", "RXX", "--config", str(file)).exit_code == 0
    assert "site RXX" in run(migrated_sqlite_url, "list").output


REFUSED = [
    pytest.param(("add", "rita", "--role", "viewer", "--password-stdin"), "short\n", BadInput, id="a short password"),
    pytest.param(("add", "a b", "--role", "viewer", "--password-stdin"), PASSWORD, BadInput, id="a name with a space"),
    pytest.param(("role", "nobody", "viewer"), None, NotFound, id="no such account"),
    pytest.param(("lock", "nobody"), None, NotFound, id="locking nobody"),
    pytest.param(("token", "nobody", "--revoke"), None, NotFound, id="revoking nothing"),
]


@pytest.mark.parametrize(("arguments", "typed", "error"), REFUSED)
def test_what_cannot_be_done_is_refused(
    migrated_sqlite_url: str, arguments: tuple[str, ...], typed: str | None, error: type[Exception]
) -> None:
    result = run(migrated_sqlite_url, *arguments, typed=typed)
    assert isinstance(result.exception, error)
    app = index_at(migrated_sqlite_url)
    assert app.overview.counts().persons == 0
    app.close()


USAGE = [
    pytest.param(("add", "rita"), id="no role"),
    pytest.param(("add", "rita", "--role", "king"), id="no such role"),
    pytest.param(("token", "gateway"), id="a token without a role"),
    pytest.param(("site", "rita"), id="no site and not every one"),
    pytest.param(("site", "rita", "RXX", "--every"), id="a site and every one"),
    pytest.param((), id="nothing to do"),
]


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_exit_code_2(migrated_sqlite_url: str, arguments: tuple[str, ...]) -> None:
    if not arguments:
        assert CliRunner().invoke(cli, ["users", "nonsense"]).exit_code == 2
    else:
        assert run(migrated_sqlite_url, *arguments).exit_code == 2


def test_role_lock_password_and_list_go_together(migrated_sqlite_url: str) -> None:
    run(migrated_sqlite_url, "add", "rita", "--role", "reviewer", "--password-stdin", typed=PASSWORD)
    assert "senior-reviewer" in run(migrated_sqlite_url, "role", "rita", "senior-reviewer").output
    assert "locked" in run(migrated_sqlite_url, "lock", "rita").output
    listed = json.loads(run(migrated_sqlite_url, "list", "--json").output)
    assert [(a["name"], a["role"], a["locked"]) for a in listed["accounts"]] == [("rita", "senior-reviewer", True)]
    assert " locked" in run(migrated_sqlite_url, "list").output
    assert "unlocked" in run(migrated_sqlite_url, "lock", "rita", "--unlock").output
    other = "eight lanterns over the canal"
    assert run(migrated_sqlite_url, "password", "rita", "--password-stdin", typed=other).exit_code == 0
    app = index_at(migrated_sqlite_url)
    assert app.users.sign_in("rita", PASSWORD) is None
    assert app.users.sign_in("rita", other) is not None
    app.close()


def test_a_token_is_printed_once_alone_on_its_line_and_revoked_by_name(migrated_sqlite_url: str) -> None:
    result = run(migrated_sqlite_url, "token", "gateway", "--role", "service")
    token = result.output.strip()
    assert result.output == f"{token}\n"
    app = index_at(migrated_sqlite_url)
    assert app.users.bearer(token) is not None
    again = run(migrated_sqlite_url, "token", "gateway", "--role", "service")
    assert isinstance(again.exception, Conflict)
    assert token not in run(migrated_sqlite_url, "list").output
    assert run(migrated_sqlite_url, "token", "gateway", "--revoke").exit_code == 0
    assert app.users.bearer(token) is None
    assert "gateway" in run(migrated_sqlite_url, "list").output
    app.close()

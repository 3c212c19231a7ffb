"""`mpi users`."""

import sys
from dataclasses import asdict

import click

from mpi.cli.options import OPERATOR, application, database_options, echo_json, json_option
from mpi.domain.roles import Role
from mpi.services.passwords import SHORTEST

_SITES = click.option(
    "--site", "sites", metavar="CODE", multiple=True, help="Bind it to people of this hospital; may be repeated."
)
_ROLES = click.Choice([role.value for role in Role])


@click.group()
def users() -> None:
    """Add accounts, set roles and sites, lock accounts, issue tokens."""


@users.command(epilog="Example: mpi users add rita --role reviewer")
@click.argument("name")
@click.option("--role", type=_ROLES, required=True, help="What the account may do.")
@_SITES
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@database_options
def add(
    name: str, role: str, sites: tuple[str, ...], password_stdin: bool, database: str | None, config_file: str | None
) -> None:
    """Add an account. The password is asked for twice and not shown."""
    password = _password(password_stdin)
    with application(database, config_file) as app:
        app.users.add(OPERATOR, name, Role(role), password, sites or None)
    click.echo(f"account {name} added, role {role}, {_in_words(sites)}")


@users.command(epilog="Example: mpi users password rita")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@database_options
def password(name: str, password_stdin: bool, database: str | None, config_file: str | None) -> None:
    """Give an account another password and end its sessions."""
    chosen = _password(password_stdin)
    with application(database, config_file) as app:
        app.users.set_password(OPERATOR, name, chosen)
    click.echo(f"account {name} has another password; its sessions have ended")


@users.command(epilog="Example: mpi users role rita senior-reviewer")
@click.argument("name")
@click.argument("role", type=_ROLES)
@database_options
def role(name: str, role: str, database: str | None, config_file: str | None) -> None:
    """Give an account another role and end its sessions."""
    with application(database, config_file) as app:
        app.users.set_role(OPERATOR, name, Role(role))
    click.echo(f"account {name} has the role {role}; its sessions have ended")


@users.command(epilog="Example: mpi users site rita RXX RYY, and back: mpi users site rita --every")
@click.argument("name")
@click.argument("sites", metavar="[SITE]...", nargs=-1)
@click.option("--every", is_flag=True, help="Take the binding away: people of every site.")
@database_options
def site(name: str, sites: tuple[str, ...], every: bool, database: str | None, config_file: str | None) -> None:
    """Bind an account to people who have a record at these hospitals, and end its sessions."""
    if every == bool(sites):
        raise click.UsageError("name the sites, or say --every")
    with application(database, config_file) as app:
        app.users.set_sites(OPERATOR, name, sites or None)
    click.echo(f"account {name} sees people of {_in_words(sites)}; its sessions have ended")


@users.command(epilog="Example: mpi users lock rita, and back: mpi users lock rita --unlock")
@click.argument("name")
@click.option("--unlock", is_flag=True, help="Let the account in again and forget its failed sign-ins.")
@database_options
def lock(name: str, unlock: bool, database: str | None, config_file: str | None) -> None:
    """Lock an account and end its sessions."""
    with application(database, config_file) as app:
        app.users.set_lock(OPERATOR, name, not unlock)
    click.echo(f"account {name} is {'unlocked' if unlock else 'locked; its sessions have ended'}")


@users.command(epilog="Example: mpi users token gateway --role service")
@click.argument("name")
@click.option("--role", type=_ROLES, help="What the token may do; needed unless --revoke.")
@_SITES
@click.option("--revoke", is_flag=True, help="Make the token of this name useless.")
@database_options
def token(
    name: str, role: str | None, sites: tuple[str, ...], revoke: bool, database: str | None, config_file: str | None
) -> None:
    """Print a new bearer token for /api/v1, this once: it is kept only as a digest."""
    if not revoke and role is None:
        raise click.UsageError("say with --role what the token may do")
    with application(database, config_file) as app:
        if revoke:
            app.users.revoke_token(OPERATOR, name)
            click.echo(f"token {name} is revoked")
        elif role is not None:
            click.echo(app.users.issue_token(OPERATOR, name, Role(role), sites or None))


@users.command(name="list", epilog="Example: mpi users list --json")
@json_option
@database_options
def list_(as_json: bool, database: str | None, config_file: str | None) -> None:
    """List accounts and tokens."""
    with application(database, config_file) as app:
        accounts, tokens = app.users.accounts(OPERATOR), app.users.tokens(OPERATOR)
    if as_json:
        echo_json({"accounts": [asdict(a) for a in accounts], "tokens": [asdict(t) for t in tokens]})
        return
    for account in accounts:
        more = _in_words(account.sites) + (", locked" if account.locked else "")
        click.echo(f"account  {account.name:<24} {account.role.value:<20} {more}")
    for each in tokens:
        more = _in_words(each.sites) + (", revoked" if each.revoked else "")
        click.echo(f"token    {each.name:<24} {each.role.value:<20} {more}")


def _in_words(sites: tuple[str, ...] | None) -> str:
    return f"site {' '.join(sites)}" if sites else "every site"


def _password(from_input: bool) -> str:
    """The password, from standard input or typed twice."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt(
        f"Password (at least {SHORTEST} characters)", hide_input=True, confirmation_prompt="Again"
    )
    return typed

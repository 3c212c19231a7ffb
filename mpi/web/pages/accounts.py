"""The administrator's pages: accounts and tokens, what each may do and of which sites."""

from dataclasses import dataclass, field

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.roles import Permission, Role
from mpi.services.own_account import one_time_password
from mpi.services.users import Account
from mpi.web.current import actor, needs, services

bp = Blueprint("accounts", __name__)


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed: for an account, or for a token."""

    name: str = ""
    role: str = ""
    sites: tuple[str, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)


@bp.get("/accounts")
@needs(Permission.MANAGE_USERS)
def accounts() -> str:
    """All accounts, and the form for a new one."""
    return _accounts_page(_form())


@bp.post("/accounts")
@needs(Permission.MANAGE_USERS)
def add() -> tuple[str, int]:
    """Make an account; its one-time password is shown, this once."""
    asked = _form()
    password = one_time_password()
    try:
        services().users.add(actor(), asked.name, _role(asked), password, asked.sites or None, must_change=True)
    except (BadInput, Conflict) as error:
        return _accounts_page(_refused(asked, error)), 422
    return _accounts_page(Form(), new=asked.name.strip().casefold(), password=password), 201


@bp.get("/accounts/<name>")
@needs(Permission.MANAGE_USERS)
def account(name: str) -> str:
    """One account, and what can be done with it."""
    return _account_page(_named(name), {}, None)


@bp.post("/accounts/<name>")
@needs(Permission.MANAGE_USERS)
def change(name: str) -> Response | str | tuple[str, int]:
    """Change role and sites, lock, unlock, or give a one-time password."""
    users, found, step = services().users, _named(name), request.form.get("step", "")
    try:
        if step == "access":
            asked = _form()
            users.set_access(actor(), name, _role(asked), asked.sites or None)
        elif step in ("lock", "unlock"):
            users.set_lock(actor(), name, step == "lock")
        elif step == "reset":
            password = one_time_password()
            users.set_password(actor(), name, password, must_change=True)
            return _account_page(_named(name), {}, password)
        else:
            raise BadInput("Select what to do", field="role")
    except (BadInput, Conflict) as error:
        named = error.field if isinstance(error, BadInput) else None
        return _account_page(_named(name), {named or "conflict": _sentence(error)}, None), 422
    flash(f"The account {found.name} is changed. Its sessions have ended.", "success")
    return redirect(url_for("accounts.account", name=found.name), 303)


@bp.get("/tokens")
@needs(Permission.MANAGE_USERS)
def tokens() -> str:
    """All tokens, and the form for a new one."""
    return _tokens_page(_form())


@bp.post("/tokens")
@needs(Permission.MANAGE_USERS)
def issue() -> tuple[str, int]:
    """Issue a token, shown this once."""
    asked = _form()
    try:
        token = services().users.issue_token(actor(), asked.name, _role(asked), asked.sites or None)
    except (BadInput, Conflict) as error:
        return _tokens_page(_refused(asked, error)), 422
    return _tokens_page(Form(), new=asked.name.strip().casefold(), token=token), 201


@bp.post("/tokens/<name>/revoke")
@needs(Permission.MANAGE_USERS)
def revoke(name: str) -> Response:
    """Make a token useless."""
    services().users.revoke_token(actor(), name)
    flash(f"The token {name} is revoked.", "success")
    return redirect(url_for("accounts.tokens"), 303)


def _form() -> Form:
    form = request.form
    return Form(form.get("name", "").strip(), form.get("role", ""), tuple(form.getlist("sites")))


def _role(asked: Form) -> Role:
    try:
        return Role(asked.role)
    except ValueError:
        raise BadInput("Select a role", field="role") from None


def _refused(asked: Form, error: BadInput | Conflict) -> Form:
    named = error.field if isinstance(error, BadInput) else None
    return Form(asked.name, asked.role, asked.sites, {named or "name": _sentence(error)})


def _sentence(error: BadInput | Conflict) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}"


def _named(name: str) -> Account:
    found = next((one for one in services().users.accounts(actor()) if one.name == name), None)
    if found is None:
        raise NotFound("there is no such account")
    return found


def _accounts_page(asked: Form, new: str | None = None, password: str | None = None) -> str:
    found = services().users.accounts(actor())
    return render_template(
        "accounts.html", accounts=found, asked=asked, errors=asked.errors, new=new, password=password, **_choices()
    )


def _account_page(found: Account, errors: dict[str, str], password: str | None) -> str:
    own = found.name == actor().name
    return render_template(
        "account_change.html", account=found, own=own, errors=errors, password=password, **_choices()
    )


def _tokens_page(asked: Form, new: str | None = None, token: str | None = None) -> str:
    found = services().users.tokens(actor())
    return render_template(
        "tokens.html", tokens=found, asked=asked, errors=asked.errors, new=new, token=token, **_choices()
    )


def _choices() -> dict[str, object]:
    sites = [one for one in services().config.authorities if one.kind != "national"]
    return {"roles": list(Role), "sites": sites}

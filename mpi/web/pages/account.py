"""One's own account: password, where one is signed in, signing out everywhere."""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import login_required, login_user, logout_user
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput
from mpi.services.passwords import SHORTEST
from mpi.services.users import SignedIn
from mpi.web.current import Visitor, services, signed_in, visitor

bp = Blueprint("account", __name__)

_FREE = frozenset({"account.password_form", "account.change_password", "sign_in.sign_out", "static"})
"""Where somebody may go who must choose a password first."""


@bp.before_app_request
def choose_first() -> Response | None:
    """Lead whoever has a password from an administrator to the page where it is changed, and nowhere else."""
    found = visitor() if request.endpoint not in _FREE else None
    if found is None or not found.must_change:
        return None
    return redirect(url_for("account.password_form"), 303)


@bp.get("/account")
@login_required  # type: ignore[untyped-decorator]
def account() -> str:
    """Who is signed in, as what, and where."""
    who = signed_in()
    return render_template("account.html", who=who, sessions=services().own_account.sessions(who))


@bp.get("/account/password")
@login_required  # type: ignore[untyped-decorator]
def password_form() -> str:
    """The form for another password."""
    return _form(signed_in(), {})


@bp.post("/account/password")
@login_required  # type: ignore[untyped-decorator]
def change_password() -> Response | tuple[str, int]:
    """Choose another password: every session ends, and a new one begins here."""
    who = signed_in()
    current, chosen, again = (request.form.get(name, "") for name in ("current", "password", "again"))
    errors = {}
    if not current:
        errors["current"] = "Enter the password you have"
    if not chosen:
        errors["password"] = "Enter the password you want"  # noqa: S105 - a message
    elif chosen != again:
        errors["again"] = "Enter the same password twice"
    if not errors:
        try:
            enter(services().own_account.change_password(who, current, chosen))
        except BadInput as error:
            errors = {error.field or "password": str(error)[:1].upper() + str(error)[1:]}
        else:
            flash("Your password is changed. You were signed out everywhere else.", "success")
            return redirect(url_for("account.account"), 303)
    return _form(who, errors), 422


@bp.post("/account/sign-out-everywhere")
@login_required  # type: ignore[untyped-decorator]
def sign_out_everywhere() -> Response:
    """End every session of the account."""
    services().own_account.sign_out_everywhere(signed_in())
    logout_user()
    session.clear()
    return redirect(url_for("sign_in.form"), 303)


def enter(found: SignedIn) -> None:
    """Let this browser be `found`. Nothing of the visitor from before, the CSRF token among it, outlives it."""
    session.clear()
    session.permanent = True
    login_user(Visitor(found))


def _form(who: SignedIn, errors: dict[str, str]) -> str:
    return render_template("password.html", who=who, errors=errors, shortest=SHORTEST)

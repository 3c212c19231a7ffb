"""Signing in and out."""

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask_login import logout_user
from werkzeug.wrappers import Response

from mpi.services.users import FAILURES_ALLOWED, LOCKED_FOR
from mpi.web.current import services, visitor
from mpi.web.pages.account import enter
from mpi.web.pages.provider import after_sign_out
from mpi.web.security import safe_next

bp = Blueprint("sign_in", __name__)

_MINUTES = int(LOCKED_FOR.total_seconds() // 60)
_REFUSED = (
    "The name or password is not right. "
    f"After {FAILURES_ALLOWED} wrong passwords in a row an account is locked for {_MINUTES} minutes."
)


def ask() -> Response:
    """Send somebody who is not signed in to the sign-in page, and from there back to where they were going."""
    target = request.full_path.rstrip("?") if request.method == "GET" else request.path
    return redirect(url_for("sign_in.form", next=safe_next(target)), 303)


@bp.get("/sign-in")
def form() -> str | Response:
    """The sign-in page; who is signed in already goes home."""
    if visitor() is not None:
        return redirect(safe_next(request.args.get("next")), 303)
    return _page(safe_next(request.args.get("next")), {}, "", left="left" in request.args)


@bp.post("/sign-in")
def sign_in() -> Response | tuple[str, int]:
    """Check name and password. One answer for an unknown name, a wrong password and a locked account."""
    provider = services().config.provider
    if provider is not None and not provider.local_accounts:
        abort(404)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    target = safe_next(request.form.get("next"))
    errors = {}
    if not name.strip():
        errors["name"] = "Enter your name"
    if not password:
        errors["password"] = "Enter your password"  # noqa: S105 - a message
    if not errors:
        found = services().users.sign_in(name, password)
        if found is not None:
            enter(found)
            return redirect(target, 303)
        errors["name"] = _REFUSED
    return _page(target, errors, name), 422


@bp.post("/sign-out")
def sign_out() -> Response:
    """End the session, here and for every copy of its cookie."""
    found = visitor()
    if found is not None:
        services().users.sign_out(found)
    logout_user()
    session.clear()
    # By a link on the next page: browsers hold forms to our own host.
    return redirect(url_for("sign_in.form", left="1" if after_sign_out(found) else None), 303)


def _page(target: str, errors: dict[str, str], name: str, *, left: bool = False) -> str:
    provider = services().config.provider
    return render_template(
        "sign_in.html", next=target, errors=errors, name=name, provider=provider, left=left and provider is not None
    )

"""The request at hand: the services it may use, who asks, and whether they may."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import current_app, g
from flask_login import current_user, login_required

from mpi.bootstrap import App
from mpi.domain.audit import Actor
from mpi.domain.roles import Permission, check_actor, permitted
from mpi.services.users import SignedIn

_P = ParamSpec("_P")
_R = TypeVar("_R")

EXTENSION = "mpi"


def services() -> App:
    """The services of this installation."""
    return cast(App, current_app.extensions[EXTENSION])


class Visitor:
    """Somebody signed in, in the shape that Flask-Login asks for. Its id is that of the session, not of the account."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, signed_in: SignedIn) -> None:
        self.signed_in = signed_in

    def get_id(self) -> str:
        """What the cookie carries."""
        return self.signed_in.session_id


def visitor() -> SignedIn | None:
    """Who is signed in; None for nobody."""
    user = current_user._get_current_object()
    return user.signed_in if isinstance(user, Visitor) else None


def signed_in() -> SignedIn:
    """Who is signed in. Only for views that demand a sign-in."""
    found = visitor()
    if found is None:
        raise AssertionError("this view must demand a sign-in")
    return found


def actor() -> Actor:
    """Who asks. Only for views that demand a sign-in."""
    return signed_in().actor


def caller() -> Actor | None:
    """Who asks, person or machine; None for nobody that is known."""
    found = visitor() if "caller" not in g else None
    return found.actor if found is not None else g.get("caller")


def may(permission: Permission) -> bool:
    """Whether who asks holds `permission`; nobody holds any."""
    found = visitor()
    return found is not None and permitted(found.actor, permission)


def needs(permission: Permission) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A view that only those see who are signed in and hold `permission`; others sign in, or get `NotAllowed`."""

    def decorate(view: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(view)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            check_actor(actor(), permission)
            return view(*args, **kwargs)

        return cast(Callable[_P, _R], login_required(checked))

    return decorate

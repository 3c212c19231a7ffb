"""Signing in at a provider (OpenID Connect, authorization code with PKCE); the protocol is Authlib's.

State, nonce and verifier lie in the signed cookie between the two requests. Nothing that a provider or a browser sends
back is written into a page or a log.
"""

import logging
from typing import Any, cast

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, session, url_for
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from mpi.config import InvalidConfiguration, Provider
from mpi.domain.errors import NotAllowed
from mpi.services.users import SignedIn
from mpi.web.current import services, visitor
from mpi.web.pages.account import enter
from mpi.web.security import safe_next

bp = Blueprint("provider", __name__)

_log = logging.getLogger(__name__)
_EXTENSION = "mpi-provider"
_SECONDS = 10
_NEXT = "after-provider"
_UNREADABLE = (AuthlibBaseError, JoseError, RequestException, RuntimeError, KeyError, TypeError, ValueError)
"""What Authlib and what lies under it raise for an answer that cannot be trusted, or for a provider that is away."""


def install(web: Flask, provider: Provider) -> None:
    """Let people sign in at `provider`. It is asked for its addresses at the first sign-in, not before."""
    try:
        secret = provider.client_secret()
    except OSError as error:
        raise InvalidConfiguration(f"the client's secret cannot be read ({error.strerror})") from error
    client = OAuth(web).register(
        "provider",
        client_id=provider.client_id,
        client_secret=secret,
        server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": provider.scope,
            "code_challenge_method": "S256",
            "default_timeout": _SECONDS,
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        },
    )
    web.extensions[_EXTENSION] = client
    web.register_blueprint(bp)


@bp.get("/sign-in/provider")
def start() -> Response | tuple[str, int]:
    """Send the browser to the provider."""
    provider = _provider()
    if visitor() is not None:
        return redirect("/", 303)  # a link on another site signs nobody out
    session.clear()  # a sign-in begins with nothing of the visitor from before
    session[_NEXT] = safe_next(request.args.get("next"))
    more = {"acr_values": " ".join(provider.acr)} if provider.acr else {}
    try:
        return cast(Response, _client().authorize_redirect(url_for("provider.back", _external=True), **more))
    except _UNREADABLE as error:
        return _failed(error)


@bp.get("/sign-in/provider/back")
def back() -> Response | tuple[str, int]:
    """Take what the provider says of the person, and let them in."""
    provider = _provider()
    target = safe_next(session.pop(_NEXT, None))
    try:
        token = _client().authorize_access_token(
            claims_options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "sub": {"essential": True},
            }
        )
        claims = _claims(provider, token)
    except _UNREADABLE as error:
        return _failed(error)
    try:
        enter(services().provider.sign_in(claims))
    except NotAllowed as error:
        return _page(f"{provider.name} knows you, but you cannot come in here. {error}", 403)
    return redirect(target, 303)


@bp.get("/sign-out/provider")
def leave() -> Response:
    """End the session at the provider too, where it offers that (RP-Initiated Logout 1.0)."""
    provider = _provider()
    try:
        away = url_for("sign_in.form", _external=True)
        answer = _client().create_logout_url(post_logout_redirect_uri=away, client_id=provider.client_id)
    except _UNREADABLE:
        return redirect(url_for("sign_in.form"), 303)
    return redirect(answer["url"], 303)


def after_sign_out(found: SignedIn | None) -> bool:
    """Whether who has just left may want to leave their provider too."""
    return found is not None and found.provider is not None and _EXTENSION in current_app.extensions


def _claims(provider: Provider, token: dict[str, Any]) -> dict[str, Any]:
    """What the provider says of the person, by a signed id token that answers our nonce."""
    claims = dict(token["userinfo"])
    if provider.userinfo:
        more = dict(_client().userinfo(token=token))
        if more.get("sub") != claims["sub"]:
            raise ValueError("userinfo is of somebody else")  # OpenID Connect Core 5.3.2
        claims = more | claims
    return claims


def _provider() -> Provider:
    found = services().config.provider
    if found is None:
        abort(404)
    return found


def _client() -> Any:
    return current_app.extensions[_EXTENSION]


def _failed(error: Exception) -> tuple[str, int]:
    _log.warning("sign-in at the provider failed", extra={"facts": {"exception": type(error).__name__}})
    return _page(f"Signing in at {_provider().name} did not work. Try again.", 502)


def _page(message: str, status: int) -> tuple[str, int]:
    page = render_template(
        "sign_in.html", next="/", errors={"provider": message}, name="", provider=_provider(), left=False
    )
    return page, status

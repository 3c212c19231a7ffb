"""Errors as people and as machines get them: a designed page, or an RFC 9457 problem document under `/api`."""

import logging
from dataclasses import dataclass, field
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, json, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.http import HTTP_STATUS_CODES

from mpi.domain.errors import BadInput, Conflict, MissingExtra, MpiError, NotAllowed, NotFound, TemporaryFailure
from mpi.web.current import caller, services

_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[MpiError], int], ...] = (
    (BadInput, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (Conflict, 409),
    (TemporaryFailure, 503),
    (MissingExtra, 501),
)
_RETRY_SECONDS = "10"
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is told. `code` is stable; `detail` and `errors` carry no patient value."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTP_STATUS_CODES.get(self.status, "Error")

    def document(self) -> dict[str, Any]:
        """The problem document (RFC 9457, 3.1). Its type is `about:blank`: the status says what kind it is."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = self.errors
        return body


_DETAILS = {
    400: "The request could not be read.",
    401: "A valid bearer token is needed.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The request is larger than this address takes.",
    415: "This address does not take this kind of content.",
    422: "The request has the wrong form.",
    500: "Something went wrong here. Nothing was changed.",
}


def of_mpi(error: MpiError) -> Problem:
    """What the domain raised, as a problem."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if status == 500:
        return Problem(500, "internal", _DETAILS[500])
    errors = []
    if isinstance(error, BadInput) and error.field:
        errors.append({"field": error.field, "detail": str(error)})
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {}
    return Problem(status, error.code, str(error), errors, headers)


def of_http(error: HTTPException) -> Problem:
    """What the framework raised, as a problem; its own description may quote what was sent and is left out."""
    status = error.code or 500
    code = "csrf" if isinstance(error, CSRFError) else HTTP_STATUS_CODES.get(status, "error").lower().replace(" ", "-")
    headers = {name: value for name, value in error.get_headers() if name in _KEPT_HEADERS}
    return Problem(status, code, _DETAILS.get(status, HTTP_STATUS_CODES.get(status, "Error")), headers=headers)


def of_schema(error: HTTPError) -> Problem:
    """What a request schema refused, as a problem: the fields by name where they are ours, never what stood in them."""
    errors = []
    for place in (error.detail or {}).values() if isinstance(error.detail, dict) else ():
        for name, messages in place.items() if isinstance(place, dict) else ():
            unknown = "Unknown field." in messages
            text = "a field that is not known here" if unknown else " ".join(str(m) for m in messages)
            errors.append({"field": "" if unknown else str(name), "detail": text})
    code = "bad-input" if error.status_code == 422 else "bad-request"
    return Problem(error.status_code, code, _DETAILS.get(error.status_code, "The request was refused."), errors)


def install_errors(app: APIFlask) -> None:
    """Let `app` answer every error by a page or a problem document."""

    def from_mpi(error: MpiError) -> Response:
        if isinstance(error, TemporaryFailure):
            _log.warning("request failed for now")
        if isinstance(error, NotAllowed):
            _note_refusal(error)
        return _respond(of_mpi(error))

    def from_anything(error: Exception) -> Response:
        _log.exception("request failed")
        return _respond(Problem(500, "internal", _DETAILS[500]))

    app.register_error_handler(HTTPError, lambda error: _respond(of_schema(error)))
    # For a host that is not ours no address can be built, so no page either.
    app.register_error_handler(
        SecurityError, lambda _: Response("This host is not served here.\n", 400, mimetype="text/plain")
    )
    app.register_error_handler(HTTPException, lambda error: _respond(of_http(error)))
    app.register_error_handler(MpiError, from_mpi)
    app.register_error_handler(Exception, from_anything)


def _note_refusal(error: NotAllowed) -> None:
    """Write a refused attempt into the audit; that it cannot be written does not let anybody in."""
    who = caller()
    if who is None or request.url_rule is None:
        return
    try:
        services().auditing.note_refusal(who, f"{request.method} {request.url_rule.rule}", str(error), error.person_id)
    except MpiError:
        _log.warning("a refused attempt could not be written into the audit")


def _respond(problem: Problem) -> Response:
    if request.path.startswith(("/api/", "/health/", "/metrics")):
        body = json.dumps(problem.document())
        return Response(body, problem.status, problem.headers, content_type="application/problem+json")
    page = render_template("error.html", problem=problem)
    return Response(page, problem.status, problem.headers, content_type="text/html; charset=utf-8")

"""The auditor's pages: events of the audit trail by person, account, kind, time and site. They change nothing.

Who is asked about travels in the body of a POST.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, render_template, request

from mpi.domain.audit import Action
from mpi.domain.errors import BadInput, NotFound
from mpi.domain.roles import Permission
from mpi.services.auditing import GROUPS, MOST_EXPORTED, AuditLine, AuditPage, AuditQuestion, ChainState
from mpi.store import clock
from mpi.web.csv_file import csv_file
from mpi.web.current import actor, needs, services
from mpi.web.words import LOCAL_ZONE

bp = Blueprint("audit", __name__)


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed."""

    person: str = ""
    authority: str = ""
    value: str = ""
    account: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    site: str = ""


@bp.get("/audit")
@needs(Permission.VIEW_AUDIT)
def form() -> str:
    """The latest events, and the form."""
    asked = Form()
    return _page(asked, {}, services().auditing.find(actor(), AuditQuestion()))


@bp.post("/audit")
@needs(Permission.VIEW_AUDIT)
def find() -> str | Response | tuple[str, int]:
    """The events asked for, as a page or as CSV."""
    asked = Form(**{name: request.form.get(name, "").strip() for name in Form.__slots__})
    try:
        question = _question(asked)
        if request.form.get("step") == "export":
            return _csv(services().auditing.export(actor(), question))
        before = request.form.get("before", type=int)
        return _page(asked, {}, services().auditing.find(actor(), question, before=before))
    except (BadInput, NotFound) as error:
        field = error.field if isinstance(error, BadInput) else None
        named = "person" if asked.person else "value"
        return _page(asked, {field or named: str(error)}, None), 422


@bp.post("/audit/verify")
@needs(Permission.VIEW_AUDIT)
def verify() -> str:
    """Check the chain, and say what was found."""
    found = services().auditing.verify(actor())
    return _page(Form(), {}, services().auditing.find(actor(), AuditQuestion()), found)


def _question(asked: Form) -> AuditQuestion:
    said = {name: getattr(asked, name) or None for name in ("person", "authority", "value", "account", "kind", "site")}
    if asked.value and not asked.authority:
        raise BadInput("Select who issued the number", field="authority")
    until = _day(asked.until, "until")
    return AuditQuestion(
        **said, since=_stamp(_day(asked.since, "since")), until=_stamp(until + timedelta(days=1) if until else None)
    )


def _day(text: str, field: str) -> datetime | None:
    """The beginning of a day in the local zone; None: none was typed."""
    if not text:
        return None
    for form_ in ("%Y-%m-%d", "%d/%m/%Y", "%d %m %Y"):
        try:
            return datetime.strptime(text, form_).replace(tzinfo=LOCAL_ZONE)
        except ValueError:
            continue
    raise BadInput("Enter a date like 24/3/2026", field=field)


def _stamp(at: datetime | None) -> str | None:
    return clock.stamp(at) if at is not None else None


def _page(asked: Form, errors: dict[str, str], found: AuditPage | None, chain: ChainState | None = None) -> str:
    auditing, config = services().auditing, services().config
    return render_template(
        "audit.html",
        asked=asked,
        errors=errors,
        found=found,
        chain=chain or auditing.last_check(actor()),
        authorities=config.authorities,
        groups=list(GROUPS),
        actions=sorted(action.value for action in Action),
        most=MOST_EXPORTED,
    )


def _csv(lines: Iterable[AuditLine]) -> Response:
    rows = (
        [" ".join(v) if isinstance(v, tuple) else v for v in (getattr(line, n) for n in AuditLine.__slots__)]
        for line in lines
    )
    return csv_file("audit.csv", AuditLine.__slots__, rows)

"""The person page, and breaking the glass on it."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.enterprise_id import is_enterprise_id
from mpi.domain.errors import BadInput, Conflict, NotFound
from mpi.domain.roles import Permission
from mpi.services.glass import OPEN_FOR
from mpi.web.current import actor, needs, services
from mpi.web.pages.review import LONGEST_REASON

bp = Blueprint("persons", __name__)


@bp.get("/persons/<enterprise_id>")
@needs(Permission.VIEW_PERSON)
def person(enterprise_id: str) -> str:
    """Identifiers, records, links, open tasks and history of one person."""
    return _page(enterprise_id, {}, "")


@bp.post("/persons/<enterprise_id>/break-glass")
@needs(Permission.BREAK_GLASS)
def break_glass(enterprise_id: str) -> Response | tuple[str, int]:
    """Show this session what is withheld of a restricted person, with the reason that is given."""
    reason = request.form.get("reason", "").strip()
    try:
        if len(reason) > LONGEST_REASON:
            raise BadInput(f"The reason must be {LONGEST_REASON} characters or fewer", field="reason")
        services().glass.break_(actor(), _checked(enterprise_id), reason)
    except BadInput as error:
        return _page(enterprise_id, {"reason": str(error)}, reason), 422
    except Conflict:
        flash("Nothing of this person is withheld.", "success")
    return redirect(url_for("persons.person", enterprise_id=enterprise_id), 303)


def _page(enterprise_id: str, errors: dict[str, str], reason: str) -> str:
    found = services().people.person(actor(), _checked(enterprise_id))
    minutes = int(OPEN_FOR.total_seconds() // 60)
    return render_template("person.html", person=found, errors=errors, reason=reason, glass_minutes=minutes)


def _checked(enterprise_id: str) -> str:
    if not is_enterprise_id(enterprise_id):
        raise NotFound("this is no enterprise id")
    return enterprise_id

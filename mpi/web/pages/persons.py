"""The person page."""

from flask import Blueprint, render_template

from mpi.domain.enterprise_id import is_enterprise_id
from mpi.domain.errors import NotFound
from mpi.domain.roles import Permission
from mpi.web.current import actor, needs, services

bp = Blueprint("persons", __name__)


@bp.get("/persons/<enterprise_id>")
@needs(Permission.VIEW_PERSON)
def person(enterprise_id: str) -> str:
    """Identifiers, records, links, open tasks and history of one person."""
    if not is_enterprise_id(enterprise_id):
        raise NotFound("this is no enterprise id")
    return render_template("person.html", person=services().people.person(actor(), enterprise_id))

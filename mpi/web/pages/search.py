"""Search by NHS number, by local number, or by family name and date of birth.

What is searched for travels in the body of a POST and the results come back in its answer: an address would end up
in histories, logs and bookmarks.
"""

from dataclasses import dataclass

from flask import Blueprint, render_template, request

from mpi.domain.errors import BadInput
from mpi.domain.roles import Permission
from mpi.matching import nhs_number
from mpi.services.people import MOST_FOUND, PersonSummary
from mpi.web.current import actor, needs, services

bp = Blueprint("search", __name__)

BY_NHS_NUMBER, BY_LOCAL_NUMBER, BY_NAME = "nhs-number", "local-number", "name"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed into the form."""

    by: str = ""
    nhs_number: str = ""
    local_id: str = ""
    authority: str = ""
    family_name: str = ""
    day: str = ""
    month: str = ""
    year: str = ""

    @property
    def birth_date(self) -> str:
        """The date as ISO text, as far as it was typed."""
        return f"{self.year.zfill(4)}-{self.month.zfill(2)}-{self.day.zfill(2)}"


@bp.get("/search")
@needs(Permission.SEARCH)
def form() -> str:
    """The empty form."""
    return _page(Asked(), {}, None)


@bp.post("/search")
@needs(Permission.SEARCH)
def search() -> str | tuple[str, int]:
    """The form with the persons found, or with what is wrong."""
    asked = _asked()
    errors = _check(asked)
    if not errors:
        try:
            return _page(asked, {}, _search(asked))
        except BadInput as error:
            errors = {error.field or "by": str(error)}
    return _page(asked, errors, None), 422


def _asked() -> Asked:
    return Asked(**{name: request.form.get(name, "").strip() for name in Asked.__dataclass_fields__})


def _check(asked: Asked) -> dict[str, str]:
    errors = {}
    if asked.by == BY_NHS_NUMBER:
        if not nhs_number.is_valid(nhs_number.normalise(asked.nhs_number)):
            errors["nhs_number"] = "Enter a 10 digit NHS number with its right check digit, like 999 000 0018"
    elif asked.by == BY_LOCAL_NUMBER:
        if not asked.local_id:
            errors["local_id"] = "Enter a hospital number"
    elif asked.by == BY_NAME:
        if not asked.family_name:
            errors["family_name"] = "Enter a family name"
        if not (asked.day and asked.month and asked.year):
            errors["birth_date"] = "Enter a day, a month and a year"
    else:
        errors["by"] = "Search by NHS number, by hospital number or by name"
    return errors


def _search(asked: Asked) -> list[PersonSummary]:
    people = services().people
    if asked.by == BY_NHS_NUMBER:
        return people.search(actor(), nhs_number=asked.nhs_number)
    if asked.by == BY_LOCAL_NUMBER:
        return people.search(actor(), local_id=asked.local_id, authority=asked.authority or None)
    return people.search(actor(), family_name=asked.family_name, birth_date=asked.birth_date)


def _page(asked: Asked, errors: dict[str, str], found: list[PersonSummary] | None) -> str:
    hospitals = [a for a in services().config.authorities if a.kind != "national"]
    return render_template("search.html", asked=asked, errors=errors, found=found, hospitals=hospitals, most=MOST_FOUND)

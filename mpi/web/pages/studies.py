"""Outside studies: the operator's day, one study with its people, and what is decided about it."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, NotAllowed, NotFound
from mpi.domain.roles import Permission
from mpi.domain.study_lists import StudyFilter, StudyPlace
from mpi.domain.study_view import StudyAct
from mpi.domain.uid import is_uid
from mpi.web.current import actor, needs, services
from mpi.web.pages.review import LONGEST_REASON

bp = Blueprint("studies", __name__)

ON_A_PAGE = 50
DAYS = 30
DONE: dict[StudyAct, str] = {
    StudyAct.RELEASE: "The study is attached.",
    StudyAct.OVERRIDE: "The override is open.",
    StudyAct.CONFIRM: "The override is confirmed, and the study is attached.",
    StudyAct.REVOKE: "The override is taken back.",
    StudyAct.REFUSE: "The study is refused.",
    StudyAct.KEEP: "The study stays where it is.",
    StudyAct.DETACH: "The study is detached, and held.",
}


@bp.get("/studies")
@needs(Permission.VIEW_STUDY)
def day() -> str:
    """What has to be done today: studies by place, the longest waiting first."""
    try:
        place = StudyPlace(request.args.get("place", StudyPlace.HELD.value))
    except ValueError:
        place = StudyPlace.HELD
    page = max(1, request.args.get("page", 1, type=int))
    found = services().study_lists.page(actor(), StudyFilter(place), ON_A_PAGE, (page - 1) * ON_A_PAGE)
    counts = services().study_lists.counts(actor())
    pages = max(1, -(-found.total // ON_A_PAGE))
    return render_template("studies.html", found=found, place=place, counts=counts, page=page, pages=pages)


@bp.get("/studies/figures")
@needs(Permission.VIEW_STUDY)
def figures() -> str:
    """Turnaround, and how often each rule holds a study or is overridden."""
    return render_template("study_figures.html", figures=services().study_lists.figures(actor(), DAYS))


@bp.get("/studies/<study_uid>")
@needs(Permission.VIEW_STUDY)
def study(study_uid: str) -> str:
    """One study: header against person, rules, history, and the form for what may be done."""
    return _page(study_uid, {}, {})


@bp.post("/studies/<study_uid>")
@needs(Permission.DECIDE_STUDY)
def decide(study_uid: str) -> Response | tuple[str, int]:
    """Carry out what was chosen, with its reason."""
    given = {name: request.form.get(name, "").strip() for name in ("act", "reason", "authority", "value", "code")}
    errors = _errors(given)
    if errors:
        return _page(study_uid, errors, given), 422
    act = StudyAct(given["act"])
    try:
        _acts(study_uid, given)[act]()
    except BadInput as error:
        return _page(study_uid, {error.field or "act": str(error)}, given), 422
    except (Conflict, NotAllowed, NotFound) as error:
        return _page(study_uid, {"conflict": f"This could not be done: {error}."}, given), 409
    flash(DONE[act], "success")
    return redirect(url_for("studies.study", study_uid=study_uid), 303)


def _errors(given: dict[str, str]) -> dict[str, str]:
    errors = {}
    if given["act"] not in {act.value for act in StudyAct}:
        errors["act"] = "Select what is to be done"
    if not given["reason"]:
        errors["reason"] = "Enter a reason"
    elif len(given["reason"]) > LONGEST_REASON:
        errors["reason"] = f"The reason must be {LONGEST_REASON} characters or fewer"
    if given["act"] == StudyAct.OVERRIDE.value:
        if not given["value"]:
            errors["value"] = "Enter the hospital number of the patient whose study it is"
        if not given["code"]:
            errors["code"] = "Select why the rules may be overridden"
    return errors


def _acts(study_uid: str, given: dict[str, str]) -> dict[StudyAct, Callable[[], object]]:
    decisions, overrides, reason = services().study_decisions, services().overrides, given["reason"]
    number = given["authority"], given["value"]
    return {
        StudyAct.RELEASE: lambda: decisions.release(actor(), study_uid, reason),
        StudyAct.OVERRIDE: lambda: overrides.open(actor(), study_uid, *number, given["code"], reason),
        StudyAct.CONFIRM: lambda: overrides.confirm(actor(), study_uid, reason),
        StudyAct.REVOKE: lambda: overrides.revoke(actor(), study_uid, reason),
        StudyAct.REFUSE: lambda: decisions.refuse(actor(), study_uid, reason),
        StudyAct.KEEP: lambda: decisions.keep(actor(), study_uid, reason),
        StudyAct.DETACH: lambda: decisions.detach(actor(), study_uid, reason),
    }


def _page(study_uid: str, errors: dict[str, str], given: dict[str, str]) -> str:
    if not is_uid(study_uid):
        raise NotFound("this is no Study Instance UID")
    found = services().study_views.study(actor(), study_uid)
    hospitals = [one for one in services().config.authorities if one.kind == "hospital"]
    return render_template(
        "study.html",
        found=found,
        study=found.view,
        errors=errors,
        given=given,
        hospitals=hospitals,
        longest=LONGEST_REASON,
    )

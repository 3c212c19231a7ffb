"""The review queue and its tasks."""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, MpiError
from mpi.domain.review import TaskState, Verdict
from mpi.domain.roles import Permission
from mpi.services.queue import DUE_DAYS
from mpi.services.review import ComparisonView, FieldValues, TaskView
from mpi.web.current import actor, needs, services
from mpi.web.words import VERDICTS

bp = Blueprint("review", __name__)

LONGEST_REASON = 2000
TASK = f"/review/<int(max={2**63 - 1}):task_id>"  # more than that no database holds

_COMPARED_BY: dict[str, str] = {
    "nhs_number": "nhs_number",
    "family_name": "family_name",
    "given_name": "given_name",
    "middle_names": "middle_names",
    "birth_date": "birth_date",
    "sex": "sex",
    "address_line": "residence",
    "town": "residence",
    "postcode": "residence",
    "phone": "residence",
    "email": "email",
    "other_identifier": "other_identifier",
}
"""Which comparison of the model weighs a recorded field."""

_NAMED_BY = (("address", "address_line"), ("telephone", "phone"), ("postcode", "postcode"), ("town", "town"))
"""A word in the finding of the comparison of homes, and the field it speaks of; the first word counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the compare table. `comparison` None: not weighed here; `shared`: the label of the line it is in."""

    values: FieldValues
    comparison: ComparisonView | None
    shared: str | None


@bp.get(TASK)
@needs(Permission.VIEW_QUEUE)
def task(task_id: int) -> str:
    """One task: both records side by side, the evidence, and the form for the verdict."""
    return _page(services().review.task(actor(), task_id), {}, "", "")


@bp.post(TASK)
@needs(Permission.DECIDE)
def decide(task_id: int) -> Response | tuple[str, int]:
    """Carry out the verdict and go to the next task."""
    given, reason = request.form.get("verdict", ""), request.form.get("reason", "").strip()
    errors = {}
    if given not in {v.value for v in Verdict}:
        errors["verdict"] = "Select whether this is the same person"
    if not reason:
        errors["reason"] = "Enter a reason"
    elif len(reason) > LONGEST_REASON:
        errors["reason"] = f"The reason must be {LONGEST_REASON} characters or fewer"
    if errors:
        return _page(services().review.task(actor(), task_id), errors, given, reason), 422
    verdict = Verdict(given)
    try:
        decided = services().review.decide(actor(), task_id, verdict, reason)
    except (BadInput, Conflict) as error:
        return _refused(task_id, error, given, reason)
    flash(f"Task {task_id}: {VERDICTS[verdict].lower()}. Your decision is kept.", "success")
    if decided.next_task is None:
        return redirect(url_for("review.queue"), 303)
    return redirect(url_for("review.task", task_id=decided.next_task), 303)


@bp.post(TASK + "/reopen")
@needs(Permission.UNDO)
def reopen(task_id: int) -> Response | tuple[str, int]:
    """Take the answer to a held update or a deletion back."""
    reason = request.form.get("reason", "").strip()
    try:
        if len(reason) > LONGEST_REASON:
            raise BadInput(f"The reason must be {LONGEST_REASON} characters or fewer", field="reason")
        services().review.reopen(actor(), task_id, reason)
    except BadInput as error:
        return _page(services().review.task(actor(), task_id), {"reason": str(error)}, "", reason), 422
    except Conflict as error:
        message = f"The answer could not be taken back: {error}."
        return _page(services().review.task(actor(), task_id), {"conflict": message}, "", reason), 409
    flash(f"Task {task_id}: the answer was taken back. The task is open again.", "success")
    return redirect(url_for("review.task", task_id=task_id), 303)


def _refused(task_id: int, error: MpiError, given: str, reason: str) -> tuple[str, int]:
    """The task as it is now, with what stood in the way; what was typed is not lost."""
    view = services().review.task(actor(), task_id)
    if isinstance(error, BadInput):
        return _page(view, {error.field or "verdict": str(error)}, given, reason), 422
    if view.summary.state is TaskState.CLOSED:
        message = "Somebody else decided this task before you. Your decision was not used; theirs is shown below."
    else:
        message = f"Your decision could not be carried out: {error}."
    return _page(view, {"conflict": message}, given, reason), 409


def _page(view: TaskView, errors: dict[str, str], given: str, reason: str) -> str:
    rows = _rows(view)
    shown = {row.comparison.comparison for row in rows if row.comparison}
    return render_template(
        "task.html",
        task=view,
        rows=rows,
        others=[c for c in view.comparisons if c.comparison not in shown and c.bits],
        start=_start(view),
        errors=errors,
        given=given,
        reason=reason,
        longest=LONGEST_REASON,
        reviewers=services().queue.reviewers(actor()),
        days=DUE_DAYS,
    )


def _rows(view: TaskView) -> list[Row]:
    comparisons = {c.comparison: c for c in view.comparisons}
    weighed: dict[str, list[FieldValues]] = {}
    for values in view.fields:
        weighed.setdefault(_COMPARED_BY.get(values.field, ""), []).append(values)
    places = {name: _place(found, weighed[name]) for name, found in comparisons.items() if name in weighed}
    rows = []
    for values in view.fields:
        name = _COMPARED_BY.get(values.field, "")
        place = places.get(name)
        here = place is None or place.field == values.field
        rows.append(Row(values, comparisons.get(name) if here else None, None if here or not place else place.label))
    return rows


def _place(found: ComparisonView, fields: list[FieldValues]) -> FieldValues:
    """Where a comparison of several fields stands: in the line of the one that its finding names, else in the first."""
    named = (field for word, field in _NAMED_BY if word in found.agreement)
    wanted = next(named, None)
    return next((values for values in fields if values.field == wanted), fields[0])


def _start(view: TaskView) -> float | None:
    """Bits before anything is compared: how seldom two records taken at random are one person."""
    if view.weight is None or not view.comparisons:
        return None
    return view.weight - sum(c.bits for c in view.comparisons)

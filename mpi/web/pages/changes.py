"""Changes of identities: what one did and taking it back, and decisions that nobody was asked for.

Numbers of patients travel in the body of a POST only.
"""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, MpiError, NotFound
from mpi.domain.person import Identifier
from mpi.domain.roles import Permission
from mpi.services.decisions import Decision, Operation
from mpi.services.preview import Effect
from mpi.web.current import actor, may, needs, services
from mpi.web.pages.review import LONGEST_REASON

bp = Blueprint("changes", __name__)

_CHANGE = f"/changes/<int(max={2**63 - 1}):change_id>"


@bp.get(_CHANGE)
@needs(Permission.VIEW_PERSON)
def change(change_id: int) -> str:
    """What a change did, what taking it back would touch, and the form for it."""
    return _page(change_id, {}, "")


@bp.post(_CHANGE)
@needs(Permission.UNDO)
def undo(change_id: int) -> Response | tuple[str, int]:
    """Take the change back."""
    reason = request.form.get("reason", "").strip()
    errors = _reason_errors(reason)
    if errors:
        return _page(change_id, errors, reason), 422
    keep_apart = request.form.get("after") == "apart"
    try:
        seen = request.form.get("seen-apart" if keep_apart else "seen-exactly")
        done = services().undo.do(actor(), change_id, reason, keep_apart=keep_apart, seen=seen)
    except Conflict as error:
        return _page(change_id, {"conflict": f"This could not be taken back: {error}."}, reason), 409
    flash(f"Change {change_id} was taken back by change {done.change_id}.", "success")
    for note in done.effect.notes:
        flash(note, "warning")
    return redirect(url_for("changes.change", change_id=done.change_id), 303)


def _reason_errors(reason: str) -> dict[str, str]:
    if not reason:
        return {"reason": "Enter a reason"}
    if len(reason) > LONGEST_REASON:
        return {"reason": f"The reason must be {LONGEST_REASON} characters or fewer"}
    return {}


def _page(change_id: int, errors: dict[str, str], reason: str) -> str:
    undoing = services().undo
    found = undoing.change(actor(), change_id)
    apart, effects = False, {}
    if may(Permission.UNDO) and found.undone_by is None:
        apart = undoing.keeps_apart(actor(), change_id)
        try:
            effects = {each: undoing.preview(actor(), change_id, keep_apart=each) for each in (True, False)}
        except Conflict as error:
            errors = {"conflict": f"This cannot be taken back: {error}."} | errors
    return render_template("change.html", change=found, effects=effects, apart=apart, errors=errors, reason=reason)


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed into the form of a decision."""

    operation: str = ""
    authority: str = ""
    value: str = ""
    other_authority: str = ""
    other_value: str = ""
    reason: str = ""


@bp.get("/decide")
@needs(Permission.DECIDE)
def form() -> str:
    """The empty form of a decision."""
    return _decide_page(Form(), {}, None)


@bp.post("/decide")
@needs(Permission.DECIDE)
def decide() -> Response | str | tuple[str, int]:
    """Show what the decision would touch, or carry it out."""
    asked = Form(**{name: request.form.get(name, "").strip() for name in Form.__slots__})
    carry_out = request.form.get("step") == "do"
    errors = _check(asked) | (_reason_errors(asked.reason) if carry_out else {})
    if errors:
        return _decide_page(asked, errors, None), 422
    decision = _decision(asked)
    try:
        if not carry_out:
            return _decide_page(asked, {}, services().decisions.preview(actor(), decision))
        done = services().decisions.do(actor(), decision, asked.reason, seen=request.form.get("seen"))
    except (BadInput, NotFound, Conflict) as error:
        # The effect is shown again when it is asked for again: what it was may be what has changed.
        return _decide_page(asked, _named(error), None), 409 if isinstance(error, Conflict) else 422
    flash(f"Your decision is kept as change {done.change_id}.", "success")
    return redirect(url_for("changes.change", change_id=done.change_id), 303)


def _decision(asked: Form) -> Decision:
    operation = Operation(asked.operation)
    other = None if operation is Operation.UNLINK else Identifier(asked.other_authority, asked.other_value)
    return Decision(operation, Identifier(asked.authority, asked.value), other)


def _check(asked: Form) -> dict[str, str]:
    errors = {}
    if asked.operation not in {one.value for one in Operation}:
        errors["operation"] = "Select what you decide"
    if not asked.value:
        errors["value"] = "Enter a hospital number"
    if not asked.other_value and asked.operation != Operation.UNLINK:
        errors["other_value"] = "Enter the other hospital number"
    return errors


def _named(error: MpiError) -> dict[str, str]:
    field = error.field if isinstance(error, BadInput) else None
    return {field or "conflict": f"{str(error)[:1].upper()}{str(error)[1:]}"}


def _decide_page(asked: Form, errors: dict[str, str], effect: Effect | None) -> str:
    hospitals = [a for a in services().config.authorities if a.kind != "national"]
    return render_template(
        "decide.html", asked=asked, errors=errors, effect=effect, hospitals=hospitals, longest=LONGEST_REASON
    )

"""The review queue and its tasks."""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, MpiError, NotAllowed
from mpi.domain.review import ReasonCode, TaskState, Verdict
from mpi.domain.roles import Permission
from mpi.services.queue import DUE_DAYS
from mpi.services.review import Answer, TaskView
from mpi.web.compare import drawn, rows_of, start_of, waterfall
from mpi.web.current import actor, needs, services
from mpi.web.words import LABELS, VERDICTS

bp = Blueprint("review", __name__)

LONGEST_REASON = 2000
TASK = f"/review/<int(max={2**63 - 1}):task_id>"  # more than that no database holds


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed into the form of a task."""

    verdict: str = ""
    code: str = ""
    reason: str = ""
    days: str = ""
    go: frozenset[int] = frozenset()

    @staticmethod
    def sent() -> "Form":
        """The form of the request at hand."""
        said = request.form
        typed = {name: said.get(name, "").strip() for name in ("verdict", "code", "reason", "days")}
        return Form(**typed, go=frozenset(said.getlist("go", type=int)))

    @property
    def errors(self) -> dict[str, str]:
        """What is missing or cannot be used, by field."""
        errors = {}
        if self.verdict not in {v.value for v in Verdict}:
            errors["verdict"] = "Select whether this is the same person"
        if self.code not in {"", *(code.value for code in ReasonCode)}:
            errors["code"] = "Select one of the reasons"
        if not self.reason and self.code in ("", ReasonCode.OTHER.value):
            errors["reason"] = "Enter a reason"
        elif len(self.reason) > LONGEST_REASON:
            errors["reason"] = f"The reason must be {LONGEST_REASON} characters or fewer"
        return errors

    @property
    def answer(self) -> Answer:
        """The same as an answer; only without errors."""
        return Answer(
            Verdict(self.verdict),
            self.reason,
            ReasonCode(self.code) if self.code else None,
            int(self.days) if self.days.isdecimal() else None,
            self.go,
            request.form.get("seen"),
        )


@bp.get(TASK)
@needs(Permission.VIEW_QUEUE)
def task(task_id: int) -> str:
    """One task: both records side by side, the evidence, and the form for the verdict."""
    return _page(services().review.task(actor(), task_id), {}, None)


@bp.post(TASK)
@needs(Permission.DECIDE)
def decide(task_id: int) -> Response | tuple[str, int]:
    """Keep the answer: a blind one is looked at again, any other is carried out and leads to the next task."""
    form = Form.sent()
    if form.errors:
        return _page(services().review.task(actor(), task_id), form.errors, form), 422
    try:
        decided = services().review.answer(actor(), task_id, form.answer)
    except (BadInput, Conflict, NotAllowed) as error:
        return _refused(task_id, error, form)
    if decided.first:
        flash("Your answer is kept. Below is what the index thinks: confirm your answer, or change it.", "success")
        return redirect(url_for("review.task", task_id=task_id), 303)
    if decided.vote:
        flash(f"Task {task_id}: your answer is kept. Another reviewer answers it too, without seeing yours.", "success")
    else:
        flash(f"Task {task_id}: {VERDICTS[form.verdict].lower()}. Your decision is kept.", "success")
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
        return _page(services().review.task(actor(), task_id), {"reason": str(error)}, Form(reason=reason)), 422
    except Conflict as error:
        message = f"The answer could not be taken back: {error}."
        return _page(services().review.task(actor(), task_id), {"conflict": message}, Form(reason=reason)), 409
    flash(f"Task {task_id}: the answer was taken back. The task is open again.", "success")
    return redirect(url_for("review.task", task_id=task_id), 303)


def _refused(task_id: int, error: MpiError, form: Form) -> tuple[str, int]:
    """The task as it is now, with what stood in the way; what was typed is not lost."""
    view = services().review.task(actor(), task_id)
    if isinstance(error, BadInput):
        return _page(view, {error.field or "verdict": str(error)}, form), 422
    if view.summary.state is TaskState.CLOSED:
        message = "Somebody else decided this task before you. Your decision was not used; theirs is shown below."
    else:
        message = f"Your decision could not be carried out: {error}."
    return _page(view, {"conflict": message}, form), 409


def _page(view: TaskView, errors: dict[str, str], form: Form | None) -> str:
    first = view.reading.first
    if form is None and first is not None:
        form = Form(first.verdict.value, first.reason_code.value if first.reason_code else "", first.reason)
    rows = rows_of(view)
    shown = {row.comparison.comparison for row in rows if row.comparison}
    nodes, edges = drawn(view.cluster)
    return render_template(
        "task.html",
        task=view,
        rows=rows,
        others=[c for c in view.comparisons if c.comparison not in shown and c.bits],
        start=start_of(view),
        bars=waterfall(view, LABELS),
        nodes=nodes,
        edges=edges,
        errors=errors,
        form=form or Form(),
        longest=LONGEST_REASON,
        reviewers=services().queue.reviewers(actor()),
        days=DUE_DAYS,
        codes=ReasonCode,
    )

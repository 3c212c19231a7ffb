"""The review queue: filtered, searched, in saved views; taking, handing over, and what is safe to do in bulk.

Addresses hold filters and task numbers only; what is searched for travels in the body of a POST.
"""

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from mpi.domain.errors import BadInput, Conflict, NotAllowed
from mpi.domain.queue import AGES, Due, Owned, QueueFilter, Show, Sort
from mpi.domain.review import TaskType
from mpi.domain.roles import Permission
from mpi.services.queue import DUE_DAYS, LONGEST_NAME, Bulk, BulkOrder, QueuePage
from mpi.services.views import TaskSummary
from mpi.web.current import actor, may, needs, services
from mpi.web.pages.review import TASK, bp
from mpi.web.words import BULK_DONE

_LONGEST_NUMBER = 18


@bp.get("/review")
@needs(Permission.VIEW_QUEUE)
def queue() -> str:
    """One page of tasks."""
    return _page(QueueFilter.read(request.args), {})


def _page(wanted: QueueFilter, errors: dict[str, str], *, typed: str = "", chosen: frozenset[int] = frozenset()) -> str:
    service = services().queue
    found = service.page(actor(), wanted, page=request.args.get("page", 1, type=int))
    hospitals = [a for a in services().config.authorities if a.kind != "national"]
    return render_template(
        "queue.html",
        queue=found,
        wanted=wanted,
        filters=wanted.as_dict(),
        facets=service.facets(actor()),
        saved=service.views(actor()),
        pages=_page_links(found, wanted),
        hospitals=hospitals,
        reviewers=service.reviewers(actor()) if may(Permission.DECIDE) else [],
        choices={"show": Show, "type": TaskType, "owner": Owned, "due": Due, "sort": Sort, "age": AGES},
        days=DUE_DAYS,
        longest=LONGEST_NAME,
        errors=errors,
        typed=typed,
        chosen=chosen,
    )


def _address(wanted: QueueFilter, page: int | None = None) -> str:
    return url_for("review.queue", page=page, **wanted.as_dict())  # type: ignore[arg-type]


def _page_links(queue: QueuePage, wanted: QueueFilter) -> list[dict[str, object]]:
    """The first, the last and the neighbouring pages, with an ellipsis where some are left out."""

    def href(page: int) -> str:
        return _address(wanted, page)

    shown = sorted({1, queue.pages, *range(max(1, queue.page - 1), min(queue.pages, queue.page + 1) + 1)})
    links: list[dict[str, object]] = []
    for before, page in zip([0, *shown], shown, strict=False):
        if page - before > 1:
            links.append({"ellipsis": True})
        links.append({"number": page, "href": href(page), "current": page == queue.page})
    return links


@bp.post("/review/find")
@needs(Permission.SEARCH)
def find() -> Response | str | tuple[str, int]:
    """The task of a number, or the tasks about the people who carry one."""
    typed = request.form.get("number", "").strip()
    found: tuple[TaskSummary, ...] = ()
    try:
        found = services().queue.find(actor(), typed)
    except BadInput as error:
        return _page(QueueFilter(), {error.field or "number": str(error)}, typed=typed), 422
    if not found and typed.isdecimal() and typed.isascii() and len(typed) <= _LONGEST_NUMBER:
        return redirect(url_for("review.task", task_id=int(typed)), 303)
    return render_template("found_tasks.html", tasks=found, typed=typed)


@bp.post("/review/next")
@needs(Permission.DECIDE)
def take_next() -> Response:
    """Take the most urgent task that nobody has, and open it."""
    task_id = services().queue.take_next(actor())
    if task_id is None:
        flash("There is nothing to take: every task to decide has somebody, or you have read it already.", "warning")
        return redirect(url_for("review.queue"), 303)
    return redirect(url_for("review.task", task_id=task_id), 303)


@bp.post(TASK + "/owner")
@needs(Permission.DECIDE)
def give(task_id: int) -> Response:
    """Take a task, give it back, hand it over, or say when it is due; the page of the task says how it went."""
    service, step = services().queue, request.form.get("step", "")
    try:
        if step == "take":
            service.take(actor(), task_id)
        elif step == "let-go":
            service.let_go(actor(), task_id)
        elif step == "assign":
            service.assign(actor(), task_id, request.form.get("to", ""))
        elif step == "due":
            service.set_due(actor(), task_id, request.form.get("days", 0, type=int))
        else:
            raise BadInput("Select what to do with the task")
        flash(BULK_DONE[step].format(f"Task {task_id}"), "success")
    except (BadInput, Conflict, NotAllowed) as error:
        flash(f"Task {task_id} was left as it is: {error}.", "warning")
    return redirect(url_for("review.task", task_id=task_id), 303)


@bp.post("/review/bulk")
@needs(Permission.DECIDE)
def bulk() -> Response | str | tuple[str, int]:
    """Show what an order would do to the chosen tasks, or carry it out."""
    wanted = QueueFilter.read(request.args)
    ids = frozenset(i for i in request.form.getlist("tasks", type=int) if 0 < i < 2**63)
    try:
        operation = Bulk(request.form.get("operation", ""))
    except ValueError:
        return _page(wanted, {"operation": "Select what to do with the tasks"}, chosen=ids), 422
    to, days = request.form.get("to") or None, request.form.get("days", type=int)
    order = BulkOrder(operation, tuple(sorted(ids)), to, days)
    try:
        if request.form.get("step") != "do":
            lines = services().queue.preview(actor(), order)
            return render_template("bulk.html", order=order, lines=lines, filters=wanted.as_dict())
        done, left = services().queue.do(actor(), order)
    except BadInput as error:
        return _page(wanted, {error.field or "operation": str(error)}, chosen=ids), 422
    if done:
        flash(BULK_DONE[operation.value].format(f"{len(done)} task{'' if len(done) == 1 else 's'}"), "success")
    for task_id, why in left:
        flash(f"Task {task_id} was left as it is: {why}.", "warning")
    return redirect(_address(wanted), 303)


@bp.post("/review/views")
@needs(Permission.VIEW_QUEUE)
def keep_view() -> Response | tuple[str, int]:
    """Save the filter that is shown under a name, or forget a saved one."""
    wanted, forget = QueueFilter.read(request.args), request.form.get("forget", type=int)
    if forget is not None:
        services().queue.drop_view(actor(), min(forget, 2**63 - 1))
        return redirect(_address(wanted), 303)
    name = request.form.get("name", "")
    try:
        services().queue.keep_view(actor(), name, wanted)
    except BadInput as error:
        return _page(wanted, {"name": str(error)}), 422
    return redirect(_address(wanted), 303)

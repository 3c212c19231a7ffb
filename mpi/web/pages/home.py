"""The home page: how much there is of what, now."""

from flask import Blueprint, render_template
from flask_login import login_required

from mpi.web.current import services

bp = Blueprint("home", __name__)


@bp.get("/")
@login_required  # type: ignore[untyped-decorator]
def home() -> str:
    """Live counts. Nothing here names a patient, so every role sees it."""
    told = [one for one in services().outbox.deliveries() if one.configured]
    return render_template("home.html", counts=services().overview.counts(), told=told)

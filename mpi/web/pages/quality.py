"""How good the index is: figures without any patient's values."""

from flask import Blueprint, render_template

from mpi.domain.roles import Permission
from mpi.web.current import actor, needs, services

bp = Blueprint("quality", __name__)


@bp.get("/quality")
@needs(Permission.VIEW_QUALITY)
def index() -> str:
    """Precision, recall, calibration and agreement, as far as verdicts say."""
    return render_template("quality.html", found=services().estimates.now(actor()))

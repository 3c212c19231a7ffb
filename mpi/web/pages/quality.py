"""How good the index and its sources are, and how the queue stands: figures without any patient's values."""

from flask import Blueprint, Response, render_template

from mpi.domain.errors import NotFound
from mpi.domain.roles import Permission
from mpi.matching.defects import Fault
from mpi.services.quality.workload import AGES
from mpi.services.review import FIELD_LABELS
from mpi.web.csv_file import csv_file
from mpi.web.current import actor, needs, services

bp = Blueprint("quality", __name__)

FAULTS: dict[Fault, str] = {
    Fault.MISSING: "Missing",
    Fault.DEFAULT: "Default value",
    Fault.IMPOSSIBLE: "Impossible",
    Fault.CONFLICTING: "In conflict",
    Fault.UNVERIFIED: "Not verified",
    Fault.DUPLICATE: "Duplicates",
}
_FIELDS = {**FIELD_LABELS, "local_id": "Hospital number"}


@bp.get("/quality")
@needs(Permission.VIEW_QUALITY)
def index() -> str:
    """Precision, recall, calibration and agreement, as far as verdicts say."""
    return render_template("quality.html", found=services().estimates.now(actor()))


@bp.get("/quality/sources")
@needs(Permission.VIEW_QUALITY)
def sources() -> str:
    """The scorecards of all sources."""
    return render_template("quality_sources.html", found=services().source_cards.cards(actor()), faults=FAULTS)


@bp.get("/quality/sources/<authority>")
@needs(Permission.VIEW_QUALITY)
def source(authority: str) -> str:
    """One authority: what is wrong most often, and week by week."""
    known = services().config.authority(authority)
    if known is None:
        raise NotFound("there is no such authority")
    cards = [card for card in services().source_cards.cards(actor()).cards if card.authority == known.code]
    return render_template(
        "quality_source.html",
        authority=known.code,
        name=known.name,
        cards=cards,
        weeks=services().source_cards.trend(actor(), known.code),
        faults=FAULTS,
        fields=_FIELDS,
    )


@bp.post("/quality/sources/<authority>/list")
@needs(Permission.EXPORT_FIX_LIST)
def fix_list(authority: str) -> Response:
    """What an authority's records have wrong, as CSV."""
    found = services().source_cards.fix_list(actor(), authority)
    rows = (
        (line.local_id, line.source, _FIELDS.get(line.field, line.field), FAULTS[Fault(line.fault)], line.listed_at)
        for line in found.lines
    )
    columns = ("hospital number", "source", "field", "what is wrong", "listed since")
    return csv_file(f"to-mend-{found.authority}.csv", columns, rows)


@bp.get("/quality/work")
@needs(Permission.VIEW_QUALITY)
def work() -> str:
    """What waits in the queue, what comes and goes, and how long answers take."""
    return render_template("quality_work.html", found=services().workloads.now(actor()), ages=AGES)

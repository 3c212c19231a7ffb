"""For operators: is the process alive, can the index work, and figures for Prometheus. No patient values."""

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from mpi.bootstrap import App
from mpi.services.outbox import Outbox
from mpi.services.overview import Counts, Overview
from mpi.web.current import services

bp = Blueprint("health", __name__)

_REGISTRY = "mpi-metrics"


@bp.get("/health/live")
def live() -> dict[str, str]:
    """Whether this process answers."""
    return {"status": "alive"}


@bp.get("/health/ready")
def ready() -> tuple[dict[str, object], int]:
    """Whether the index can do its work: 200 or 503, with each check; a subscriber that is away is named, no more."""
    health = services().overview.health()
    body: dict[str, object] = {"status": "ready" if health.ok else "not ready", "checks": health.checks}
    if health.ok and (told := {one.name: one.in_words() for one in services().outbox.deliveries() if one.configured}):
        body["subscribers"] = told
    return body, 200 if health.ok else 503


@bp.get("/metrics")
def metrics() -> Response:
    """The index's figures in the Prometheus text format."""
    registry: CollectorRegistry = current_app.extensions[_REGISTRY]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def install_metrics(web: Flask, app: App) -> None:
    """Give `web` the registry that `/metrics` prints: read from the index at each scrape."""
    registry = CollectorRegistry()
    registry.register(_IndexFigures(app.overview))
    registry.register(_OutboxFigures(app.outbox))
    web.extensions[_REGISTRY] = registry


class _IndexFigures(Collector):
    """The figures of the index as gauges; counted in the database, so that all processes tell the same."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def describe(self) -> list[Metric]:
        # Nothing is counted when the registry is made: the database may be out of reach then.
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._overview.counts()
        yield _one("mpi_persons", "Persons in the index", counts.persons)
        yield _one("mpi_records", "Source records in the index", counts.records)
        yield from _by_label(counts)
        problems = GaugeMetricFamily(
            "mpi_value_problems", "Recorded values that matching cannot use", labels=["source", "field", "problem"]
        )
        for source, field, problem, n in counts.problems:
            problems.add_metric([source, field, problem], n)
        yield problems


class _OutboxFigures(Collector):
    """How it stands with each subscriber."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        found = [one for one in self._outbox.deliveries() if one.configured]
        figures = {
            "mpi_notifications_waiting": ("Notifications not yet taken", {d.name: d.waiting for d in found}),
            "mpi_notifications_given_up": ("Notifications refused too often", {d.name: d.given_up for d in found}),
            "mpi_notifications_behind": ("Changes not looked at, up to 10000", {d.name: d.behind for d in found}),
            "mpi_notifications_oldest_seconds": (
                "Age of the oldest change a subscriber does not know",
                {d.name: round(d.oldest_seconds) for d in found},
            ),
            "mpi_notifications_failures": ("Rounds in a row without success", {d.name: d.failures for d in found}),
        }
        for name, (text, values) in figures.items():
            yield _family(name, text, "subscriber", values)


def _by_label(counts: Counts) -> Iterator[Metric]:
    yield _family("mpi_links", "Links by how they were made", "how", counts.links)
    waiting = {"open": counts.tasks_open, "waiting": counts.tasks_waiting}
    yield _family("mpi_review_tasks", "Review tasks not yet closed, by state", "state", waiting)
    yield _family("mpi_review_tasks_by_type", "Review tasks not yet closed, by type", "type", counts.tasks_by_type)
    yield _family("mpi_messages", "Messages in the inbox by outcome", "outcome", counts.messages)


def _one(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _family(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, n in values.items():
        family.add_metric([key], n)
    return family

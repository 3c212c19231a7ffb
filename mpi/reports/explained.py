"""One pair of a batch run explained on one page, without script or network."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpi.reports.dedup import document, section, table, text
from mpi.reports.waterfall import waterfall


def page(found: Mapping[str, Any], parts: Sequence[tuple[str, str, float]], thresholds: Mapping[str, float]) -> str:
    """The page as HTML, of what `mpi.services.explain.Explained` gives as `as_dict` and `parts`."""
    run, alone = found["run"], found["alone"]
    facts: list[tuple[str, object]] = [
        ("weight (bits)", float(found["weight"])),
        ("probability", float(found["probability"])),
        ("pattern", found["pattern"]),
        ("model", f"{found['model']['name']}, {found['model']['hash'][:12]}"),
        ("the two records alone", said(alone)),
        ("in the run", run["not_written"] or said(run)),
        ("in one cluster", "yes" if found["one_cluster"] else "no"),
    ]
    missing = [e["comparison"].replace("_", " ") for e in found["evidence"] if e["bits"] is None]
    chart = waterfall([(f"{name}: {label}", bits) for name, label, bits in parts], thresholds)
    figures = table(("comparison", "level", "bits"), parts)
    body = [
        text("This page holds record ids, and no names, dates, addresses or NHS numbers of people."),
        section("What became of the pair", table(("", ""), facts)),
        section("How the weight comes about", chart, figures),
    ]
    if missing:
        body.append(text(f"Missing on a side, so that it adds nothing: {', '.join(missing)}."))
    return document(f"{found['left']} and {found['right']}", "\n".join(body))


def said(decision: Mapping[str, Any]) -> str:
    """A decision and the rule behind it, in a few words."""
    return f"{decision['decision']}, by the rule {decision['rule']}" if decision["rule"] else str(decision["decision"])

"""`evaluation.html`: a finished batch run held against the truth, on one page without script or network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpi.reports import charts
from mpi.reports.dedup import document, section, table, text, truth_section


def write(path: Path, evaluation: Mapping[str, Any]) -> None:
    """Write the page of what `mpi.services.evaluate.measure` gives."""
    path.write_text(page(evaluation), encoding="utf-8")


def page(evaluation: Mapping[str, Any]) -> str:
    """The page as HTML."""
    limits, curves = evaluation["model"], evaluation["curves"]
    review, best = evaluation["review"], evaluation["best_threshold"]
    facts: list[tuple[str, object]] = [
        ("records whose truth is known", evaluation["records_with_truth"]),
        ("pairs sent to review", review["pairs"]),
        ("of these one person", review["of_one_person"]),
        ("recall of links and review", review["recall_of_links_and_review"]),
        ("clusters with two verified NHS numbers", evaluation["clusters_with_two_verified_numbers"]),
    ]
    if blocking := evaluation.get("blocking"):
        facts += [
            ("true pairs never compared", blocking["true_pairs_lost"]),
            ("recall lost by that", blocking["recall_lost"]),
        ]
    if best:
        facts += [("best F1 by weight alone", best["f1"]), ("at a weight (bits) of", best["bits"])]
    parts = [truth_section(evaluation), section("In figures", table(("", ""), facts))]
    if scores := curves["histogram"]:
        chart = charts.histogram(scores["edges"], scores, limits, charts.TRUTHS)
        parts.append(section("Weights of pairs by the truth", text(_WEIGHTS), chart))
    if line := curves["along"]:
        labels = ("precision", "recall")
        chart = charts.along(line["weight"], line["precision"], line["recall"], limits, labels)
        shown = list(zip(line["weight"], line["precision"], line["recall"], strict=True))[
            :: max(1, len(line["weight"]) // 20)
        ]
        figures = f"<details><summary>As a table</summary>{table(('from (bits)', *labels), shown)}</details>"
        parts.append(section("Precision and recall along the threshold", text(_ALONG), chart, figures))
    return document("A run held against the truth", "\n".join(parts))


_WEIGHTS = (
    "The pairs that the run wrote, by their weight and by whether they are one person. The scale is logarithmic. What "
    "lies below the review threshold and below -2 bits is not written."
)
_ALONG = (
    "If all pairs from a weight upwards were linked, without the hard rules and without clusters. Recall is of all "
    "true pairs, those that were never compared too."
)

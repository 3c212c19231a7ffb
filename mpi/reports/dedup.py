"""`report.html` of a batch run: one self-contained page that opens without a network, and runs no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mpi.reports import charts
from mpi.reports.waterfall import waterfall

_STYLE = """
body{font:16px/1.5 sans-serif;color:#212b32;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.8rem}h2{font-size:1.3rem;margin-top:2.5rem;border-bottom:2px solid #005eb8}
table{border-collapse:collapse;margin:1rem 0;font-size:.9rem}th,td{padding:.2rem .8rem .2rem 0;text-align:left;
border-bottom:1px solid #d8dde0;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
svg{max-width:100%;height:auto}details{margin:.4rem 0}summary{cursor:pointer;color:#005eb8}
.note{background:#f0f4f5;padding:.8rem;border-left:4px solid #005eb8}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

Figures = Mapping[str, Any]
"""What the page shows; every part but `counts` and `model` may be missing. Plain data, see `sections`."""


def write(path: Path, figures: Figures) -> None:
    """Write the page of these figures to `path`."""
    path.write_text(page(figures), encoding="utf-8")


def page(figures: Figures) -> str:
    """The page as HTML."""
    body = "\n".join(part for part in sections(figures) if part)
    return document(str(figures.get("title", "Duplicates found")), body)


def document(title: str, body: str) -> str:
    """A whole page around its parts."""
    title = escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def sections(figures: Figures) -> Iterable[str]:
    """The parts of the page in order; one without figures is empty."""
    model = figures["model"]
    limits = model["thresholds"]
    yield _what_it_holds(figures)
    yield section("What was found", table(("", ""), [(_words(k), v) for k, v in figures["counts"].items()]))
    if rules := figures.get("reviews_by_rule"):
        yield section("Why pairs go to a human", table(("rule", "pairs"), rules.items()))
    if scores := figures.get("histogram"):
        yield section("Weights", _histogram_note(), charts.histogram(scores["edges"], scores, limits))
    if line := figures.get("along"):
        chart = charts.along(line["weight"], line["precision"], line["recall"], limits)
        yield section("What the model expects along the threshold", _along_note(), chart)
    yield _clusters(figures)
    yield _examples(figures.get("examples", ()), limits)
    yield truth_section(figures.get("evaluation"))
    yield _profile(figures)
    yield _values(figures.get("values", ()))
    yield _model(model)
    if seconds := figures.get("seconds"):
        yield section("Time", table(("phase", "seconds"), seconds.items()))


def _words(name: str) -> str:
    return name.replace("_", " ")


def section(title: str, *parts: str) -> str:
    """A part of a page under a heading."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="n">{value:,.4g}</td>'
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value)
    return f"<td>{escape('' if value is None else str(value))}</td>"


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table with numbers to the right."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def text(words: str) -> str:
    """A paragraph."""
    return f"<p>{escape(words)}</p>"


def _what_it_holds(figures: Figures) -> str:
    sources = ", ".join(str(one) for one in figures.get("inputs", ()))
    return (
        '<p class="note">This page holds no names, dates, addresses or NHS numbers of people. It holds record ids of '
        "example pairs, and the commonest family and given names with how often they stand, as model.json does. "
        f"{escape('Made from ' + sources + '.') if sources else ''}</p>"
    )


def _histogram_note() -> str:
    return text(
        "Each candidate pair by its weight: 0 bits are even odds, a bit more doubles them. The scale is logarithmic. "
        "A pair above the link threshold that is not linked was held by a rule."
    )


def _along_note() -> str:
    return text(
        "By the probabilities of the pairs themselves, without truth: if all pairs from a weight upwards were linked, "
        "which share would be right, and which share of the true pairs among those compared would be found. The rules "
        "hold back relatives on top of that, so what is linked is better than the curve."
    )


def _clusters(figures: Figures) -> str:
    sizes = figures.get("cluster_sizes")
    if not sizes:
        return ""
    parts = [charts.sizes({int(size): count for size, count in sizes.items()})]
    if bridges := figures.get("bridges"):
        parts.append(text("The weakest pairs that hold two groups together; a human looks at those not linked."))
        rows = [(b["left"], b["right"], b["weight"], b["probability"], b["decision"]) for b in bridges]
        parts.append(table(("left", "right", "weight (bits)", "probability", "decision"), rows))
    return section("Clusters", *parts)


def _examples(examples: Sequence[Mapping[str, Any]], limits: Mapping[str, float]) -> str:
    if not examples:
        return ""
    found = []
    for one in examples:
        rule = f", {one['rule']}" if one.get("rule") else ""
        title = f"{one['why']}: {one['left']} and {one['right']}, {one['weight']:.1f} bits, {one['decision']}{rule}"
        parts = [(f"{name}: {label}", bits) for name, label, bits in one["parts"]]
        chart = waterfall(parts, limits)
        found.append(f"<details><summary>{escape(title)}</summary>{chart}</details>")
    return section("Pairs explained", text("How the weight of a pair comes about. Choose one."), *found)


def truth_section(evaluation: Mapping[str, Any] | None) -> str:
    """Links and clusters held against the truth, faults and calibration; empty without an evaluation."""
    if not evaluation:
        return ""
    rows = [
        (name, evaluation[name]["precision"], evaluation[name]["recall"], evaluation[name]["f1"])
        for name in ("links", "clusters")
    ]
    parts = [table(("", "precision", "recall", "F1"), rows)]
    if faults := evaluation.get("faults"):
        parts.append(charts.recall_by_fault(faults))
    if bands := evaluation.get("reliability"):
        said = [(band["said"], band["true"]) for band in bands]
        rows_of_bands = [(band["pairs"], band["said"], band["true"]) for band in bands]
        parts += [text("Probability said, and share that is true."), charts.reliability(said)]
        parts.append(table(("pairs", "probability said", "share true"), rows_of_bands))
    return section("Held against the truth", *parts)


def _profile(figures: Figures) -> str:
    profile = figures.get("profile")
    if not profile:
        return ""
    sources = list(profile)
    fields = list(profile[sources[0]])
    rows = [(_words(field), *(f"{profile[source][field]:.1%}" for source in sources)) for field in fields]
    parts = [text("Share of records with a usable value."), table(("field", *sources), rows)]
    if problems := figures.get("problems"):
        parts.append(text("Values that were not used: placeholders and defaults, unreadable and impossible ones."))
        found = sorted(problems, key=lambda p: -p["count"])
        rows_of = [(p["source"], _words(p["field"]), _words(p["problem"]), p["count"]) for p in found]
        parts.append(table(("source", "field", "problem", "records"), rows_of))
    return section("Missing and default values", *parts)


def _values(values: Sequence[Mapping[str, Any]]) -> str:
    if not values:
        return ""
    rows = [(_words(v["field"]), v["value"], v["records"], v["share"], v["oddity"]) for v in values]
    note = text("The commonest values. One that far more records carry than the next ones is often a default.")
    return section("Value frequencies", note, table(("field", "value", "records", "share", ""), rows))


def _model(model: Mapping[str, Any]) -> str:
    found = [
        text(
            f"{model['name']}, {model['hash'][:12]}. Link from {model['thresholds']['link']} bits, review from "
            f"{model['thresholds']['review']}. Two random records are one person with probability {model['prior']:.3g}."
        )
    ]
    if not model.get("families", True):
        found.append(text("The records hold next to no relatives, so the rules against relatives hold nothing back."))
    levels = [(_words(c["name"]), level) for c in model["comparisons"] for level in c["levels"]]
    labels = [f"{name}: {level['label']}" for name, level in levels]
    m, u, bits = ([level[part] for _, level in levels] for part in ("m", "u", "bits"))
    found += ["<h3>What each level adds</h3>", charts.level_weights(labels, bits)]
    found += ["<h3>How often each level is reached</h3>", charts.m_and_u(labels, m, u)]
    head = ("level", "m", "u", "bits", "share of term frequency")
    parts = ("m", "u", "bits", "frequency")
    rows = [
        (label, *(float(level.get(part, 0.0)) for part in parts))
        for label, (_, level) in zip(labels, levels, strict=True)
    ]
    found.append(f"<details><summary>The figures</summary>{table(head, rows)}</details>")
    if relatives := model.get("relatives"):
        found.append(text("How many pairs of relatives the model reckons with for each pair of one person's records."))
        found.append(table(("relatives", "per match"), [(r["name"], r["per_match"]) for r in relatives]))
    return section("The model", *found)

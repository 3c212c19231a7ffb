"""Charts as SVG text: no script, no foreign host, the same bytes for the same figures. Drawn by matplotlib."""

import io
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

INK, BLUE, _AMBER, RED, _GREEN, _GREY = "#212b32", "#005eb8", "#c77700", "#b3261e", "#00704a", "#768692"
COLOURS = {"link": _GREEN, "review": _AMBER, "apart": _GREY, "one person": _GREEN, "two people": _GREY}
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mpi",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
}


def _drawn(width: float, height: float, draw: Any, labels: Sequence[str] = ()) -> str:
    """The SVG of a figure of this size (inches) that `draw(axes)` draws; `labels` stand left of the axes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Margins by hand: layout engines draw every figure once more to measure it.
    left = max(0.7, 0.3 + 0.068 * max((len(label) for label in labels), default=0))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        draw(figure.add_axes((left / width, 0.5 / height, 1 - (left + 0.2) / width, 1 - 0.8 / height)))
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = _METADATA.sub("", out.getvalue())
    return text[text.index("<svg") :]


def _logarithmic(axis: Any, scale: Any, **options: Any) -> None:
    """A logarithmic scale with plain numbers: mathematical notation takes a hundred times as long to draw."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    scale(**options)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_locator(NullLocator())


def _thresholds(axes: Any, thresholds: Mapping[str, float]) -> None:
    for name, colour in (("link", _GREEN), ("review", _AMBER)):
        axes.axvline(thresholds[name], color=colour, linestyle="--", linewidth=1)
        axes.annotate(
            name,
            (thresholds[name], 1),
            xycoords=("data", "axes fraction"),
            color=colour,
            ha="left",
            va="top",
            rotation=90,
        )


DECISIONS = ("apart", "review", "link")
TRUTHS = ("two people", "one person")


def histogram(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[int]],
    thresholds: Mapping[str, float],
    kinds: Sequence[str] = DECISIONS,
) -> str:
    """How many pairs of each kind (`DECISIONS` or `TRUTHS`) lie at each weight, on a logarithmic scale."""

    def draw(axes: Any) -> None:
        bottom = [0.0] * (len(edges) - 1)
        widths = [b - a for a, b in pairwise(edges)]
        for name in kinds:
            axes.bar(edges[:-1], counts[name], widths, bottom, align="edge", color=COLOURS[name], label=name)
            bottom = [a + b for a, b in zip(bottom, counts[name], strict=True)]
        _logarithmic(axes.yaxis, axes.set_yscale, value="symlog", linthresh=10)
        _thresholds(axes, thresholds)
        axes.set_xlabel("weight (bits)")
        axes.set_ylabel("pairs")
        axes.legend(frameon=False, loc="upper right")  # to look for the best place takes long

    return _drawn(8, 3, draw)


def along(
    weights: Sequence[float],
    precision: Sequence[float],
    recall: Sequence[float],
    thresholds: Mapping[str, float],
    labels: tuple[str, str] = ("precision expected", "recall expected, of pairs compared"),
) -> str:
    """Precision and recall, expected by the model or measured, if all pairs from a weight upwards were linked."""

    def draw(axes: Any) -> None:
        axes.plot(weights, precision, color=BLUE, label=labels[0])
        axes.plot(weights, recall, color=RED, label=labels[1])
        axes.set_ylim(0, 1.02)
        _thresholds(axes, thresholds)
        axes.set_xlabel("all pairs from this weight (bits) upwards linked")
        axes.legend(frameon=False, loc="lower left")

    return _drawn(8, 3, draw)


def level_weights(labels: Sequence[str], bits: Sequence[float]) -> str:
    """What each level of the comparisons adds, in bits."""

    def draw(axes: Any) -> None:
        axes.barh(range(len(labels)), bits, color=[BLUE if b >= 0 else RED for b in bits])
        for place, b in enumerate(bits):
            axes.annotate(f"{b:+.1f}", (b, place), va="center", ha="left" if b >= 0 else "right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.margins(x=0.15)
        axes.set_xlabel("bits")

    return _drawn(9, 1 + 0.2 * len(labels), draw, labels)


def m_and_u(labels: Sequence[str], m: Sequence[float], u: Sequence[float]) -> str:
    """How often one person's records (m) and two strangers' (u) reach each level, on a logarithmic scale."""

    def draw(axes: Any) -> None:
        places = range(len(labels))
        axes.barh([p - 0.2 for p in places], m, 0.4, color=BLUE, label="m: one person")
        axes.barh([p + 0.2 for p in places], u, 0.4, color=_GREY, label="u: strangers")
        axes.set_yticks(places, labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        _logarithmic(axes.xaxis, axes.set_xscale, value="log")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return _drawn(9, 1 + 0.22 * len(labels), draw, labels)


def sizes(counts: Mapping[int, int]) -> str:
    """How many clusters there are of each size."""

    def draw(axes: Any) -> None:
        ordered = sorted(counts)
        axes.bar([str(size) for size in ordered], [counts[size] for size in ordered], color=BLUE)
        _logarithmic(axes.yaxis, axes.set_yscale, value="symlog", linthresh=10)
        axes.set_xlabel("records in a cluster")
        axes.set_ylabel("clusters")

    return _drawn(8, 2.6, draw)


def recall_by_fault(faults: Mapping[str, Mapping[str, Any]]) -> str:
    """Of the true pairs with each fault: linked, sent to review, neither."""

    def draw(axes: Any) -> None:
        names = sorted(faults, key=lambda name: (faults[name]["recall_links"] or 0, name))
        linked = [faults[name]["recall_links"] or 0 for name in names]
        asked = [faults[name]["sent_to_review"] or 0 for name in names]
        axes.barh(names, linked, color=_GREEN, label="linked")
        axes.barh(names, asked, left=linked, color=_AMBER, label="sent to review")
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of true pairs in which a record has this fault")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return _drawn(9, 1 + 0.24 * len(faults), draw, list(faults))


def reliability(bands: Sequence[tuple[float, float]]) -> str:
    """Mean probability of each band of pairs against the share that is true."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
        axes.plot([said for said, _ in bands], [true for _, true in bands], "o-", color=BLUE)
        axes.set_xlabel("probability")
        axes.set_ylabel("share true")

    return _drawn(4, 3.6, draw)

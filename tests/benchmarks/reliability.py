"""Tables and figure for the documentation out of `var/bench/accuracy.json`: what was said, and what was true.

Run as `python -m tests.benchmarks.reliability` after the accuracy benchmark. Prints Markdown, draws
docs/images/reliability.svg.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FIGURES = Path("var/bench/accuracy.json")
PICTURE = Path("docs/images/reliability.svg")
LABELS = {"default": "shipped model", "train": "trained on the data, without truth"}
Found = Mapping[str, Any]


def pooled(runs: Iterable[Found]) -> list[tuple[float, int, float, float]]:
    """Band, pairs, mean of what was said, share of what was true, over several runs."""
    sums: dict[float, list[float]] = {}
    for run in runs:
        for band in run["reliability"]:
            own = sums.setdefault(band["from"], [0.0, 0.0, 0.0])
            own[0] += band["pairs"]
            own[1] += band["pairs"] * band["said"]
            own[2] += band["pairs"] * band["true"]
    return [(start, int(n), said / n, true / n) for start, (n, said, true) in sorted(sums.items())]


def groups(runs: Iterable[Found]) -> list[tuple[str, int, float, float]]:
    """Group of people, true pairs, share linked, share asked about, over several runs."""
    sums: dict[str, list[float]] = {}
    for run in runs:
        for group, figures in run["equality"].items():
            own = sums.setdefault(group, [0.0, 0.0, 0.0])
            own[0] += figures["true_pairs"]
            own[1] += figures["true_pairs"] * figures["linked"]
            own[2] += figures["true_pairs"] * figures["to_review"]
    return [(group, int(n), linked / n, asked / n) for group, (n, linked, asked) in sorted(sums.items())]


def draw(series: Mapping[str, list[tuple[float, int, float, float]]], path: Path) -> None:
    """One line a model, said against true, both as odds: the ends are what matters."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "reliability"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.5, 5))
    ends = (0.0005, 0.9999)
    axes.plot(ends, ends, color="#768692", linewidth=1, label="as said")
    for (name, rows), colour in zip(series.items(), ("#005eb8", "#007f3b"), strict=True):
        inside = [(said, true) for _, _, said, true in rows if said >= ends[0] and 0 < true < 1]
        axes.plot(*zip(*inside, strict=True), marker="o", color=colour, label=LABELS[name])
    axes.set_xscale("logit")
    axes.set_yscale("logit")
    axes.set_xlabel("probability as said")
    axes.set_ylabel("share of pairs that are one person")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print and draw."""
    found = json.loads(FIGURES.read_text(encoding="utf-8"))["found"]
    synthetic = {kind: [f for f in found if f["with"] == kind and f["twin_pairs_compared"]] for kind in LABELS}
    series = {kind: pooled(runs) for kind, runs in synthetic.items()}
    draw(series, PICTURE)
    for kind, rows in series.items():
        print(f"\n| {LABELS[kind]}: from | pairs | said | true |\n| --- | --- | --- | --- |")
        print("\n".join(f"| {start:g} | {n:,} | {said:.4f} | {true:.4f} |" for start, n, said, true in rows))
    print("\n| who | true pairs | linked | to a human |\n| --- | --- | --- | --- |")
    for group, n, linked, asked in groups(synthetic["default"]):
        print(f"| {group} | {n:,} | {100 * linked:.1f} % | {100 * asked:.1f} % |")


if __name__ == "__main__":
    main()

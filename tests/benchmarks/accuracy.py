"""How right the shipped decision rule is: FEBRL and unseen synthetic people, with the shipped model and a trained one.

Run as `python -m tests.benchmarks.accuracy --persons 50000 --seed 7001 7002 7003`. Prints and writes to var/bench: F1
of automatic links (review counts as not linked), of clusters, twins, reliability of probabilities, and who is linked
less often than others. 513,000 persons are a million records.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mpi.engines.base import Dataset
from mpi.engines.local.engine import LocalEngine
from mpi.engines.local.train import estimate
from mpi.engines.preparing import prepare_dataset
from mpi.engines.weigh_columns import decide, probabilities
from mpi.matching.cluster import LINK, REVIEW, cluster
from mpi.matching.model import LinkageModel, load_default
from mpi.services.dedup import as_pairs, standing_of
from tests.benchmarks.known import Known, f1_along, febrl, pairs_in, synthetic
from tests.benchmarks.machine import describe

FOLDER = Path("var/bench")
BANDS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


def _f1(right: int, found: int, true: int) -> dict[str, float]:
    precision, recall = right / max(found, 1), right / true
    f1 = 2 * right / (found + true)
    return {"f1": round(f1, 5), "precision": round(precision, 6), "recall": round(recall, 5), "false": found - right}


def measure(known: Known, data: Dataset, model: LinkageModel) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """All figures of one data set with one model, and the arrays behind them."""
    pairs = LocalEngine().pairs(data, model, between=known.between)
    decided = decide(model, pairs)
    standing = standing_of(data)
    clustered = cluster(len(known.person), as_pairs(model, pairs, decided), standing, link=model.thresholds.link)
    true = known.person[pairs.left] == known.person[pairs.right]
    total = pairs_in(known.person)
    linked, asked = clustered.outcome == LINK, clustered.outcome == REVIEW
    both = np.unique(np.column_stack((clustered.cluster, known.person)), axis=0, return_inverse=True)[1].ravel()
    chance = probabilities(model, pairs.levels, pairs.terms, decided.weight, np.arange(len(true)))
    birth = (known.birth[pairs.left] == known.birth[pairs.right]) & (known.birth[pairs.left] >= 0) & ~true
    members = np.column_stack((clustered.cluster, known.birth, known.person))[known.birth >= 0]
    of_birth = np.unique(np.unique(members, axis=0)[:, :2], axis=0, return_counts=True)[1]
    verified = np.column_stack((clustered.cluster, standing.number))[(standing.number >= 0) & standing.verified]
    numbers = np.unique(np.unique(verified, axis=0)[:, 0], return_counts=True)[1]
    figures = {
        "records": len(known.person),
        "true_pairs": total,
        "links": _f1(int((linked & true).sum()), int(linked.sum()), total),
        "clusters": _f1(pairs_in(both), pairs_in(clustered.cluster), total),
        "best_f1": {
            "by_weight": f1_along(decided.weight, true, total, ())["best"],
            "by_probability": f1_along(chance, true, total, ())["best"],
        },
        "reviews_per_record": round(float(asked.sum()) / len(known.person), 4),
        "recall_with_review": round(float(((linked | asked) & true).sum()) / total, 5),
        "blocked": round(float(true.sum()) / total, 5),
        "two_verified_numbers_in_one_cluster": int((numbers > 1).sum()),
        "twins_in_one_cluster": int((of_birth > 1).sum()),
        "twin_pairs_compared": int(birth.sum()),
        "twin_pairs_to_review": round(float((birth & asked).sum() / max(birth.sum(), 1)), 4),
        "reliability": _reliability(chance, true),
        "thresholds": {"link": model.thresholds.link, "review": model.thresholds.review},
        "families": model.families,
        "own_identifier": model.own_identifier,
        "model": model.hash[:12],
    }
    return figures, {"left": pairs.left, "right": pairs.right, "linked": linked, "true": true, "asked": asked}


def _reliability(chance: NDArray[np.float64], true: NDArray[np.bool_]) -> list[dict[str, Any]]:
    place = np.clip(np.searchsorted(BANDS, chance, side="right") - 1, 0, len(BANDS) - 2)
    found = []
    for band in range(len(BANDS) - 1):
        own = place == band
        if own.any():
            figures = {"said": round(float(chance[own].mean()), 4), "true": round(float(true[own].mean()), 4)}
            found.append({"from": BANDS[band], "pairs": int(own.sum()), **figures})
    return found


def equality(known: Known, arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Recall of automatic links by who the person is: groups of the pairs' first record."""
    table = pq.read_table(known.raw, columns=["traits", "sex", "birth_date", "nhs_number", "faults"]).to_pylist()
    by_person: dict[int, list[int]] = {}
    for number, person in enumerate(known.person.tolist()):
        by_person.setdefault(person, []).append(number)
    code = arrays["left"].astype(np.int64) * len(known.person) + arrays["right"]
    state = dict(zip(code.tolist(), zip(arrays["linked"].tolist(), arrays["asked"].tolist(), strict=True), strict=True))
    results: dict[str, list[tuple[bool, bool]]] = {}
    for records in by_person.values():
        for i, a in enumerate(records):
            for b in records[i + 1 :]:
                found = state.get(a * len(known.person) + b, (False, False))
                for group in _groups(table[a], table[b]):
                    results.setdefault(group, []).append(found)
    return {
        group: {
            "true_pairs": len(found),
            "linked": round(sum(one[0] for one in found) / len(found), 4),
            "to_review": round(sum(one[1] for one in found) / len(found), 4),
        }
        for group, found in sorted(results.items())
    }


def _groups(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    traits = (a["traits"] or "").split(";")
    tradition = next((t.removeprefix("tradition-") for t in traits if t.startswith("tradition-")), "most common")
    found = [f"names: {tradition}", f"sex recorded: {a['sex'] or 'missing'}"]
    if a["birth_date"]:
        age = 2025 - int(a["birth_date"][:4])
        band = (
            "0"
            if age < 1
            else "1-17"
            if age < 18
            else "18-64"
            if age < 65
            else "65-99"
            if age < 100
            else "default date"
        )
        found.append(f"age: {band}")
    missing = (not a["nhs_number"]) + (not b["nhs_number"])
    found.append(f"NHS number: {('on both', 'on one', 'on neither')[missing]}")
    found += [f"trait: {t}" for t in traits if t and not t.startswith("tradition-")]
    return found


def run(name: str, known: Known, folder: Path, seed: int = 1) -> list[dict[str, Any]]:
    """Figures of one data set, once with the shipped model and once with one trained on it without truth."""
    data = prepare_dataset(known.raw, folder / name, workers=2)
    found = []
    for kind in ("default", "train"):
        model = load_default() if kind == "default" else estimate(data, seed=seed)
        figures, arrays = measure(known, data, model)
        if known.birth.max(initial=-1) >= 0 and kind == "default":
            figures["equality"] = equality(known, arrays)
        found.append({"on": name, "with": kind, **figures})
        shown = ("links", "clusters", "best_f1", "twins_in_one_cluster", "two_verified_numbers_in_one_cluster")
        short = {key: figures[key] for key in (*shown, "twin_pairs_to_review", "reviews_per_record")}
        print(name, kind, json.dumps(short), flush=True)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--seed", type=int, nargs="*", default=[7001, 7002, 7003])
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for which in (3, 4):
            found += run(f"febrl{which}", febrl(which, folder), folder)
        for seed in options.seed:
            found += run(f"synthetic-{seed}", synthetic(options.persons, seed, folder), folder)
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": describe(), "persons": options.persons, "found": found}, indent=1)
    (FOLDER / "accuracy.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

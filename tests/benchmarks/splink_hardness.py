"""Is the synthetic population hard enough? Splink on it: same prepared values, same blocking, its usual comparisons.

Run as `python -m tests.benchmarks.splink_hardness --persons 50000 --seed 424`. Prints and writes to var/bench the best
F1 of any threshold, F1 at the thresholds Splink's own material uses, and how many twin pairs lack a number on one side.
"""

import argparse
import json
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.prepare import prepare
from mpi.synth.population import Row, make

FOLDER = Path("var/bench")
USUAL = (0.5, 0.9, 0.95, 0.99)
"""Probabilities at which Splink's tutorials and documentation predict or cluster."""
MOST_AT_BEST, MOST_AT_DEFAULT = 0.91, 0.83
LEAST_TWINS = 0.02
_COMPARED = "family given middle birth sex postcode address town phone email nhs other_id".split()


def prepared_frame(rows: list[Row]) -> pd.DataFrame:
    """Our prepared values and blocking keys (those of at most `BLOCK_LIMIT` records), one row a record."""
    found: list[dict[str, Any]] = []
    keys: list[tuple[str, ...]] = []
    for row in rows:
        said = Demographics(**{field: row[field] or None for field in DEMOGRAPHIC_FIELDS})
        p = prepare(said, allow_test_numbers=True)[0]
        found.append({name: getattr(p, name) for name in _COMPARED})
        keys.append(blocking_keys(p))
    sizes = Counter(key for own in keys for key in own)
    frame = pd.DataFrame(found)
    frame["keys"] = [[key for key in own if sizes[key] <= BLOCK_LIMIT] for own in keys]
    frame["unique_id"] = np.arange(len(frame))
    return frame


def splink_pairs(frame: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """All pairs in our blocks with Splink's probability, and the seconds of its phases."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    comparisons = [
        cl.NameComparison("given").configure(term_frequency_adjustments=True),
        cl.NameComparison("family").configure(term_frequency_adjustments=True),
        cl.ExactMatch("middle"),
        cl.DateOfBirthComparison("birth", input_is_string=True),
        cl.ExactMatch("sex"),
        cl.LevenshteinAtThresholds("postcode", [1, 2]),
        cl.JaroWinklerAtThresholds("address", [0.9]),
        cl.ExactMatch("town"),
        cl.ExactMatch("phone"),
        cl.EmailComparison("email"),
        cl.ExactMatch("nhs"),
        cl.ExactMatch("other_id"),
    ]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on("keys", arrays_to_explode=["keys"])],
        retain_matching_columns=False,
    )
    seconds = {}
    begin = time.perf_counter()
    api = DuckDBAPI()
    linker = Linker(api.register(frame), settings, log_level=None)
    sure = [block_on("nhs"), block_on("given", "family", "birth"), block_on("given", "birth", "postcode")]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=2_000_000, seed=seed)
    seconds["u"] = time.perf_counter() - begin
    for rule in (block_on("given", "family"), block_on("birth"), block_on("postcode", "given")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    seconds["training"] = time.perf_counter() - begin
    found = linker.inference.predict().as_pandas_dataframe()
    seconds["all"] = time.perf_counter() - begin
    return found, seconds


def f1_along(probability: np.ndarray[Any, Any], true: np.ndarray[Any, Any], all_true: int) -> dict[str, Any]:
    """F1 at the usual thresholds and at the best one."""
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(true[order])
    taken = np.arange(1, len(order) + 1)
    f1 = 2 * hits / (taken + all_true)
    # only where the next pair has a lower score is there a threshold to be had
    last = np.append(np.diff(probability[order]) != 0, True)
    best = int(np.argmax(np.where(last, f1, 0)))
    at = {}
    for threshold in USUAL:
        above = probability >= threshold
        at[str(threshold)] = round(2 * int(true[above].sum()) / (int(above.sum()) + all_true), 4)
    return {
        "best": round(float(f1[best]), 4),
        "best_precision": round(float(hits[best] / taken[best]), 4),
        "best_recall": round(float(hits[best] / all_true), 4),
        "at": at,
    }


def twins(rows: list[Row]) -> dict[str, float]:
    """Share of people who are twins or triplets, and the share of record pairs across them lacking a number."""
    people = {row["true_person"]: row for row in rows}
    births: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["true_birth"]:
            births.setdefault((row["true_birth"],), []).append(row)
    pairs = lacking = 0
    for members in births.values():
        for a, b in combinations(members, 2):
            if a["true_person"] != b["true_person"]:
                pairs += 1
                lacking += not a["nhs_number"] or not b["nhs_number"]
    return {
        "people": round(sum(bool(r["true_birth"]) for r in people.values()) / len(people), 4),
        "pairs_lacking_a_number": round(lacking / max(pairs, 1), 4),
    }


def measure(persons: int, seed: int) -> dict[str, Any]:
    """All figures of one population."""
    rows = list(make(persons, seed))
    frame = prepared_frame(rows)
    found, seconds = splink_pairs(frame, seed=seed)
    person = np.array([int(row["true_person"]) for row in rows])
    true = person[found["unique_id_l"].to_numpy()] == person[found["unique_id_r"].to_numpy()]
    sizes = Counter(person.tolist())
    all_true = sum(n * (n - 1) // 2 for n in sizes.values())
    return {
        "persons": persons,
        "seed": seed,
        "records": len(rows),
        "true_pairs": all_true,
        "candidate_pairs": len(found),
        "blocked_recall": round(int(true.sum()) / all_true, 4),
        "missing_nhs_numbers": round(sum(not row["nhs_number"] for row in rows) / len(rows), 4),
        "twins": twins(rows),
        "splink_f1": f1_along(found["match_probability"].to_numpy(), true, all_true),
        "splink_seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--seed", type=int, nargs="*", default=[424])
    options = parser.parse_args()
    figures = [measure(options.persons, seed) for seed in options.seed]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "splink_hardness.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

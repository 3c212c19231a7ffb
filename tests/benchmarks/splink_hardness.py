"""How well Splink ranks, and so how hard our population is: same prepared values and blocking, its usual comparisons.

Run as `python -m tests.benchmarks.splink_hardness --persons 50000 --seed 424`. Prints and writes to var/bench the best
F1 of any threshold on FEBRL 3, FEBRL 4 and synthetic people, F1 at the thresholds Splink's own material uses, and how
many twin pairs lack a number on one side.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from mpi.domain.person import DEMOGRAPHIC_FIELDS, Demographics
from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.prepare import prepare
from tests.benchmarks.known import Known, f1_along, febrl, synthetic
from tests.benchmarks.machine import describe

Row = Mapping[str, Any]
FOLDER = Path("var/bench")
USUAL = (0.5, 0.9, 0.95, 0.99)
"""Probabilities at which Splink's tutorials and documentation predict or cluster."""
MOST_AT_BEST, MOST_AT_DEFAULT = 0.91, 0.83
LEAST_TWINS = 0.02
_COMPARED = "family given middle birth sex postcode address town phone email nhs other_id".split()


def prepared_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Our prepared values and blocking keys (those of at most `BLOCK_LIMIT` records), one row a record."""
    found: list[dict[str, Any]] = []
    keys: list[tuple[str, ...]] = []
    for row in rows:
        said = Demographics(**{field: row.get(field) or None for field in DEMOGRAPHIC_FIELDS})
        p = prepare(said, allow_test_numbers=True)[0]
        found.append({name: getattr(p, name) for name in _COMPARED})
        keys.append(blocking_keys(p))
    sizes = Counter(key for own in keys for key in own)
    frame = pd.DataFrame(found)
    frame["keys"] = [[key for key in own if sizes[key] <= BLOCK_LIMIT] for own in keys]
    frame["unique_id"] = np.arange(len(frame))
    return frame


def splink_pairs(frame: pd.DataFrame, *, seed: int, between: bool) -> tuple[pd.DataFrame, dict[str, float]]:
    """All pairs in our blocks with Splink's probability, and the seconds of its phases. `between`: two files."""
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
    known = {name for name in _COMPARED if frame[name].notna().any()}
    settings = SettingsCreator(
        link_type="link_only" if between else "dedupe_only",
        comparisons=[c for name, c in zip(_COMPARED, comparisons, strict=True) if name in known],
        blocking_rules_to_generate_predictions=[block_on("keys", arrays_to_explode=["keys"])],
        retain_matching_columns=False,
    )
    seconds = {}
    begin = time.perf_counter()
    api = DuckDBAPI()
    frames = [part for _, part in frame.groupby("file")] if between else [frame]
    linker = Linker([api.register(part) for part in frames], settings, log_level=None)
    sure = [
        block_on("nhs" if "nhs" in known else "other_id"),
        block_on("given", "family", "birth"),
        block_on("given", "birth", "postcode"),
    ]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=2_000_000, seed=seed)
    seconds["u"] = time.perf_counter() - begin
    for rule in (block_on("given", "family"), block_on("birth"), block_on("postcode", "given")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    seconds["training"] = time.perf_counter() - begin
    found = linker.inference.predict().as_pandas_dataframe()
    seconds["all"] = time.perf_counter() - begin
    return found, seconds


def twins(rows: Sequence[Row]) -> dict[str, float]:
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


def measure(name: str, known: Known, seed: int) -> dict[str, Any]:
    """All figures of one data set."""
    rows = pq.read_table(known.raw).to_pylist()
    frame = prepared_frame(rows)
    frame["file"] = [row.get("file", 0) for row in rows]
    found, seconds = splink_pairs(frame, seed=seed, between=known.between)
    person = known.person
    true = person[found["unique_id_l"].to_numpy()] == person[found["unique_id_r"].to_numpy()]
    figures = {
        "on": name,
        "records": len(rows),
        "true_pairs": known.true_pairs,
        "candidate_pairs": len(found),
        "blocked_recall": round(int(true.sum()) / known.true_pairs, 4),
        "splink_f1": f1_along(found["match_probability"].to_numpy(), true, known.true_pairs, USUAL),
        "splink_seconds": {phase: round(value, 1) for phase, value in seconds.items()},
    }
    if known.birth.max(initial=-1) >= 0:
        missing = sum(not row["nhs_number"] for row in rows) / len(rows)
        figures |= {"missing_nhs_numbers": round(missing, 4), "twins": twins(rows)}
    return figures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--seed", type=int, nargs="*", default=[424])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [measure(f"febrl{which}", febrl(which, folder), 1) for which in (3, 4)]
        for seed in options.seed:
            known = synthetic(options.persons, seed, folder)
            figures.append({"persons": options.persons, "seed": seed} | measure(f"synthetic-{seed}", known, seed))
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": describe(), "found": figures}, indent=1)
    (FOLDER / "splink_hardness.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

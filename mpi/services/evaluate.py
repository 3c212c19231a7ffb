"""A finished batch run held against the truth: what was linked rightly, what was missed, and where it was lost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.errors import BadInput, NotFound
from mpi.engines.base import Dataset
from mpi.engines.measures import measures
from mpi.services.evaluate_blocking import share_a_key

Ints = NDArray[np.int64]
UNKNOWN = -1
APART, REVIEW, LINK, UNSEEN = 0, 1, 2, 3
_CODES = {"apart": APART, "review": REVIEW, "link": LINK}
BANDS = (0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 1.01)
"""Probabilities at which a band of pairs begins."""
MOST_PAIRS = 20_000_000
"""True pairs that are looked at one by one; where there are more, only totals are given."""


@dataclass(frozen=True)
class Truth:
    """What is known of the records of a run, in its order: whose each is (`UNKNOWN`: nobody knows), and of which file.

    `faults` are labels of what is wrong with each record; `birth` is one code for twins and triplets; None where the
    inputs do not say.
    """

    person: Ints
    file: Ints
    faults: Sequence[str | None] | None = None
    birth: Ints | None = None


def read_run(out: Path) -> dict[str, Any]:
    """What `run.json` of a finished run says; raises `NotFound` where there is none."""
    try:
        found: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotFound(f"there is no finished run in {out} (no run.json)") from error
    return found


@dataclass(frozen=True)
class _Decided:
    """The pairs of a run by record number, sorted, and each record's cluster."""

    code: Ints
    """left * records + right."""
    decision: NDArray[np.int8]
    weight: NDArray[np.float64]
    probability: NDArray[np.float64]
    cluster: Ints


def measure(out: Path, ids: Any, truth: Truth, data: Dataset) -> dict[str, Any]:
    """The measures of the run in `out`, as JSON. `ids` are its records' ids, `data` is its prepared input.

    Records of whom the truth is not known are left out, with all their pairs. A run `--between` files is measured on
    pairs between files.
    """
    run = read_run(out)
    n = len(ids)
    if n != run["counts"]["records"]:
        raise BadInput("the inputs have changed since the run", code="file")
    found = _read(out, ids)
    between = bool(run["between"])
    known = truth.person != UNKNOWN
    total = _pairs_of(truth.person[known], truth.file[known], between)
    left, right = found.code // n, found.code % n
    sure = known[left] & known[right]
    same = sure & (truth.person[left] == truth.person[right])
    linked = found.decision == LINK
    reviewed = found.decision == REVIEW
    inside = _pairs_of(found.cluster[known], truth.file[known], between)
    together = _pairs_of(_both(found.cluster, truth.person)[known], truth.file[known], between)
    result: dict[str, Any] = {
        "records": n,
        "records_with_truth": int(known.sum()),
        "between": between,
        "links": asdict(
            measures(true_pairs=total, found_pairs=int((linked & sure).sum()), true_found=int((linked & same).sum()))
        ),
        "clusters": asdict(measures(true_pairs=total, found_pairs=inside, true_found=together)),
        "best_threshold": _best(found.weight[sure], same[sure], total),
        "review": _review(n, reviewed & sure, same, linked, total),
        "clusters_with_two_verified_numbers": _two_numbers(found.cluster, data),
        "model": run["model"],
        "curves": _curves(found.weight[sure], same[sure], total),
        "reliability": _reliability(found.probability[sure], same[sure]),
    }
    if total > MOST_PAIRS:
        return result
    pairs = _enumerate(np.where(known, truth.person, UNKNOWN), truth.file, between)
    state = _states(found, pairs, n)
    lost = _lost(pairs, state, data)
    result["blocking"] = {"true_pairs_lost": int(lost.sum()), "recall_lost": _ratio(int(lost.sum()), total)}
    if truth.faults is not None:
        result["faults"] = _by_fault(truth.faults, pairs, state, found.cluster, lost)
    if truth.birth is not None:
        result["twins"] = _twins(truth, found, n, between)
    return result


def _read(out: Path, ids: Any) -> _Decided:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    def places(column: Any) -> Ints:
        return np.asarray(pc.index_in(column.combine_chunks(), ids).to_numpy(zero_copy_only=False), np.int64)

    table = pq.read_table(out / "pairs.parquet", columns=["left_id", "right_id", "weight", "probability", "decision"])
    code = places(table["left_id"]) * len(ids) + places(table["right_id"])
    order = np.argsort(code, kind="stable")
    decision = np.array([_CODES[name] for name in table["decision"].to_pylist()], dtype=np.int8)
    as_text = pyarrow.csv.ConvertOptions(column_types={"record_id": pa.string(), "cluster_id": pa.string()})
    clusters = pyarrow.csv.read_csv(out / "clusters.csv", convert_options=as_text)
    cluster = np.empty(len(ids), dtype=np.int64)
    cluster[places(clusters["record_id"])] = places(clusters["cluster_id"])
    weight, probability = (table[name].to_numpy()[order] for name in ("weight", "probability"))
    return _Decided(code[order], decision[order], weight, probability, cluster)


def _both(one: Ints, other: Ints) -> Ints:
    """A code for each distinct pair of codes."""
    found: Ints = np.unique(np.column_stack((one, other)), axis=0, return_inverse=True)[1].astype(np.int64).ravel()
    return found


def _pairs_of(group: Ints, file: Ints, between: bool) -> int:
    """How many pairs of records are of one group; with `between` only those of two files."""

    def count(codes: Ints) -> int:
        sizes = np.unique(codes, return_counts=True)[1].astype(np.int64)
        return int((sizes * (sizes - 1) // 2).sum())

    return count(group) - (count(_both(group, file)) if between else 0)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _best(weight: NDArray[np.float64], same: NDArray[np.bool_], total: int) -> dict[str, float] | None:
    """The threshold in bits that alone would give the best F1, and what it gives: how well the weights rank."""
    if not total or not same.any():
        return None
    order = np.argsort(-weight, kind="stable")
    right = np.cumsum(same[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + total)
    last_of_weight = np.append(np.diff(weight[order]) != 0, True)
    place = int(np.flatnonzero(last_of_weight)[np.argmax(f1[last_of_weight])])
    return {
        "bits": float(weight[order][place]),
        "precision": float(right[place] / (place + 1)),
        "recall": float(right[place] / total),
        "f1": float(f1[place]),
    }


def _curves(weight: NDArray[np.float64], same: NDArray[np.bool_], total: int) -> dict[str, Any]:
    """Pairs by weight and truth, and precision and recall if all from a weight upwards were linked."""
    if not len(weight):
        return {"histogram": None, "along": None}
    edges = np.arange(np.floor(weight.min()), np.ceil(weight.max()) + 1.5)
    steps = edges[:-1][edges[:-1] <= weight.max()]
    above = len(weight) - np.searchsorted(np.sort(weight), steps)
    right = int(same.sum()) - np.searchsorted(np.sort(weight[same]), steps)
    kinds = {"one person": weight[same], "two people": weight[~same]}
    return {
        "histogram": {
            "edges": edges.tolist(),
            **{name: np.histogram(own, edges)[0].tolist() for name, own in kinds.items()},
        },
        "along": {
            "weight": steps.tolist(),
            "precision": (right / above).tolist(),
            "recall": (right / max(total, 1)).tolist(),
        },
    }


def _reliability(probability: NDArray[np.float64], same: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """What the model said of pairs, and how many of them are one person, by bands of probability."""
    place = np.clip(np.searchsorted(BANDS, probability, side="right") - 1, 0, len(BANDS) - 2)
    found = []
    for band in range(len(BANDS) - 1):
        own = place == band
        if own.any():
            said, true = float(probability[own].mean()), float(same[own].mean())
            found.append({"from": BANDS[band], "pairs": int(own.sum()), "said": said, "true": true})
    return found


def _review(
    n: int, reviewed: NDArray[np.bool_], same: NDArray[np.bool_], linked: NDArray[np.bool_], total: int
) -> dict[str, Any]:
    count, right = int(reviewed.sum()), int((reviewed & same).sum())
    return {
        "pairs": count,
        "per_1000_records": round(1000 * count / n, 2),
        "of_one_person": right,
        "recall_of_links_and_review": _ratio(int((linked & same).sum()) + right, total),
    }


def _two_numbers(cluster: Ints, data: Dataset) -> int:
    """Clusters that hold two different verified NHS numbers: there must be none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(data.prepared, columns=["nhs", "nhs_verified"])
    sure = table["nhs_verified"].to_numpy().astype(np.bool_)
    coded = table["nhs"].cast(pa.string()).combine_chunks().dictionary_encode()
    number = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    found = np.unique(np.column_stack((cluster[sure], number[sure])), axis=0)[:, 0]
    return int((np.unique(found, return_counts=True)[1] > 1).sum())


def _enumerate(group: Ints, file: Ints, between: bool) -> Ints:
    """All pairs (left < right) of records of one group, one row each; `UNKNOWN` is no group."""
    order = np.argsort(group, kind="stable")
    order = order[group[order] != UNKNOWN]
    labels = group[order]
    found = []
    distance = 1
    while distance < len(order):
        fits = np.flatnonzero(labels[distance:] == labels[:-distance])
        if not len(fits):
            break
        found.append(np.column_stack((order[fits], order[fits + distance])))
        distance += 1
    pairs: Ints = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    return pairs[file[pairs[:, 0]] != file[pairs[:, 1]]] if between else pairs


def _states(found: _Decided, pairs: Ints, n: int) -> NDArray[np.int8]:
    """What the run said of each pair; `UNSEEN` where it is not among those written."""
    code = pairs.min(axis=1) * n + pairs.max(axis=1)
    state = np.full(len(code), UNSEEN, dtype=np.int8)
    if len(found.code):
        place = np.minimum(np.searchsorted(found.code, code), len(found.code) - 1)
        there = found.code[place] == code
        state[there] = found.decision[place[there]]
    return state


def _lost(pairs: Ints, state: NDArray[np.int8], data: Dataset) -> NDArray[np.bool_]:
    """Which pairs were never compared, for they share no blocking key."""
    unseen = np.flatnonzero(state == UNSEEN)
    lost = np.zeros(len(pairs), dtype=bool)
    lost[unseen] = ~share_a_key(data, pairs[unseen])
    return lost


def _by_fault(
    faults: Sequence[str | None], pairs: Ints, state: NDArray[np.int8], cluster: Ints, lost: NDArray[np.bool_]
) -> dict[str, dict[str, Any]]:
    """Of the true pairs in which a record has a fault: how many were linked, clustered, reviewed, never compared."""
    having: dict[str, list[int]] = {}
    for record, text in enumerate(faults):
        for name in filter(None, (text or "").split(";")):
            having.setdefault(name, []).append(record)
    together = cluster[pairs[:, 0]] == cluster[pairs[:, 1]]
    found = {}
    faulty = np.zeros(len(cluster), dtype=bool)
    for name in sorted(having):
        faulty[:] = False
        faulty[having[name]] = True
        own = faulty[pairs[:, 0]] | faulty[pairs[:, 1]]
        count = int(own.sum())
        found[name] = {
            "true_pairs": count,
            "recall_links": _ratio(int((own & (state == LINK)).sum()), count),
            "recall_clusters": _ratio(int((own & together).sum()), count),
            "sent_to_review": _ratio(int((own & (state == REVIEW)).sum()), count),
            "lost_to_blocking": _ratio(int((own & lost).sum()), count),
        }
    return found


def _twins(truth: Truth, found: _Decided, n: int, between: bool) -> Mapping[str, Any]:
    """What became of pairs of records of two people of one birth."""
    birth = truth.birth if truth.birth is not None else np.full(n, UNKNOWN, dtype=np.int64)
    pairs = _enumerate(birth, truth.file, between)
    pairs = pairs[truth.person[pairs[:, 0]] != truth.person[pairs[:, 1]]]
    state = _states(found, pairs, n)
    together = found.cluster[pairs[:, 0]] == found.cluster[pairs[:, 1]]
    clusters = {int(label) for label in found.cluster[pairs[together, 0]].tolist()}
    count = len(pairs)
    return {
        "pairs": count,
        "linked": int((state == LINK).sum()),
        "in_one_cluster": int(together.sum()),
        "clusters_with_two_of_one_birth": len(clusters),
        "sent_to_review": _ratio(int((state == REVIEW).sum()), count),
    }

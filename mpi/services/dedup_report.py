"""The figures of a batch run's report page: plain data gathered from what the run has in its hands."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.engines.base import FLAGS, TEXTS, Dataset
from mpi.matching.cluster import APART, LINK, NO_RULE, OUTCOMES, REVIEW, RULES
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.weigh import evidence, judge
from mpi.services.dedup import Result
from mpi.services.dedup_output import Found

_BINS = 80
_EXAMPLES = 10
_BRIDGES = 20
_SHOWN_VALUES = ("family", "given")
"""Fields whose commonest values may be shown: model.json holds them too. Of others only counts are."""
_COUNTED_VALUES = ("birth", "postcode", "address", "phone", "email", "nhs", "other_id")
_FAR_MORE = 5.0
"""Times as often as the tenth commonest value: that is odd."""

Ints = NDArray[np.int64]


def figures(result: Result, sources: Sequence[str]) -> dict[str, Any]:
    """What `mpi.reports.dedup.write` shows of a run over files of these names."""
    found, model, run = result.found, result.model, result.run
    return {
        "title": "Duplicates found",
        "inputs": list(sources),
        "counts": dict(run["counts"]),
        "reviews_by_rule": dict(run["reviews_by_rule"]),
        "histogram": _histogram(found),
        "along": _along(found),
        "cluster_sizes": _sizes(found),
        "bridges": _bridges(found),
        "examples": list(_examples(found, model, result.data)),
        "profile": _profile(result.data, sources),
        "problems": [p | {"source": sources[p["source"]]} for p in run["problems"]],
        "values": list(_values(result.data)),
        "model": model_figures(model),
    }


def model_figures(model: LinkageModel) -> dict[str, Any]:
    """The model without its frequency tables, with the bits of each level."""
    document = model.as_dict()
    del document["frequencies"]
    document["hash"] = model.hash
    for entry, comparison in zip(document["comparisons"], model.comparisons, strict=True):
        for level, own in zip(entry["levels"], comparison.levels, strict=True):
            level["bits"] = own.bits
    return document


def _histogram(found: Found) -> dict[str, list[Any]] | None:
    if not len(found.weight):
        return None
    edges = np.linspace(float(found.weight.min()), float(found.weight.max()) + 1e-9, _BINS + 1)
    scores: dict[str, list[Any]] = {"edges": edges.tolist()}
    for code, name in ((APART, "apart"), (REVIEW, "review"), (LINK, "link")):
        scores[name] = np.histogram(found.weight[found.clustered.outcome == code], edges)[0].tolist()
    return scores


def _along(found: Found) -> dict[str, list[float]] | None:
    """Expected precision and recall if all pairs from a weight upwards were linked."""
    places = found.shown()
    if not len(places):
        return None
    order = places[np.argsort(-found.weight[places], kind="stable")]
    right = np.cumsum(found.probability[order])
    precision, recall = right / np.arange(1, len(order) + 1), right / right[-1]
    some = np.unique(np.linspace(0, len(order) - 1, 300).astype(np.int64))
    return {
        "weight": found.weight[order][some].tolist(),
        "precision": precision[some].tolist(),
        "recall": recall[some].tolist(),
    }


def _sizes(found: Found) -> dict[int, int]:
    records = np.unique(found.clustered.cluster, return_counts=True)[1]
    sizes, clusters = np.unique(records, return_counts=True)
    return dict(zip(sizes.tolist(), clusters.tolist(), strict=True))


def _bridges(found: Found) -> list[dict[str, Any]]:
    """Pairs that alone hold two groups together, by rule or because they are the weakest link of a larger cluster."""
    codes = [code for code, rule in enumerate(RULES) if rule.value == "weak-bridge"]
    cut = np.flatnonzero(np.isin(found.clustered.rule, codes) & (found.clustered.outcome == REVIEW))
    linked = np.flatnonzero(found.clustered.outcome == LINK)
    size = np.bincount(found.clustered.cluster, minlength=len(found.clustered.cluster))
    large = linked[size[found.clustered.cluster[found.left[linked]]] > 3] if len(linked) else linked
    places = np.concatenate((cut, large))
    chosen = places[np.lexsort((places, found.weight[places]))][:_BRIDGES]
    return [_named(found, place) for place in chosen.tolist()]


def _named(found: Found, place: int) -> dict[str, Any]:
    rule = int(found.clustered.rule[place])
    return {
        "left": found.ids[int(found.left[place])].as_py(),
        "right": found.ids[int(found.right[place])].as_py(),
        "weight": float(found.weight[place]),
        "probability": float(found.probability[place]),
        "decision": OUTCOMES[int(found.clustered.outcome[place])].value,
        "rule": None if rule == NO_RULE else RULES[rule].value,
    }


def _chosen(found: Found, link: float) -> Iterator[tuple[str, int]]:
    """Telling pairs and why they tell: the surest and the least sure of each decision, and one of each rule."""
    outcome, rule = found.clustered.outcome, found.clustered.rule
    for code, name in ((LINK, "link"), (REVIEW, "question")):
        places = np.flatnonzero(outcome == code)
        if len(places):
            order = places[np.argsort(found.weight[places], kind="stable")]
            yield f"the surest {name}", int(order[-1])
            yield f"the least sure {name}", int(order[0])
            yield f"a {name} in the middle", int(order[len(order) // 2])
    near = found.shown()
    if len(near):
        yield "nearest to the link threshold", int(near[np.argmin(np.abs(found.weight[near] - link))])
    for code in sorted(set(rule[outcome != LINK].tolist()) - {NO_RULE}):
        places = np.flatnonzero((rule == code) & (outcome != LINK) & ~np.isnan(found.probability))
        if len(places):
            yield "held by a rule", int(places[np.argmax(found.weight[places])])


def _examples(found: Found, model: LinkageModel, data: Dataset) -> Iterator[dict[str, Any]]:
    chosen = {place: why for why, place in reversed(list(_chosen(found, model.thresholds.link)))}
    places = sorted(chosen, key=lambda place: -found.weight[place])[:_EXAMPLES]
    rids = sorted({int(rid) for place in places for rid in (found.left[place], found.right[place])})
    people = dict(zip(rids, _people(data, rids), strict=True))
    for place in places:
        judged = judge(model, people[int(found.left[place])], people[int(found.right[place])])
        parts = [("prior", "before anything is compared", model.prior_bits)]
        parts += [
            (e.comparison.replace("_", " "), e.label, e.bits) for e in evidence(model, judged) if e.level != "missing"
        ]
        yield _named(found, place) | {"why": chosen[place], "parts": parts}


def _people(data: Dataset, rids: Sequence[int]) -> Iterator[Prepared]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted(data.extras)
    columns = [*TEXTS, *FLAGS, *(f"extra.{name}" for name in names)]
    taken = {
        name: pq.read_table(data.prepared, columns=[name])[name].take(pa.array(rids, pa.int64())).to_pylist()
        for name in columns
    }
    for place in range(len(rids)):
        own = tuple((n, value) for n in names if (value := taken[f"extra.{n}"][place]) is not None)
        yield Prepared(**{name: taken[name][place] for name in (*TEXTS, *FLAGS)}, extra=own)


def _profile(data: Dataset, sources: Sequence[str]) -> dict[str, dict[str, float]]:
    """Source -> field -> share of its records with a usable value."""
    import pyarrow.parquet as pq

    source = pq.read_table(data.prepared, columns=["source"])["source"].to_numpy()
    records = np.bincount(source, minlength=len(sources))
    found: dict[str, dict[str, float]] = {name: {} for name in sources}
    for field in (*TEXTS, *(f"extra.{name}" for name in sorted(data.extras))):
        there = pq.read_table(data.prepared, columns=[field])[field].is_valid().to_numpy()
        counts = np.bincount(source[there], minlength=len(sources))
        for place, name in enumerate(sources):
            found[name][field] = float(counts[place] / records[place]) if records[place] else 0.0
    return found


def _values(data: Dataset) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for field in (*_SHOWN_VALUES, *_COUNTED_VALUES):
        column = pq.read_table(data.prepared, columns=[field])[field].cast(pa.string()).drop_null()
        if not len(column):
            continue
        counted = pc.value_counts(column.combine_chunks())
        counts = counted.field("counts").to_numpy()
        values = counted.field("values")
        order = np.lexsort((np.arange(len(counts)), -counts))
        tenth = counts[order[min(9, len(order) - 1)]]
        for place in order[: 5 if field in _SHOWN_VALUES else 1].tolist():
            odd = counts[place] > max(_FAR_MORE * tenth, 20)
            yield {
                "field": field,
                "value": values[place].as_py() if field in _SHOWN_VALUES else "(not shown)",
                "records": int(counts[place]),
                "share": float(counts[place] / len(column)),
                "oddity": "far more than the tenth commonest: a default?" if odd else "",
            }

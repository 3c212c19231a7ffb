"""The files a batch run leaves: pairs, clusters, and the pairs that a human must see."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.decision import HardRule
from mpi.domain.person import DEMOGRAPHIC_FIELDS
from mpi.matching.cluster import APART, LINK, NO_RULE, OUTCOMES, REVIEW, RULES, Clustered
from mpi.matching.model import LETTERS
from mpi.services.identity import reason_for

_ROW_GROUP = 1 << 18

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has found: pairs (record numbers, sorted, with levels per comparison) and what becomes of them.

    `ids` is an Arrow array with the id of each record.
    """

    ids: Any
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    weight: NDArray[np.float64]
    levels: Sequence[NDArray[np.uint8]]
    clustered: Clustered
    review: float
    """Threshold in bits."""
    shown_from: float
    """Bits from which on a pair is written though nobody is asked about it; at most `review`."""
    probability: NDArray[np.float64]
    """Of one person, relatives reckoned with; of pairs that are not `shown` nothing is said (NaN)."""

    def shown(self) -> Ints:
        """Places of the pairs that are written: those at or above `shown_from`, and all that is to be asked."""
        return shown(self.weight, self.clustered, self.shown_from)

    def to_review(self) -> Ints:
        """Places of the pairs a human must see, best first."""
        places = np.flatnonzero(self.clustered.outcome == REVIEW)
        order = np.lexsort((self.right[places], self.left[places], -self.weight[places]))
        return places[order]


def shown(weight: NDArray[np.float64], clustered: Clustered, shown_from: float) -> Ints:
    """As `Found.shown`."""
    return np.flatnonzero((weight >= shown_from) | (clustered.outcome != APART))


def counts(found: Found) -> dict[str, int]:
    """How many pairs were linked, reviewed and left apart among those written, and what clusters there are."""
    places = found.shown()
    outcome = found.clustered.outcome[places]
    sizes = np.bincount(found.clustered.cluster, minlength=len(found.ids)) if len(found.ids) else np.zeros(1, int)
    return {
        "candidate_pairs": len(found.left),
        "links": int((outcome == LINK).sum()),
        "reviews": int((outcome == REVIEW).sum()),
        "apart_at_or_above_review": int(((outcome == APART) & (found.weight[places] >= found.review)).sum()),
        "clusters": int((sizes > 0).sum()),
        "clusters_of_several": int((sizes > 1).sum()),
        "records_in_clusters_of_several": int(sizes[sizes > 1].sum()),
        "largest_cluster": int(sizes.max()),
    }


def patterns(levels: Sequence[NDArray[np.uint8]], places: Ints) -> Any:
    """The agreement pattern of each pair, as text."""
    import pyarrow as pa

    letters = np.full(256, ord("-"), dtype=np.uint8)
    letters[: len(LETTERS)] = [ord(letter) for letter in LETTERS]
    width = len(levels)
    rows = np.empty((len(places), width), dtype=np.uint8)
    for column, level in enumerate(levels):
        rows[:, column] = letters[level[places]]
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(places), [None, pa.py_buffer(rows)])
    return fixed.cast(pa.binary()).cast(pa.string())


def _names(codes: NDArray[np.uint8], names: Sequence[str]) -> Any:
    """Codes as text; `NO_RULE` is null."""
    import pyarrow as pa

    return pa.array([*names], pa.string()).take(pa.array(codes, mask=codes == NO_RULE))


def _pairs_table(found: Found, places: Ints) -> dict[str, Any]:
    import pyarrow as pa

    weight = found.weight[places]
    return {
        "left_id": found.ids.take(pa.array(found.left[places])),
        "right_id": found.ids.take(pa.array(found.right[places])),
        "weight": pa.array(weight),
        "probability": pa.array(found.probability[places]),
        "pattern": patterns(found.levels, places),
        "decision": _names(found.clustered.outcome[places], [outcome.value for outcome in OUTCOMES]),
        "rule": _names(found.clustered.rule[places], [rule.value for rule in RULES]),
    }


def write_pairs(found: Found, path: Path) -> None:
    """Write `pairs.parquet`, in order of the records."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(_pairs_table(found, found.shown())), path, compression="zstd", row_group_size=_ROW_GROUP)


def write_clusters(found: Found, path: Path) -> None:
    """Write `clusters.csv`: every record once, in order; a cluster is known by the id of its first record."""
    import pyarrow as pa

    cluster = found.ids.take(pa.array(found.clustered.cluster))
    _csv(pa.table({"record_id": found.ids, "cluster_id": cluster}), path)


def write_review(found: Found, raw: Path, path: Path) -> None:
    """Write `review.csv`: the pairs a human must see, best first, with what both sides recorded and why they ask."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = found.to_review()
    columns = _pairs_table(found, places)
    del columns["decision"]
    reasons = [reason_for(rule) for rule in RULES] + [reason_for(None)]
    codes = found.clustered.rule[places].astype(np.int64)
    columns["reason"] = pa.array(reasons, pa.string()).take(pa.array(np.where(codes == NO_RULE, len(RULES), codes)))
    sides = (("left", pa.array(found.left[places])), ("right", pa.array(found.right[places])))
    for name in _recorded(raw):
        values = plain_cells(pq.read_table(raw, columns=[name])[name].combine_chunks())
        if values.null_count < len(values):
            columns |= {f"{side}_{name}": values.take(rows) for side, rows in sides}
    _csv(pa.table(columns), path)


def plain_cells(values: Any) -> Any:
    """The texts of an Arrow array, with a ' in front where a spreadsheet would take one for a formula."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(values.type):
        return values
    runs = pc.match_substring_regex(values, r"\A[=+\-@\t\r]")
    return pc.if_else(runs, pc.binary_join_element_wise("'", values, ""), values)


def _recorded(raw: Path) -> list[str]:
    """The staged columns with what was recorded: the person file's, and the users' own."""
    import pyarrow.parquet as pq

    names = pq.ParquetFile(raw).schema_arrow.names
    return ["authority", *DEMOGRAPHIC_FIELDS, *(name for name in names if name.startswith("extra."))]


def _csv(table: Any, path: Path) -> None:
    import pyarrow.csv

    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(quoting_style="needed"))


def reasons_of_review(found: Found) -> dict[str, int]:
    """How many pairs are reviewed by each rule; `weight` counts those that only the weight sends there."""
    codes = found.clustered.rule[found.clustered.outcome == REVIEW]
    named = {HardRule(rule).value: int((codes == code).sum()) for code, rule in enumerate(RULES)}
    named["weight"] = int((codes == NO_RULE).sum())
    return {name: count for name, count in sorted(named.items()) if count}

"""Pairs of records for estimation: all that share a blocking key, and samples of the rest, each with its weight."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from mpi.matching.block import BLOCK_LIMIT, blocking_keys
from mpi.matching.model import LinkageModel
from mpi.matching.prepared import Prepared
from mpi.matching.train import Pattern

Codes = NDArray[np.int64]
"""A pair (i, j), i < j, of n records as the number i * n + j."""

SHARED_VALUES = ("postcode", "birth", "phone", "address")
"""Values that few records share: pairs sharing one are sampled apart, a sample of all pairs would hardly hold any."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Some of the pair space: the pairs looked at, and how many pairs each of them stands for."""

    codes: Codes
    weight: float


def _groups(keys: Sequence[tuple[str, ...]]) -> Iterator[list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for place, own in enumerate(keys):
        for key in own:
            members[key].append(place)
    for key in sorted(members):
        if len(members[key]) > 1:
            yield members[key]


def _all_pairs(group: Sequence[int] | Codes, n: int) -> Codes:
    ids = np.asarray(group, dtype=np.int64)
    left, right = np.triu_indices(len(ids), 1)
    return ids[left] * n + ids[right]


def blocked(records: Sequence[Prepared]) -> Codes:
    """All pairs that share a blocking key, each once, in order; keys above `BLOCK_LIMIT` are skipped."""
    n = len(records)
    found = [
        _all_pairs(group, n) for group in _groups([blocking_keys(p) for p in records]) if len(group) <= BLOCK_LIMIT
    ]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


def _sharing(records: Sequence[Prepared], sample: int, random: np.random.Generator) -> tuple[Codes, float]:
    """A sample of pairs that share one of the rare values, and how many pairs of all such each stands for."""
    keys = [
        tuple(f"{name}|{value}" for name in SHARED_VALUES if (value := getattr(p, name)) is not None) for p in records
    ]
    groups = [np.asarray(group, dtype=np.int64) for group in _groups(keys)]
    members = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    return sample_sharing(members, sizes, len(records), sample, random)


def sample_sharing(
    members: Codes, sizes: Codes, n: int, sample: int, random: np.random.Generator
) -> tuple[Codes, float]:
    """A sample of the pairs within groups, and how many of all such pairs each stands for; all, where they are few.

    `members` holds the records of one group after the other, in order; `sizes` says how many each group has.
    """
    pairs = sizes.astype(np.float64) * (sizes - 1) / 2
    total = float(pairs.sum())
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64) if len(sizes) else sizes
    if total <= sample:
        codes = [_all_pairs(members[at : at + size], n) for at, size in zip(starts, sizes, strict=True)]
        return (np.unique(np.concatenate(codes)) if codes else np.empty(0, dtype=np.int64)), 1.0
    picked = random.choice(len(sizes), size=sample, p=pairs / total)
    size = sizes[picked].astype(np.float64)
    one = (random.random(sample) * size).astype(np.int64)
    other = (random.random(sample) * (size - 1)).astype(np.int64)
    other += other >= one
    left, right = members[starts[picked] + one], members[starts[picked] + other]
    return np.minimum(left, right) * n + np.maximum(left, right), total / sample


SAMPLE = 200_000
"""Pairs sampled in each stratum, at most."""


def strata(records: Sequence[Prepared], *, seed: int) -> list[Stratum]:
    """The pair space of `records` in three strata: blocked pairs, pairs sharing a rare value, all others."""
    n = len(records)
    in_blocks = blocked(records)

    def share(left: Codes, right: Codes) -> NDArray[np.bool_]:
        pairs = zip(left.tolist(), right.tolist(), strict=True)
        return np.array([_share(records[a], records[b]) for a, b in pairs], dtype=bool)

    random = np.random.default_rng(seed)
    return stratified(n, in_blocks, lambda size: _sharing(records, size, random), share, random)


def _among(codes: Codes, known: Codes) -> NDArray[np.bool_]:
    """Which of these stand among others that are sorted and many."""
    if not len(known):
        return np.zeros(len(codes), dtype=bool)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    found: NDArray[np.bool_] = known[place] == codes
    return found


def stratified(
    n: int,
    in_blocks: Codes,
    sharing_some: Callable[[int], tuple[Codes, float]],
    share: Callable[[Codes, Codes], NDArray[np.bool_]],
    random: np.random.Generator,
) -> list[Stratum]:
    """The strata of the pairs of `n` records; `in_blocks` are sorted, `share` says which pairs share a rare value."""
    sample = min(SAMPLE, 20_000 + 10 * n)
    sharing, weight = sharing_some(sample)
    sharing = sharing[~_among(sharing, in_blocks)]
    left = random.integers(0, n, size=sample)
    right = random.integers(0, n, size=sample)
    others = np.unique((np.minimum(left, right) * n + np.maximum(left, right))[left != right])
    others = others[~_among(others, in_blocks)]
    others = others[~share(others // n, others % n)]
    rest = n * (n - 1) / 2 - len(in_blocks) - len(sharing) * weight
    found = [Stratum(in_blocks, 1.0), Stratum(sharing, weight)]
    if len(others):
        found.append(Stratum(others, max(rest / len(others), 0.0)))
    return found


_values = attrgetter(*SHARED_VALUES)


def _share(a: Prepared, b: Prepared) -> bool:
    for x, y in zip(_values(a), _values(b), strict=True):  # noqa: SIM110 - twice as fast as any(), on every pair
        if x is not None and x == y:
            return True
    return False


def pattern_counts(model: LinkageModel, records: Sequence[Prepared], parts: Sequence[Stratum]) -> dict[Pattern, float]:
    """How many pairs show each pattern, in all that the strata stand for."""
    n = len(records)
    counts: Counter[Pattern] = Counter()
    weighted: dict[Pattern, float] = defaultdict(float)
    for part in parts:
        counts.clear()
        for code in part.codes.tolist():
            a, b = records[code // n], records[code % n]
            counts[tuple(compare(a, b) for compare in model.comparers)] += 1
        for pattern in sorted(counts):
            weighted[pattern] += counts[pattern] * part.weight
    return dict(weighted)

"""Weights and decisions of many pairs at once, equal to the last bit with `weigh.judge` and `decide.decide_pair`.

Floats are added in the order in which the pure functions add them, never by a sum that regroups.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi.domain.decision import HardRule, Outcome
from mpi.engines.base import PairPatterns, Weighed
from mpi.matching.model import LETTERS, LinkageModel
from mpi.matching.shape import SHARED_AT_HOME, SHARED_BY_TWINS
from mpi.matching.verdict import (
    ABOVE,
    BELOW,
    BETWEEN,
    ENOUGH_BUT_BIRTH,
    ENOUGH_EXTRA,
    ENOUGH_OF_EXTRAS,
    ENOUGH_OF_ONES_OWN,
    ENOUGH_OWN,
    FAR,
    LARGEST_NHS_PENALTY,
    NO_FAMILIES,
    NOT_OWN_IDENTIFIER,
    REST_REVIEWS,
    ZONES,
    verdict,
)

OUTCOMES: tuple[Outcome, ...] = (Outcome.APART, Outcome.REVIEW, Outcome.LINK)
RULES: tuple[HardRule, ...] = tuple(HardRule)
NO_RULE = 255
_CHUNK = 1 << 18
"""Pairs weighed at a time: intermediate columns stay in the processor's cache."""
_DECIDED_AT_ONCE = 1 << 22
_THREADS = min(os.cpu_count() or 1, 4)


@dataclass
class Decided:
    """Pairs decided: `outcome` is a place in `OUTCOMES`, `rule` one in `RULES` or `NO_RULE`."""

    weight: NDArray[np.float64]
    outcome: NDArray[np.uint8]
    rule: NDArray[np.uint8]


def _tables(model: LinkageModel) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Per comparison the bits and the share of each level, `MISSING` having neither."""
    found = []
    for c in model.comparisons:
        bits, shares = np.zeros(256), np.zeros(256)
        bits[: len(c.levels)] = [level.bits for level in c.levels]
        shares[: len(c.levels)] = [level.frequency for level in c.levels]
        found.append((bits, shares))
    return found


def weigh(
    model: LinkageModel,
    levels: Sequence[NDArray[np.uint8]],
    terms: Sequence[NDArray[np.float64] | None],
    empty: Callable[[int, Any], NDArray[Any]] = np.empty,
) -> Weighed:
    """The weight of each pair as `weigh.judge` gives it, and where it lies; `empty` makes the columns for it."""
    count = len(levels[0])
    tables = _tables(model)
    weight, zones = empty(count, np.float64), empty(count, np.uint8)

    def work(start: int) -> None:
        part = slice(start, min(start + _CHUNK, count))
        total = np.full(part.stop - start, model.prior_bits)
        rest = total.copy()
        own, but_birth, extras = (np.zeros(part.stop - start) for _ in range(3))
        for c, level, term, (bits, shares) in zip(model.comparisons, levels, terms, tables, strict=True):
            value = bits[level[part]]
            if term is not None:
                value += shares[level[part]] * term[part]
            total += value
            if c.name != "nhs_number":
                rest += value
            if c.name in model.shared_extras:
                continue
            if c.name not in SHARED_AT_HOME:
                own += value
            if c.name not in SHARED_BY_TWINS:
                but_birth += value
            if c.name in model.own_extras:
                extras += value
        weight[part] = total
        zones[part] = _zones(model, total, rest) | _own_zones(own, but_birth, extras)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, range(0, count, _CHUNK)))
    return Weighed(weight, zones, model.hash)


def probabilities(
    model: LinkageModel,
    levels: Sequence[NDArray[np.uint8]],
    terms: Sequence[NDArray[np.float64] | None],
    weight: NDArray[np.float64],
    places: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What `mpi.matching.probability` gives for the pairs at `places`; the other columns are of all pairs."""
    tables = _tables(model)
    against = np.exp2(-np.maximum(weight[places], -1000.0))
    own = [np.zeros(len(places)) for _ in model.relatives]
    for c, level, term, (bits, shares) in zip(model.comparisons, levels, terms, tables, strict=True):
        here = level[places]
        value = bits[here]
        if term is not None:
            value += shares[here] * term[places]
        for relatives, total in zip(model.relatives, own, strict=True):
            if c.name not in relatives.agree_on:
                total += value
    for relatives, total in zip(model.relatives, own, strict=True):
        against += relatives.per_match * np.exp2(-np.maximum(total, -1000.0))
    found: NDArray[np.float64] = 1.0 / (1.0 + against)
    return found


def _own_zones(
    own: NDArray[np.float64], but_birth: NDArray[np.float64], extras: NDArray[np.float64]
) -> NDArray[np.uint8]:
    found = np.where(own >= ENOUGH_OF_ONES_OWN, ENOUGH_OWN, 0).astype(np.uint8)
    found[but_birth >= ENOUGH_OF_ONES_OWN] |= ENOUGH_BUT_BIRTH
    found[extras >= ENOUGH_OF_EXTRAS] |= ENOUGH_EXTRA
    return found


def _zones(model: LinkageModel, weight: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.uint8]:
    t = model.thresholds
    where = np.where(weight < t.review - LARGEST_NHS_PENALTY, FAR, BELOW).astype(np.uint8)
    where[weight >= t.review] = BETWEEN
    where[weight >= t.link] = ABOVE
    where[rest >= t.review] |= REST_REVIEWS
    if not model.families:
        where |= NO_FAMILIES
    if not model.own_identifier:
        where |= NOT_OWN_IDENTIFIER
    return where


def asked(
    zones: NDArray[np.uint8],
    same_nhs: NDArray[np.bool_],
    same_other_id: NDArray[np.bool_],
    same_birth: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Of which pairs a verdict can say anything but "apart, by no rule": only their facts need working out.

    Holds for pairs without a placeholder person, who have no blocking keys.
    """
    where = zones & 3
    near = (where >= BETWEEN) | ((zones & REST_REVIEWS) > 0) | same_other_id | same_birth
    found: NDArray[np.bool_] = ((where != FAR) & near) | same_nhs
    return found


def decide(model: LinkageModel, pairs: PairPatterns) -> Decided:
    """Every pair's decision as `decide_pair` gives it: each distinct pair of facts and zones is decided once."""
    weighed = pairs.weighed
    if weighed is None or weighed.model_hash != model.hash:
        weighed = weigh(model, pairs.levels, pairs.terms)
    count = len(weighed.weight)
    found = Decided(weighed.weight, np.empty(count, dtype=np.uint8), np.empty(count, dtype=np.uint8))
    for start in range(0, count, _DECIDED_AT_ONCE):
        part = slice(start, start + _DECIDED_AT_ONCE)
        distinct, place = sorted_places(pairs.facts[part] * ZONES + weighed.zones[part])
        verdicts = [verdict(code // ZONES, code % ZONES) for code in distinct.tolist()]
        outcomes = np.array([OUTCOMES.index(outcome) for outcome, _ in verdicts], dtype=np.uint8)
        rules = [NO_RULE if rule is None else RULES.index(rule) for _, rule in verdicts]
        found.outcome[part], found.rule[part] = outcomes[place], np.array(rules, dtype=np.uint8)[place]
    return found


def fit_in_one(sizes: Sequence[int]) -> bool:
    """Whether the patterns of comparisons with so many levels fit in one integer of 63 bits."""
    return prod(size + 1 for size in sizes) < 1 << 63


def pattern_codes(levels: Sequence[NDArray[np.uint8]], sizes: Sequence[int]) -> NDArray[np.int64]:
    """One integer for each pair's pattern, ordered as patterns are with missing first; `sizes` are level counts.

    Raises OverflowError where so many comparisons do not fit: see `fit_in_one`.
    """
    if not fit_in_one(sizes):
        raise OverflowError("too many comparisons for one integer")
    code = np.zeros(len(levels[0]), dtype=np.int64)
    for level, size in zip(levels, sizes, strict=True):
        code *= size + 1
        code += (level + np.uint8(1)).astype(np.int64)
    return code


def patterns_of(codes: NDArray[np.int64], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The patterns that `pattern_codes` packed, `mpi.matching.compare.MISSING` (-1) where a side is missing."""
    found = np.empty((len(codes), len(sizes)), dtype=np.int64)
    rest = codes.copy()
    for place, size in reversed(list(enumerate(sizes))):
        found[:, place] = rest % (size + 1) - 1
        rest //= size + 1
    return [tuple(row) for row in found.tolist()]


def pattern_texts(levels: Sequence[NDArray[np.uint8]]) -> NDArray[np.str_]:
    """Each pair's pattern as text, one letter a comparison, as `Judged.pattern` has it."""
    letters = np.full(256, ord("-"), dtype=np.uint8)
    letters[: len(LETTERS)] = [ord(letter) for letter in LETTERS]
    rows = np.stack([letters[level] for level in levels], axis=1)
    return np.ascontiguousarray(rows).view(f"S{len(levels)}").ravel().astype(f"U{len(levels)}")


def counted_patterns(levels: Sequence[NDArray[np.uint8]], sizes: Sequence[int]) -> dict[tuple[int, ...], int]:
    """How many pairs show each pattern, in the order of the patterns."""
    parts, at = [], 0
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or not fit_in_one(sizes[at : end + 1]):
            parts.append(slice(at, end))
            at = end
    # Wider and wider patterns, each numbered by its place among those that there are.
    place = np.zeros(len(levels[0]), dtype=np.int64)
    seen: list[tuple[int, ...]] = [()]
    for part in parts:
        codes = pattern_codes(levels[part], sizes[part])
        distinct, own = sorted_places(codes)
        texts = patterns_of(distinct, sizes[part])
        both, place = sorted_places(place * len(distinct) + own)
        pairs = zip((both // len(distinct)).tolist(), (both % len(distinct)).tolist(), strict=True)
        seen = [seen[one] + texts[other] for one, other in pairs]
    return dict(zip(seen, np.bincount(place, minlength=len(seen)).tolist(), strict=True))


def sorted_places(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct numbers in order, and for each number its place among them. Quick where few are distinct."""
    import pandas as pd

    place, found = pd.factorize(codes)
    order = np.argsort(found)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return found[order], rank[place]

"""Decided pairs made into clusters that break no hard rule: best evidence first, weak bridges cut.

A pure function over arrays. Most components of the link pairs break nothing and are taken whole, by array operations;
only the others are walked through pair by pair (`mpi.matching.knots`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mpi.domain.decision import HardRule, Outcome
from mpi.matching.knots import Knot, untie
from mpi.matching.verdict import OBJECTIONS

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

OUTCOMES: tuple[Outcome, ...] = (Outcome.APART, Outcome.REVIEW, Outcome.LINK)
"""Outcome by code."""
APART, REVIEW, LINK = range(3)
RULES: tuple[HardRule, ...] = tuple(HardRule)
"""Hard rule by code."""
NO_RULE = 255
RULE_CODE: dict[HardRule | None, int] = {None: NO_RULE, **{rule: code for code, rule in enumerate(RULES)}}


@dataclass(frozen=True, slots=True)
class DecidedPairs:
    """Pairs of record numbers (`left` < `right`, each pair once) as they were decided on their own, in any order.

    `weight` in bits, `outcome` by code (`OUTCOMES`), `rule` by code (`RULES`, `NO_RULE` none).
    """

    left: Ints
    right: Ints
    weight: Floats
    outcome: Codes
    rule: Codes
    against: Flags | None = None
    """Pairs that are no link and speak against one person as loudly as an objecting rule; None: none do."""


def _none() -> Ints:
    return np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the records beside the pairs.

    `number` is a code for each record's valid NHS number (-1: none) and `verified` says whether its status is 01.
    `apart` are pairs of records that a human has said are different people; `together` are pairs that stand as one
    person already: they stay so, and what is true of one is true of both.
    """

    number: Ints
    verified: Flags
    apart: Ints = field(default_factory=_none)
    together: Ints = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Clustered:
    """Outcome and rule of each pair after the constraints, in the order given, and each record's cluster.

    Clusters are exactly the connected components of the `LINK` pairs (and of what stood together); a cluster is known
    by its smallest record number.
    """

    outcome: Codes
    rule: Codes
    cluster: Ints


def components(n: int, left: Ints, right: Ints) -> Ints:
    """The smallest record number of each record's connected component, for records 0 to n-1."""
    label = np.arange(n, dtype=np.int64)
    while True:
        low = np.minimum(label[left], label[right])
        new = label.copy()
        np.minimum.at(new, label[left], low)
        np.minimum.at(new, label[right], low)
        while True:
            shorter = new[new]
            if np.array_equal(shorter, new):
                break
            new = shorter
        if np.array_equal(new, label):
            return label
        label = new


def cluster(n: int, pairs: DecidedPairs, standing: Standing, *, link: float) -> Clustered:
    """Clusters of records 0 to n-1, and what becomes of each pair; `link` is the model's threshold in bits.

    - Link pairs are taken heaviest first, equal ones by record numbers. One that would bring two different verified
      or valid NHS numbers into a cluster, two records with an objection of their own (`OBJECTIONS`, `against`), or two
      that a human keeps apart, is reviewed instead.
    - A weak bridge is reviewed: the one link pair between two groups of several records, where its weight does not
      reach `link` by as many bits as there are pairs that it would make links (log2): if it were false, so would they
      all be.
    - A pair to be reviewed whose records are in one cluster all the same is a link: nothing is left to ask.

    The same pairs in another order give the same answer.
    """
    outcome, rule = pairs.outcome.copy(), pairs.rule.copy()
    _keep_apart(n, pairs, standing.apart, outcome, rule)
    linked = np.flatnonzero(outcome == LINK)
    together = standing.together
    joined = components(
        n,
        np.concatenate((pairs.left[linked], together[:, 0])),
        np.concatenate((pairs.right[linked], together[:, 1])),
    )
    objecting = np.isin(rule, [RULE_CODE[r] for r in OBJECTIONS])
    if pairs.against is not None:
        objecting |= pairs.against & (outcome != LINK)
    enemies = np.concatenate((np.column_stack((pairs.left[objecting], pairs.right[objecting])), standing.apart))
    enemies = enemies[joined[enemies[:, 0]] == joined[enemies[:, 1]]]
    knotted = np.zeros(n, dtype=bool)
    knotted[joined[enemies[:, 0]]] = True
    knotted[_several_numbers(joined, standing.number)] = True
    knotted[_perhaps_bridged(joined, pairs, linked, together, link)] = True
    if knotted.any():
        _untie_all(_Knotted(pairs, standing, joined, knotted, enemies, linked), link, outcome, rule)
        linked = np.flatnonzero(outcome == LINK)
        joined = components(
            n,
            np.concatenate((pairs.left[linked], together[:, 0])),
            np.concatenate((pairs.right[linked], together[:, 1])),
        )
    settled = (outcome == REVIEW) & (joined[pairs.left] == joined[pairs.right]) & ~objecting
    outcome[settled] = LINK
    return Clustered(outcome, rule, joined)


def _keep_apart(n: int, pairs: DecidedPairs, apart: Ints, outcome: Codes, rule: Codes) -> None:
    """A pair that a human has decided is not asked again."""
    if not len(apart):
        return
    kept = apart.min(axis=1) * n + apart.max(axis=1)
    decided = np.isin(pairs.left * n + pairs.right, kept)
    outcome[decided] = APART
    rule[decided] = RULE_CODE[HardRule.DO_NOT_LINK]


def _several_numbers(joined: Ints, number: Ints) -> Ints:
    """The components that hold more than one NHS number."""
    has = np.flatnonzero(number >= 0)
    if not len(has):
        return has
    base = int(number.max()) + 1
    pairs = np.sort(joined[has] * base + number[has])
    first = np.append(True, pairs[1:] != pairs[:-1])
    found: Ints = pairs[first] // base
    twice: Ints = found[1:][found[1:] == found[:-1]]
    return twice


def _perhaps_bridged(joined: Ints, pairs: DecidedPairs, linked: Ints, together: Ints, link: float) -> Ints:
    """The components in which some link pair is weak enough to be a weak bridge."""
    size = np.bincount(joined, minlength=len(joined))[joined[pairs.left[linked]]]
    ends = np.concatenate((pairs.left[linked], pairs.right[linked], together.ravel()))
    degree = np.bincount(ends, minlength=len(joined))
    half = size // 2
    several = (size >= 4) & (degree[pairs.left[linked]] >= 2) & (degree[pairs.right[linked]] >= 2)
    bound = np.log2(np.maximum(half * (size - half), 1))
    return joined[pairs.left[linked[several & (pairs.weight[linked] < link + bound)]]]


@dataclass(frozen=True, slots=True)
class _Knotted:
    """The components that array operations could not settle. `linked` are the places of all link pairs."""

    pairs: DecidedPairs
    standing: Standing
    joined: Ints
    knotted: Flags
    enemies: Ints
    linked: Ints


def _untie_all(found: _Knotted, link: float, outcome: Codes, rule: Codes) -> None:
    pairs, joined = found.pairs, found.joined
    places = found.linked[found.knotted[joined[pairs.left[found.linked]]]]
    if not len(places):
        return  # what contradicts itself stands together, and no pair adds to it
    order = np.lexsort((pairs.right[places], pairs.left[places], -pairs.weight[places], joined[pairs.left[places]]))
    places = places[order]
    labels = joined[pairs.left[places]]
    enemies = _by_component(found.enemies, joined)
    together = _by_component(found.standing.together, joined)
    starts = np.flatnonzero(np.diff(labels, prepend=-1)).tolist()
    left, right, weight = pairs.left[places].tolist(), pairs.right[places].tolist(), pairs.weight[places].tolist()
    number, verified = found.standing.number, found.standing.verified
    for start, end in zip(starts, [*starts[1:], len(places)], strict=True):
        label = int(labels[start])
        ties = list(zip(left[start:end], right[start:end], weight[start:end], strict=True))
        old = together.get(label, [])
        members = sorted({r for tie in ties for r in tie[:2]} | {r for pair in old for r in pair})
        numbers = {
            r: (code, sure)
            for r, code, sure in zip(members, number[members].tolist(), verified[members].tolist(), strict=True)
            if code >= 0
        }
        for at, why in untie(Knot(tuple(ties), numbers, enemies.get(label, []), old), link).items():
            outcome[places[start + at]] = REVIEW
            rule[places[start + at]] = RULE_CODE[why]


def _by_component(pairs: Ints, joined: Ints) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    if len(pairs):
        for label, (one, other) in zip(joined[pairs[:, 0]].tolist(), pairs.tolist(), strict=True):
            found.setdefault(label, []).append((one, other))
    return found

"""Expectation-maximisation over counts of agreement patterns, on arrays: a round over 10,000 patterns in milliseconds.

What is estimated, and why so, stands in `mpi.matching.train`; here stands only the arithmetic. Sums run in the order
of the patterns, so that the same counts give the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = list[list[float]]
"""Per comparison the probability of each level."""


@dataclass(frozen=True, slots=True)
class Steady:
    """What keeps an estimate near its start, and when it is good enough."""

    m: float
    """Pseudo-matches spread as the starting m."""
    u: float
    rounds: int
    close_enough: float
    """Change of the log of a share."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """m and u per comparison and level, each class's share of all pairs, each pattern's probability of each class."""

    m: Rows
    u: Rows
    shares: dict[str, float]
    posterior: Rows
    rounds: int
    likelihood: float
    """Log of the probability of all patterns by this estimate: the higher, the better its classes fit the data."""


class Patterns:
    """Patterns as an array; -1 (missing) is the first place of each comparison's table, and its log is 0."""

    def __init__(self, patterns: Sequence[Sequence[int]], comparisons: int) -> None:
        self._levels = np.array(patterns, dtype=np.int64).reshape(len(patterns), comparisons) + 1
        self._columns = [np.ascontiguousarray(column) for column in self._levels.T]

    def posterior(self, shares: Sequence[float], classes: Sequence[Rows]) -> tuple[Floats, Floats]:
        """For each pattern the probability of each class, by Bayes' rule in logs, and the log of its own."""
        scores = np.tile(np.array([log(share) for share in shares]), (len(self._levels), 1))
        for place, level in enumerate(self._columns):
            # A row for each level, missing first, and in it what the level adds in each class.
            rows = [[0.0, *(log(value) for value in own[place])] for own in classes]
            scores += np.array(rows).T[level]
        highest = scores.max(axis=1, keepdims=True)
        odds = np.exp(scores - highest)
        total = np.zeros(len(odds))
        for column in odds.T:
            total += column
        found: Floats = odds / total[:, None]
        logs: Floats = np.log(total) + highest[:, 0]
        return found, logs

    def shares_of_levels(self, weights: Floats, start: Rows, steady: float) -> Rows:
        """Per comparison the share of each level among pairs weighted so, steadied by the starting values."""
        found = []
        for level, row in zip(self._columns, start, strict=True):
            sums = np.bincount(level, weights=weights, minlength=len(row) + 1)[1:] + steady * np.array(row)
            found.append((sums / float(sum(sums.tolist()))).tolist())
        return found


def estimate(
    blocked: Sequence[Sequence[int]],
    others: Sequence[Sequence[int]],
    weights: Sequence[float],
    start: tuple[Rows, Rows],
    shares: Mapping[str, float],
    tied: Mapping[str, Sequence[bool]],
    steady: Steady,
) -> Estimated:
    """Classes are matches, strangers, and those of `tied`, which agree as matches do where it says so.

    `weights` are the numbers of pairs of `blocked`, then `others`; no pair of `others` is a match. `start` is m and u,
    `shares` those of "match" and of each tied class. No probability may be 0.
    """
    whole = Patterns([*blocked, *others], len(start[0]))
    of_blocked, of_others = Patterns(blocked, len(start[0])), Patterns(others, len(start[0]))
    pairs = np.array(weights, dtype=np.float64)
    total = float(sum(weights))
    (m, u), shares = start, dict(shares)
    posterior = np.empty((0, 2 + len(tied)))
    rounds, likelihood = 0, 0.0
    for rounds in range(1, steady.rounds + 1):  # noqa: B007 - its last value is reported
        rest = max(1.0 - sum(shares.values()), 1e-9)
        classes = [m, u, *([m[k] if as_match else u[k] for k, as_match in enumerate(own)] for own in tied.values())]
        sizes = [shares["match"], rest, *(shares[name] for name in tied)]
        without_match, logs_of_others = of_others.posterior(sizes[1:], classes[1:])
        without_match = np.concatenate([np.zeros((len(without_match), 1)), without_match], axis=1)
        with_match, logs = of_blocked.posterior(sizes, classes)
        posterior = np.concatenate([with_match, without_match])
        likelihood = float(pairs[: len(blocked)] @ logs) + float(pairs[len(blocked) :] @ logs_of_others)
        # Only blocked pairs can be matches.
        m = of_blocked.shares_of_levels(pairs[: len(blocked)] * posterior[: len(blocked), 0], start[0], steady.m)
        u = whole.shares_of_levels(pairs * posterior[:, 1], start[1], steady.u)
        before = shares
        found = [float((pairs * posterior[:, place]).sum()) for place in range(posterior.shape[1])]
        shares = {"match": max(found[0], 1.0) / total}
        shares |= {name: max(found[place], 0.01) / total for place, name in enumerate(tied, 2)}
        if all(abs(log(shares[name] / before[name])) < steady.close_enough for name in shares):
            break
    return Estimated(m, u, shares, posterior.tolist(), rounds, likelihood)

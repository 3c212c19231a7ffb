"""EM on arrays does what EM written out pattern by pattern does."""

from math import exp, log

import pytest

from mpi.matching import em

MISSING = -1
START = ([[0.9, 0.05, 0.05], [0.8, 0.2], [0.7, 0.3]], [[0.01, 0.09, 0.9], [0.1, 0.9], [0.5, 0.5]])
SHARES = {"match": 0.01, "household": 1e-3, "one-birth": 1e-4}
TIED = {"household": [True, False, False], "one-birth": [True, True, False]}
STEADY = em.Steady(30.0, 10.0, 12, 1e-6)
BLOCKED = {(0, 0, 0): 812.0, (0, 0, 1): 31.0, (0, 1, 0): 77.0, (1, -1, 0): 3.0, (2, 1, 1): 4100.0, (-1, -1, 1): 5.0,
           (0, 0, -1): 44.0, (2, 0, 0): 120.0}  # fmt: skip
OTHERS = {(2, 1, 0): 71_000.0, (2, 1, 1): 70_500.0, (2, 0, 1): 900.25, (0, 1, 1): 12.5, (1, 1, -1): 3.0}


def posterior(patterns: list, shares: list, classes: list) -> list:
    found = []
    for pattern in patterns:
        scores = []
        for rows, share in zip(classes, shares, strict=True):
            known = [(row, level) for row, level in zip(rows, pattern, strict=True) if level != MISSING]
            scores.append(log(share) + sum(log(row[level]) for row, level in known))
        odds = [exp(score - max(scores)) for score in scores]
        found.append([o / sum(odds) for o in odds])
    return found


def re_estimate(patterns: list, weights: list, start: list, steady: float) -> list:
    sums = [[steady * value for value in row] for row in start]
    for pattern, weight in zip(patterns, weights, strict=True):
        for row, level in zip(sums, pattern, strict=True):
            if level != MISSING:
                row[level] += weight
    return [[value / sum(row) for value in row] for row in sums]


def written_out() -> tuple:
    blocked, others = sorted(BLOCKED), sorted(OTHERS)
    patterns, weights = blocked + others, [BLOCKED[p] for p in blocked] + [OTHERS[p] for p in others]
    (m, u), shares, rounds, found = START, SHARES, 0, []
    for rounds in range(1, STEADY.rounds + 1):  # noqa: B007
        tied = [[m[k] if own else u[k] for k, own in enumerate(which)] for which in TIED.values()]
        sizes = [shares["match"], 1 - sum(shares.values()), shares["household"], shares["one-birth"]]
        found = posterior(blocked, sizes, [m, u, *tied])
        found += [[0.0, *own] for own in posterior(others, sizes[1:], [u, *tied])]
        m = re_estimate(patterns, [w * p[0] for w, p in zip(weights, found, strict=True)], START[0], STEADY.m)
        u = re_estimate(patterns, [w * p[1] for w, p in zip(weights, found, strict=True)], START[1], STEADY.u)
        sums = [sum(w * p[k] for w, p in zip(weights, found, strict=True)) / sum(weights) for k in range(4)]
        before, shares = shares, {"match": sums[0], "household": sums[2], "one-birth": sums[3]}
        if all(abs(log(shares[name] / before[name])) < STEADY.close_enough for name in shares):
            break
    return m, u, shares, found, rounds


def test_arrays_give_what_pattern_by_pattern_gives() -> None:
    blocked, others = sorted(BLOCKED), sorted(OTHERS)
    weights = [BLOCKED[p] for p in blocked] + [OTHERS[p] for p in others]
    found = em.estimate(blocked, others, weights, START, SHARES, TIED, STEADY)
    m, u, shares, probabilities, rounds = written_out()
    assert found.rounds == rounds
    assert found.shares == pytest.approx(shares, rel=1e-12)
    for mine, theirs in zip([*found.m, *found.u, *found.posterior], [*m, *u, *probabilities], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-11, abs=1e-300)


def test_nothing_but_blocked_pairs_is_enough() -> None:
    blocked = sorted(BLOCKED)
    found = em.estimate(blocked, [], [BLOCKED[p] for p in blocked], START, SHARES, TIED, STEADY)
    assert len(found.posterior) == len(blocked)

"""Clustering under constraints: named cases, and properties against a slow obvious version."""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi.domain.decision import HardRule
from mpi.matching.cluster import (
    APART,
    LINK,
    NO_RULE,
    OBJECTIONS,
    REVIEW,
    RULE_CODE,
    RULES,
    Clustered,
    DecidedPairs,
    Standing,
    cluster,
    components,
)

THRESHOLD = 10.0
Pair = tuple[int, int, float, int, HardRule | None]


def _run(
    n: int,
    pairs: Sequence[Pair],
    numbers: dict[int, tuple[int, bool]] | None = None,
    apart: Iterable[tuple[int, int]] = (),
    together: Iterable[tuple[int, int]] = (),
    against: Iterable[int] = (),
) -> Clustered:
    number, verified = np.full(n, -1), np.zeros(n, dtype=bool)
    for record, (code, sure) in (numbers or {}).items():
        number[record], verified[record] = code, sure
    columns = list(zip(*pairs, strict=True)) or [(), (), (), (), ()]
    decided = DecidedPairs(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.uint8),
        np.array([RULE_CODE[r] for r in columns[4]], dtype=np.uint8),
        np.isin(np.arange(len(pairs)), list(against)),
    )
    standing = Standing(
        number,
        verified,
        np.array(list(apart), dtype=np.int64).reshape(-1, 2),
        np.array(list(together), dtype=np.int64).reshape(-1, 2),
    )
    return cluster(n, decided, standing, link=THRESHOLD)


def _linked(*pairs: tuple[int, int, float]) -> list[Pair]:
    return [(a, b, weight, LINK, None) for a, b, weight in pairs]


def _outcomes(found: Clustered) -> list[tuple[int, HardRule | None]]:
    rules = [None if code == NO_RULE else RULES[code] for code in found.rule.tolist()]
    return list(zip(found.outcome.tolist(), rules, strict=True))


# Named cases ---------------------------------------------------------------------------------------------------------


def test_without_pairs_every_record_is_alone() -> None:
    assert _run(3, []).cluster.tolist() == [0, 1, 2]


def test_an_empty_file_has_no_cluster() -> None:
    assert _run(0, []).cluster.tolist() == []


def test_links_that_contradict_nothing_are_taken_whole() -> None:
    found = _run(5, _linked((0, 3, 12.0), (3, 4, 30.0)))
    assert found.cluster.tolist() == [0, 1, 2, 0, 0]


def test_a_record_between_two_verified_numbers_joins_the_better_one() -> None:
    found = _run(3, _linked((0, 1, 20.0), (1, 2, 25.0)), {0: (1, True), 2: (2, True)})
    assert found.cluster.tolist() == [0, 1, 1]
    assert _outcomes(found) == [(REVIEW, HardRule.VERIFIED_NHS_DIFFER), (LINK, None)]


def test_a_record_between_two_numbers_of_which_one_is_verified_joins_the_better_one() -> None:
    found = _run(3, _linked((0, 1, 20.0), (1, 2, 25.0)), {0: (1, True), 2: (2, False)})
    assert _outcomes(found) == [(REVIEW, HardRule.VALID_NHS_DIFFER), (LINK, None)]


def test_one_number_on_all_records_is_no_contradiction() -> None:
    found = _run(3, _linked((0, 1, 20.0), (1, 2, 25.0)), {0: (7, True), 1: (7, False), 2: (7, True)})
    assert found.cluster.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rule", sorted(OBJECTIONS))
@pytest.mark.parametrize("own", [REVIEW, APART], ids=["reviewed", "apart"])
def test_two_records_that_object_to_each_other_never_share_a_cluster(rule: HardRule, own: int) -> None:
    found = _run(3, [*_linked((0, 1, 20.0), (1, 2, 25.0)), (0, 2, 14.0, own, rule)])
    assert _outcomes(found) == [(REVIEW, HardRule.TWO_PERSONS), (LINK, None), (own, rule)]
    assert found.cluster.tolist() == [0, 1, 1]


def test_two_records_that_clearly_differ_never_share_a_cluster() -> None:
    found = _run(3, [*_linked((0, 1, 20.0), (1, 2, 25.0)), (0, 2, 4.0, REVIEW, None)], against=[2])
    assert _outcomes(found) == [(REVIEW, HardRule.TWO_PERSONS), (LINK, None), (REVIEW, None)]
    assert found.cluster.tolist() == [0, 1, 1]


def test_a_pair_that_links_though_it_differs_links() -> None:
    assert _run(2, _linked((0, 1, 20.0)), against=[0]).cluster.tolist() == [0, 0]


def test_a_pair_that_a_human_keeps_apart_is_not_asked_again() -> None:
    found = _run(2, _linked((0, 1, 40.0)), apart=[(1, 0)])
    assert _outcomes(found) == [(APART, HardRule.DO_NOT_LINK)]


def test_a_do_not_link_keeps_whole_clusters_apart() -> None:
    found = _run(3, _linked((0, 1, 20.0), (1, 2, 25.0)), apart=[(0, 2)])
    assert found.cluster.tolist() == [0, 1, 1]
    assert _outcomes(found)[0] == (REVIEW, HardRule.TWO_PERSONS)


def test_of_equal_weights_the_smaller_record_numbers_go_first() -> None:
    found = _run(3, _linked((1, 2, 20.0), (0, 1, 20.0)), {0: (1, True), 2: (2, True)})
    assert found.cluster.tolist() == [0, 0, 2]


def test_a_question_inside_a_cluster_is_answered() -> None:
    found = _run(3, [*_linked((0, 1, 20.0), (1, 2, 25.0)), (0, 2, 7.0, REVIEW, HardRule.HOUSEHOLD)])
    assert _outcomes(found)[2] == (LINK, HardRule.HOUSEHOLD)


def test_a_pair_apart_inside_a_cluster_stays_apart() -> None:
    found = _run(3, [*_linked((0, 1, 20.0), (1, 2, 25.0)), (0, 2, 7.0, APART, None)])
    assert _outcomes(found)[2] == (APART, None)
    assert found.cluster.tolist() == [0, 0, 0]


def test_a_weak_bridge_between_two_groups_is_reviewed() -> None:
    found = _run(4, _linked((0, 1, 20.0), (2, 3, 20.0), (1, 2, 11.9)))
    assert _outcomes(found)[2] == (REVIEW, HardRule.WEAK_BRIDGE)
    assert found.cluster.tolist() == [0, 0, 2, 2]


def test_a_bridge_of_four_times_the_odds_holds_two_pairs_together() -> None:
    assert _run(4, _linked((0, 1, 20.0), (2, 3, 20.0), (1, 2, 12.0))).cluster.tolist() == [0, 0, 0, 0]


def test_two_groups_joined_by_two_pairs_have_no_bridge() -> None:
    found = _run(4, _linked((0, 1, 20.0), (2, 3, 20.0), (1, 2, 10.1), (0, 3, 10.1)))
    assert found.cluster.tolist() == [0, 0, 0, 0]


def test_a_single_record_hangs_by_no_bridge() -> None:
    assert _run(4, _linked((0, 1, 20.0), (1, 2, 20.0), (2, 3, 10.0))).cluster.tolist() == [0, 0, 0, 0]


def test_what_a_weak_bridge_displaced_comes_back() -> None:
    numbers = {0: (1, True), 4: (2, True)}
    pairs = _linked((0, 1, 20.0), (2, 3, 20.0), (1, 2, 11.9), (3, 4, 11.5))
    assert _run(5, pairs, numbers).cluster.tolist() == [0, 0, 2, 2, 2]


def test_what_stands_as_one_person_stays_whatever_speaks_against_it() -> None:
    pairs: list[Pair] = [(0, 1, 2.0, REVIEW, HardRule.TWINS)]
    found = _run(3, pairs, {0: (1, True), 1: (2, True)}, together=[(0, 1)])
    assert found.cluster.tolist() == [0, 0, 2]
    assert _outcomes(found) == [(REVIEW, HardRule.TWINS)]


def test_a_person_that_stands_brings_all_its_numbers() -> None:
    found = _run(4, _linked((1, 2, 20.0)), {0: (1, True), 2: (2, True)}, together=[(0, 1), (2, 3)])
    assert found.cluster.tolist() == [0, 0, 2, 2]
    assert _outcomes(found) == [(REVIEW, HardRule.VERIFIED_NHS_DIFFER)]


# Properties ----------------------------------------------------------------------------------------------------------


def _groups_of(n: int, ties: Iterable[tuple[int, int]]) -> list[int]:
    label = list(range(n))
    for a, b in ties:
        one, other = label[a], label[b]
        low = min(one, other)
        label = [low if own in (one, other) else own for own in label]
    return label


def _slowly(
    n: int,
    pairs: Sequence[Pair],
    numbers: dict[int, tuple[int, bool]],
    apart: Iterable[tuple[int, int]],
    together: Sequence[tuple[int, int]],
) -> tuple[list[int], list[int]]:
    """Outcomes and clusters, by looking at every pair of members before each link."""
    kept_apart = {frozenset(pair) for pair in apart}
    objections = kept_apart | {frozenset(p[:2]) for p in pairs if p[4] in OBJECTIONS}
    cut: set[tuple[int, int]] = set()
    ranked = sorted(
        (p for p in pairs if p[3] == LINK and frozenset(p[:2]) not in kept_apart), key=lambda p: (-p[2], p[0], p[1])
    )
    while True:
        taken: list[tuple[int, int, float]] = []
        for a, b, weight, _, _ in ranked:
            if (a, b) in cut:
                continue
            label = _groups_of(n, [*together, *((x, y) for x, y, _ in taken)])
            left = [r for r in range(n) if label[r] == label[a]]
            right = [r for r in range(n) if label[r] == label[b]]
            if label[a] != label[b] and _forbidden(left, right, numbers, objections):
                continue
            taken.append((a, b, weight))
        weak = [tie for tie in taken if _is_weak(n, tie, taken, together)]
        if not weak:
            break
        cut |= {(a, b) for a, b, _ in weak}
    label = _groups_of(n, [*together, *((x, y) for x, y, _ in taken)])
    links = {(a, b) for a, b, _ in taken}
    outcomes = []
    for a, b, _, own, rule in pairs:
        if frozenset((a, b)) in kept_apart:
            own = APART
        elif own == LINK and (a, b) not in links:
            own = REVIEW
        if own == REVIEW and label[a] == label[b] and rule not in OBJECTIONS:
            own = LINK
        outcomes.append(own)
    return outcomes, label


def _forbidden(
    left: list[int], right: list[int], numbers: dict[int, tuple[int, bool]], objections: set[frozenset[int]]
) -> bool:
    if any(frozenset((a, b)) in objections for a in left for b in right):
        return True
    valid = [{numbers[r][0] for r in side if r in numbers} for side in (left, right)]
    sure = [{numbers[r][0] for r in side if r in numbers and numbers[r][1]} for side in (left, right)]
    if sure[0] and sure[1] and len(sure[0] | sure[1]) > 1:
        return True
    return bool(valid[0] and valid[1] and not valid[0] & valid[1])


def _is_weak(
    n: int, tie: tuple[int, int, float], taken: list[tuple[int, int, float]], together: Sequence[tuple[int, int]]
) -> bool:
    a, b, weight = tie
    label = _groups_of(n, [*together, *((x, y) for x, y, _ in taken if (x, y) != (a, b))])
    sizes = label.count(label[a]), label.count(label[b])
    return label[a] != label[b] and min(sizes) >= 2 and weight < THRESHOLD + math.log2(sizes[0] * sizes[1])


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[int, list[Pair], dict[int, tuple[int, bool]], list[tuple[int, int]], list]:
    n = draw(st.integers(2, 9))
    every = list(combinations(range(n), 2))
    some = draw(st.lists(st.sampled_from(every), unique=True, max_size=18))
    pairs: list[Pair] = []
    for a, b in some:
        kind = draw(st.sampled_from(["link"] * 6 + ["review", "apart", "objection"]))
        if kind == "link":
            pairs.append((a, b, draw(st.sampled_from([10.0, 10.5, 11.0, 12.5, 14.0, 20.0])), LINK, None))
        elif kind == "objection":
            rule = draw(st.sampled_from(sorted(OBJECTIONS)))
            pairs.append((a, b, 12.0, draw(st.sampled_from([REVIEW, APART])), rule))
        else:
            pairs.append((a, b, 7.0, REVIEW if kind == "review" else APART, None))
    numbers = draw(st.dictionaries(st.integers(0, n - 1), st.tuples(st.integers(1, 3), st.booleans()), max_size=4))
    apart = draw(st.lists(st.sampled_from(every), max_size=2))
    together = draw(st.lists(st.sampled_from(every), max_size=2))
    return n, pairs, numbers, apart, together


@settings(max_examples=600, deadline=None)
@given(_worlds())
def test_as_the_slow_obvious_version(world: tuple) -> None:
    n, pairs, numbers, apart, together = world
    found = _run(n, pairs, numbers, apart, together)
    outcomes, label = _slowly(n, pairs, numbers, apart, together)
    assert found.outcome.tolist() == outcomes
    assert found.cluster.tolist() == label


@settings(max_examples=300, deadline=None)
@given(_worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_does_not_matter(world: tuple, random) -> None:
    n, pairs, numbers, apart, together = world
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = _run(n, pairs, numbers, apart, together), _run(n, shuffled, numbers, apart[::-1], together[::-1])
    assert one.cluster.tolist() == other.cluster.tolist()
    assert dict(zip(pairs, _outcomes(one), strict=True)) == dict(zip(shuffled, _outcomes(other), strict=True))


@settings(max_examples=300, deadline=None)
@given(_worlds())
def test_clusters_are_the_components_of_the_links_and_hold_no_contradiction(world: tuple) -> None:
    n, pairs, numbers, apart, _ = world
    found = _run(n, pairs, numbers, apart)
    links = [pair[:2] for pair, outcome in zip(pairs, found.outcome.tolist(), strict=True) if outcome == LINK]
    label = found.cluster.tolist()
    assert label == _groups_of(n, links)
    for a, b in [*apart, *(p[:2] for p in pairs if p[4] in OBJECTIONS)]:
        assert label[a] != label[b]
    for own in set(label):
        assert len({numbers[r][0] for r in range(n) if label[r] == own and r in numbers}) <= 1


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_components_are_named_by_their_smallest_record(case: tuple) -> None:
    n, ties = case
    ends = np.array(ties, dtype=np.int64).reshape(-1, 2)
    assert components(n, ends[:, 0], ends[:, 1]).tolist() == _groups_of(n, ties)


def test_a_chain_of_many_records_is_one_component() -> None:
    order = np.random.default_rng(3).permutation(20_000)
    left, right = np.minimum(order[:-1], order[1:]), np.maximum(order[:-1], order[1:])
    assert not components(20_000, left, right).any()

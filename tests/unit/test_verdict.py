"""The verdict of a pair is a function of its facts and zones alone, and the short way round it changes nothing."""

from itertools import product

from hypothesis import given

from mpi.domain.decision import Outcome
from mpi.matching.decide import decide_pair, zones_of
from mpi.matching.facts import FLAGS, SHIFT, STANDINGS, WIDTH, facts_of
from mpi.matching.model import load_default
from mpi.matching.verdict import APART, FAR, ZONES, verdict
from mpi.matching.weigh import judge
from tests.people import similar_pairs


@given(similar_pairs)
def test_a_pair_is_decided_by_its_facts_and_zones_alone(pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    model = load_default()
    decided = decide_pair(model, a, b)
    assert verdict(facts_of(a, b), zones_of(model, judge(model, a, b))) == (decided.outcome, decided.rule)
    assert facts_of(a, b) == facts_of(b, a)


def test_far_below_review_only_a_shared_number_or_a_placeholder_says_anything() -> None:
    quiet = [name for name in FLAGS if name not in ("same_nhs", "placeholder")]
    for standings in product(range(4), repeat=len(STANDINGS)):
        packed = sum(code << SHIFT[name] for name, code in zip(STANDINGS, standings, strict=True))
        for up in (0, sum(1 << SHIFT[name] for name in quiet)):
            assert all(verdict(packed | up, FAR | rest) == APART for rest in range(0, ZONES, 4))


def test_every_fact_has_a_bit_of_its_own() -> None:
    taken = [SHIFT[name] + n for name in STANDINGS for n in (0, 1)] + [SHIFT[name] for name in FLAGS]
    assert sorted(taken) == list(range(WIDTH))


def test_more_weight_never_turns_a_link_into_less() -> None:
    rank = {Outcome.APART: 0, Outcome.REVIEW: 1, Outcome.LINK: 2}
    for packed in range(0, 1 << WIDTH, 1999):
        for rest in range(0, ZONES, 4):
            found = [rank[verdict(packed, where | rest)[0]] for where in range(4)]
            assert found == sorted(found)

"""Estimates from a random sample, held against simulated indexes whose truth is known."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from mpi.domain.review import Sample, Verdict
from mpi.matching.model import Thresholds
from mpi.matching.quality import SampledPair, Worked, agreement, estimate, needed, wilson
from mpi.matching.sampling import BANDS, allocate, band_of, places

THRESHOLDS = Thresholds(link=10.0, keep=7.0, review=4.0)
SAME, DIFFERENT = Verdict.SAME, Verdict.DIFFERENT


@pytest.mark.parametrize("kind", list(Sample))
def test_every_weight_lies_in_exactly_one_band(kind: Sample) -> None:
    names = [band_of(kind, THRESHOLDS, weight / 2) for weight in range(-120, 120)]
    assert set(names) == {band.name for band in BANDS[kind]}
    changes = sum(one != other for one, other in pairwise(names))
    assert changes == len(BANDS[kind]) - 1


@pytest.mark.parametrize("kind", list(Sample))
def test_the_shares_of_the_bands_make_a_whole(kind: Sample) -> None:
    assert sum(band.share for band in BANDS[kind]) == pytest.approx(1.0)


def test_as_many_are_drawn_as_wanted_or_as_there_are() -> None:
    names = [band.name for band in BANDS[Sample.LINK]]
    plenty = dict.fromkeys(names, 1000)
    assert sum(allocate(7, Sample.LINK, plenty).values()) == 7
    assert allocate(100, Sample.LINK, {names[1]: 3, names[3]: 2}) == {names[1]: 3, names[3]: 2}
    assert allocate(4, Sample.LINK, {names[0]: 1, names[3]: 50}) == {names[0]: 1, names[3]: 3}
    assert allocate(0, Sample.LINK, plenty) == {}
    assert allocate(5, Sample.LINK, {}) == {}


def test_every_place_is_drawn_with_the_same_chance_and_never_twice() -> None:
    random, seen = Random(4), Counter[int]()
    for _ in range(4000):
        drawn = places(17, 5, random)
        assert len(set(drawn)) == 5
        assert min(drawn) >= 1
        assert max(drawn) <= 17
        seen.update(drawn)
    assert all(abs(seen[place] / 4000 - 5 / 17) < 0.04 for place in range(1, 18))


def test_one_seed_draws_the_same_places() -> None:
    assert places(1000, 9, Random(3)) == places(1000, 9, Random(3)) != places(1000, 9, Random(4))


def _simulated(truth: dict[tuple[Sample, str], tuple[int, float]], n: int, random: Random) -> list[SampledPair]:
    pairs = []
    for (kind, band), (_, share) in truth.items():
        pairs += [SampledPair(kind, band, "RXX", 0.9, random.random() < share) for _ in range(n)]
    return pairs


LINKS, APART = ([band.name for band in BANDS[kind]] for kind in (Sample.LINK, Sample.NON_LINK))
TRUTH = {
    (Sample.LINK, LINKS[1]): (2_000, 0.93),
    (Sample.LINK, LINKS[2]): (8_000, 0.99),
    (Sample.LINK, LINKS[3]): (10_000, 0.999),
    (Sample.NON_LINK, APART[1]): (3_000, 0.10),
    (Sample.NON_LINK, APART[2]): (20_000, 0.005),
}


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    right = {kind: sum(size * share for (k, _), (size, share) in TRUTH.items() if k is kind) for kind in Sample}
    precision = right[Sample.LINK] / 20_000
    recall = right[Sample.LINK] / (right[Sample.LINK] + right[Sample.NON_LINK])
    sizes = {key: float(size) for key, (size, _) in TRUTH.items()}
    random, rounds, hits = Random(11), 300, Counter[str]()
    for _ in range(rounds):
        found = estimate(_simulated(TRUTH, 60, random), sizes, Worked())
        hits["precision"] += found.precision.low <= precision <= found.precision.high
        hits["recall"] += found.recall.low <= recall <= found.recall.high
        assert found.precision.high - found.precision.low < 0.15
    assert hits["precision"] / rounds > 0.92
    assert hits["recall"] / rounds > 0.92


def test_a_band_that_was_drawn_more_often_does_not_count_for_more() -> None:
    pairs = [SampledPair(Sample.LINK, LINKS[1], "RXX", 0.9, i % 2 == 0) for i in range(100)]
    pairs += [SampledPair(Sample.LINK, LINKS[3], "RYY", 0.9, True) for _ in range(100)]
    found = estimate(pairs, {(Sample.LINK, LINKS[1]): 100.0, (Sample.LINK, LINKS[3]): 9900.0}, Worked())
    assert found.precision.value == pytest.approx(0.995)
    assert found.precision.effective < 120
    assert dict(found.by_site)["RXX"].value == pytest.approx(0.5)


def test_without_verdicts_nothing_is_claimed() -> None:
    found = estimate([SampledPair(Sample.LINK, LINKS[1], "RXX", 0.9, None)], {(Sample.LINK, LINKS[1]): 50.0}, Worked())
    assert found.precision.value is None
    assert found.recall.value is None
    assert (found.precision.low, found.precision.high) == (0.0, 1.0)
    assert found.unanswered == 1
    assert found.more_links >= 300


def test_few_verdicts_leave_a_wide_interval_and_say_so() -> None:
    pairs = [SampledPair(Sample.LINK, LINKS[1], "RXX", 0.9, True)] * 5
    precision = estimate(pairs, {(Sample.LINK, LINKS[1]): 50.0}, Worked()).precision
    assert precision.value == 1.0
    assert precision.low < 0.6
    assert not precision.enough


def test_a_model_that_says_too_much_shows_in_the_calibration() -> None:
    pairs = [SampledPair(Sample.LINK, LINKS[1], "RXX", 0.95, i < 60) for i in range(100)]
    [one] = estimate(pairs, {(Sample.LINK, LINKS[1]): 100.0}, Worked()).calibration
    assert one.said == pytest.approx(0.95)
    assert one.found.high < one.said


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    low, high = wilson(81, 263)  # Newcombe (1998), Statistics in Medicine 17:857-872, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)
    assert needed(0.5, 0.05) == 385


def test_kappa_is_that_of_the_textbook() -> None:
    answers = [[SAME, SAME]] * 20 + [[SAME, DIFFERENT]] * 5 + [[DIFFERENT, SAME]] * 10 + [[DIFFERENT, DIFFERENT]] * 15
    found = agreement(answers, 2)
    assert (found.questions, found.agreed) == (50, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert agreement(answers, 3).kappa is None


def test_fleiss_kappa_of_three_readers_who_guess_is_near_nothing() -> None:
    random = Random(5)
    guesses = [[random.choice((SAME, DIFFERENT)) for _ in range(3)] for _ in range(4000)]
    found = agreement(guesses, 3)
    assert found.kappa is not None
    assert abs(found.kappa) < 0.05
    assert agreement([[SAME] * 3, [DIFFERENT] * 3], 3).kappa == pytest.approx(1.0)

"""Which pairs are drawn to measure the index: bands of weight, how many of each, and at which places.

Stratified systematic sampling (Cochran 1977, *Sampling Techniques*, chapters 5 and 8): the pairs of a band stand in a
fixed order, by site and then by number, and every k-th is taken from a random start. So each pair of a band has the
same known chance, and each site gives pairs in proportion to its size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from random import Random

from mpi.domain.review import Sample
from mpi.matching.model import Thresholds


@dataclass(frozen=True, slots=True)
class Band:
    """Pairs whose weight is `low` bits or more and less than `high` above the threshold; None: without bound."""

    name: str
    low: float | None
    high: float | None
    share: float
    """Part (0-1) of a sample that is drawn here: most where errors are to be expected."""


BANDS: Mapping[Sample, tuple[Band, ...]] = {
    Sample.LINK: (
        Band("below the link threshold", None, 0.0, 0.2),
        Band("up to 5 bits above the link threshold", 0.0, 5.0, 0.4),
        Band("5 to 15 bits above the link threshold", 5.0, 15.0, 0.25),
        Band("15 bits or more above the link threshold", 15.0, None, 0.15),
    ),
    Sample.NON_LINK: (
        Band("above the review threshold", 0.0, None, 0.25),
        Band("up to 5 bits below the review threshold", -5.0, 0.0, 0.4),
        Band("5 to 15 bits below the review threshold", -15.0, -5.0, 0.2),
        Band("more than 15 bits below the review threshold", None, -15.0, 0.15),
    ),
}
"""By kind of sample, measured from the link threshold for links and from the review threshold for non-links.

Hard rules link below the one and keep apart above the other.
"""


def edges(kind: Sample, thresholds: Thresholds) -> list[tuple[Band, float | None, float | None]]:
    """The bands of a kind with their bounds in bits of weight."""
    zero = thresholds.link if kind is Sample.LINK else thresholds.review
    return [
        (band, None if band.low is None else zero + band.low, None if band.high is None else zero + band.high)
        for band in BANDS[kind]
    ]


def band_of(kind: Sample, thresholds: Thresholds, weight: float) -> str:
    """The name of the band that a weight in bits lies in."""
    for band, low, high in edges(kind, thresholds):
        if (low is None or weight >= low) and (high is None or weight < high):
            return band.name
    raise AssertionError("the bands cover every weight")


def allocate(wanted: int, kind: Sample, there: Mapping[str, int]) -> dict[str, int]:
    """How many pairs to draw of each band, `wanted` in all or as many as there are.

    By the bands' shares with largest remainders; what a band does not have goes to the others, the first ones first.
    """
    shares = {band.name: band.share for band in BANDS[kind] if there.get(band.name, 0) > 0}
    if not shares or wanted <= 0:
        return {}
    whole = sum(shares.values())
    exact = {name: wanted * share / whole for name, share in shares.items()}
    found = {name: min(floor(value), there[name]) for name, value in exact.items()}
    ranked = sorted(exact, key=lambda name: floor(exact[name]) - exact[name])
    while (left := min(wanted, sum(there[name] for name in shares)) - sum(found.values())) > 0:
        for name in [name for name in ranked if found[name] < there[name]][:left]:
            found[name] += 1
    return {name: n for name, n in found.items() if n}


def places(size: int, wanted: int, random: Random) -> list[int]:
    """`wanted` of the places 1 to `size`, evenly apart from a random start: each with the chance wanted/size."""
    if wanted >= size:
        return list(range(1, size + 1))
    step = size / wanted
    start = random.random() * step
    return [min(size, 1 + floor(start + n * step)) for n in range(wanted)]

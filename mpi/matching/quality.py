"""How good the index is, as reviewers' verdicts on a random sample of its decisions say.

The sample is stratified by bands of weight (`mpi.matching.sampling`). A share is the mean of the bands' shares weighted
by their sizes; its interval is Wilson's (1927) on Kish's (1965) effective number of verdicts, which is the smaller the
more unequal the weights are (Korn and Graubard 1998 do so with Clopper and Pearson's interval).
Recall is a ratio of totals of several bands: its interval comes from draws of each band's share out of its Beta
posterior with Jeffreys' prior (Brown, Cai and DasGupta 2001). All intervals are of 95 %.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt

import numpy as np

from mpi.domain.review import Sample, Verdict

_Z = 1.959964
_ROUNDS = 20_000
_SEED = 20261
ENOUGH = 30
"""Fewer verdicts than this say so little that pages say so too."""


@dataclass(frozen=True, slots=True)
class SampledPair:
    """A drawn pair: of which kind, band and site; `same` is the reviewers' answer, None where there is none yet.

    `said` is the probability that the model gave it when it was drawn.
    """

    kind: Sample
    band: str
    site: str
    said: float
    same: bool | None


@dataclass(frozen=True, slots=True)
class Share:
    """A share (0-1) with its interval, out of `verdicts` answers; None where there is no answer.

    `effective` is how many answers of a simple random sample would say as much.
    """

    value: float | None
    low: float
    high: float
    verdicts: int
    effective: float

    @property
    def enough(self) -> bool:
        """Whether there are answers enough to go by."""
        return self.verdicts >= ENOUGH


@dataclass(frozen=True, slots=True)
class Worked:
    """How many pairs that were not drawn reviewers have decided, and how many wait for them."""

    same: int = 0
    different: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pairs of one range of said probability: what the model said on average, and what reviewers say."""

    low: float
    high: float
    said: float
    found: Share


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far independent readers agree: `kappa` 1 for always, 0 for what chance would give; None where undefined.

    `readers` is 2 (Cohen 1960) or 3 (Fleiss 1971).
    """

    readers: int
    questions: int
    agreed: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Quality:
    """The estimates. `precision`: of links made without a human; `recall`: of one person's pairs that were compared.

    `unanswered`: drawn pairs without a verdict. `more_links`: verdicts on links still needed until the precision is
    known to one percentage point, at what is known now.
    """

    precision: Share
    recall: Share
    missed: Share
    by_band: tuple[tuple[Sample, str, Share], ...]
    by_site: tuple[tuple[str, Share], ...]
    calibration: tuple[Calibration, ...]
    unanswered: int
    more_links: int


def wilson(positive: float, n: float) -> tuple[float, float]:
    """Wilson's interval for `positive` of `n`, which need not be whole; everything (0-1) where n is 0."""
    if n <= 0:
        return 0.0, 1.0
    p, z2 = positive / n, _Z * _Z
    middle, half = p + z2 / (2 * n), _Z * sqrt(max(p * (1 - p), 0.0) / n + z2 / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n))


def needed(share: float, half: float) -> int:
    """How many verdicts of a simple random sample give a share to within `half`; by the rule of three near 0 and 1."""
    return max(ceil(_Z * _Z * share * (1 - share) / (half * half)), ceil(3 / half))


def weighted(pairs: Iterable[tuple[float, bool]]) -> Share:
    """The share of true ones among (weight, truth), with its interval on the effective number."""
    known = list(pairs)
    total = sum(weight for weight, _ in known)
    if total <= 0:
        return Share(None, 0.0, 1.0, 0, 0.0)
    effective = total * total / sum(weight * weight for weight, _ in known)
    value = min(1.0, sum(weight for weight, truth in known if truth) / total)
    return Share(value, *wilson(value * effective, effective), len(known), effective)


def estimate(pairs: Sequence[SampledPair], sizes: Mapping[tuple[Sample, str], float], worked: Worked) -> Quality:
    """What the verdicts say of an index with so many pairs of each kind and band (`sizes`).

    Pairs without a verdict are left out; that assumes that of one band they are like the others.
    """
    known = [pair for pair in pairs if pair.same is not None]
    drawn = Counter((pair.kind, pair.band) for pair in known)
    weights = [sizes.get((p.kind, p.band), 0.0) / drawn[p.kind, p.band] for p in known]
    both = list(zip(known, weights, strict=True))
    links = [(w, bool(p.same)) for p, w in both if p.kind is Sample.LINK]
    precision = weighted(links)
    sites = sorted({p.site for p in known if p.kind is Sample.LINK})
    bands = sorted({(p.kind, p.band) for p in pairs} | {key for key, size in sizes.items() if size})
    at = precision.value if precision.value is not None else 0.99
    return Quality(
        precision,
        _recall(known, sizes, worked),
        weighted((w, bool(p.same)) for p, w in both if p.kind is Sample.NON_LINK),
        tuple((*band, weighted((1.0, bool(p.same)) for p in known if (p.kind, p.band) == band)) for band in bands),
        tuple(
            (site, weighted((w, bool(p.same)) for p, w in both if p.kind is Sample.LINK and p.site == site))
            for site in sites
        ),
        _calibration(both),
        len(pairs) - len(known),
        max(0, needed(at, 0.01) - int(precision.effective)),
    )


def _recall(known: Sequence[SampledPair], sizes: Mapping[tuple[Sample, str], float], worked: Worked) -> Share:
    """Pairs joined, by the index or by reviewers, among all pairs of one person that were compared."""
    answers: dict[tuple[Sample, str], Counter[bool]] = defaultdict(Counter)
    for pair in known:
        answers[pair.kind, pair.band][bool(pair.same)] += 1
    if not any(pair.kind is Sample.NON_LINK for pair in known):
        return Share(None, 0.0, 1.0, 0, 0.0)  # links alone say nothing of what was missed
    random = np.random.default_rng(_SEED)
    joined = {True: np.full(_ROUNDS, float(worked.same)), False: np.zeros(_ROUNDS)}
    point = {True: float(worked.same), False: 0.0}
    for (kind, band), size in sorted(sizes.items()):
        same, other = answers[kind, band][True], answers[kind, band][False]
        linked = kind is Sample.LINK
        joined[linked] += size * random.beta(same + 0.5, other + 0.5, _ROUNDS)
        point[linked] += size * (same / (same + other) if same + other else 0.5)
    joined[False] += worked.waiting * random.beta(worked.same + 0.5, worked.different + 0.5, _ROUNDS)
    asked = worked.same + worked.different
    point[False] += worked.waiting * (worked.same / asked if asked else 0.5)
    draws = joined[True] / np.maximum(joined[True] + joined[False], 1e-12)
    low, high = (float(x) for x in np.quantile(draws, (0.025, 0.975)))
    whole = point[True] + point[False]
    value = point[True] / whole if whole else None
    if value is not None:
        low, high = min(low, value), max(high, value)
    return Share(value, low, high, len(known), float(len(known)))


_RANGES = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)


def _calibration(both: Sequence[tuple[SampledPair, float]]) -> tuple[Calibration, ...]:
    found = []
    for low, high in pairwise(_RANGES):
        inside = [(p, w) for p, w in both if low <= p.said < high or (high == 1.0 and p.said == 1.0)]
        total = sum(w for _, w in inside)
        if total > 0:
            said = sum(w * p.said for p, w in inside) / total
            found.append(Calibration(low, high, said, weighted((w, bool(p.same)) for p, w in inside)))
    return tuple(found)


def agreement(answers: Sequence[Sequence[Verdict]], readers: int) -> Agreement:
    """Cohen's kappa of the first two readers, or Fleiss' of the first three, over questions that had so many.

    `answers` holds for each question what its readers answered independently, first reader first.
    """
    rows = [list(each[:readers]) for each in answers if len(each) >= readers]
    if not rows:
        return Agreement(readers, 0, None, None)
    pairs = [(i, j) for i in range(readers) for j in range(i)]
    agreed = sum(row[i] is row[j] for row in rows for i, j in pairs) / (len(rows) * len(pairs))
    if readers == 2:
        each = [Counter(row[place] for row in rows) for place in range(2)]
        chance = sum(each[0][v] * each[1][v] for v in Verdict) / len(rows) ** 2
    else:
        together = Counter(answer for row in rows for answer in row)
        chance = sum((n / (len(rows) * readers)) ** 2 for n in together.values())
    kappa = (agreed - chance) / (1 - chance) if chance < 1 else None
    return Agreement(readers, len(rows), agreed, kappa)

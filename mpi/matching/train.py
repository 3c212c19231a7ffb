"""A model estimated without truth: expectation-maximisation over counts of agreement patterns.

Fellegi and Sunter (1969) give the model, Winkler (1988) the estimation by EM. Two things are added against known
traps. Pairs come from the whole pair space, in strata with their weights, so that m of a field is not biased by having
been blocked on and u is not that of blocked pairs. And members of one household, and children of one birth, are
classes of their own whose agreement is tied to the two main ones (only their sizes are estimated): without them a
family's pairs would pass for matches that disagree on name and birth date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, log2

from mpi.matching import em
from mpi.matching.compare import MISSING
from mpi.matching.model import EXTRA, Comparison, Frequencies, Level, LinkageModel, Relatives, Thresholds, scaled
from mpi.matching.relatives import has_families, is_own
from mpi.matching.shape import HOUSEHOLD_FIELDS

Pattern = tuple[int, ...]
"""Level per comparison in model order, `MISSING` where a side is missing."""

_STEADY_M = 30.0
"""Pseudo-matches spread as the starting m: they carry levels that the data hardly show."""
_STEADY_U = 10.0
_LEAST_BITS = -12.0
"""No disagreement may say more against a match: any value can be wrong."""
_RAREST_COINCIDENCE = 1e-6
"""Nothing happens to two strangers less often than this: numbers do get mixed up, more often than data show."""
_FEW = 20.0
"""Pairs on which a level must have been seen before data and starting guess count alike."""
_ONE_IN_TEN = 0.1
_SLIPS = frozenset({"nearly the same spelling", "similar spelling", "same sound"})
_ROUNDS = 60
_CLOSE_ENOUGH = 1e-6

TARGET_FALSE_LINKS = 0.001
"""Share of automatic links that may be false by the model's own estimate."""
REVIEWS_PER_RECORD = 0.02
"""Pairs per record that the weight alone may send to a human; hard rules send others."""
WORST_REVIEW = -2.0
"""Bits: nobody is asked about a pair less likely than one in five."""

_SURE_ENOUGH = 2.0
"""Bits: where nothing but strangers can be taken for a match, four to one is enough for a single link, as one to four
(`WORST_REVIEW`) is enough for a question; the target for all links together still holds."""

_TOO_FEW_TO_TELL = 1.0
"""False links that may be expected however few links there are: on less than one, no share can be held."""

STRANGERS_OF_ONE_NAME = "strangers-of-one-name"
"""Family and given names go together, by tradition and generation: more strangers share both than chance would have."""

_HOME = HOUSEHOLD_FIELDS
RELATIVES: Mapping[str, frozenset[str]] = {
    "household": _HOME,
    "household-one-mail": _HOME | {"email"},
    "namesakes": _HOME | {"given_name", "sex"},
    "one-birth": _HOME | {"birth_date"},
    "one-birth-one-mail": _HOME | {"birth_date", "email"},
    STRANGERS_OF_ONE_NAME: frozenset({"family_name", "given_name", "sex"}),
}
"""Class of non-matches -> comparisons on which its pairs agree as matches do; on all others as strangers do."""

_SETTLED = {
    "household": 1e-6,
    "household-one-mail": 1e-7,
    "namesakes": 1e-8,
    "one-birth": 1e-8,
    "one-birth-one-mail": 1e-9,
    STRANGERS_OF_ONE_NAME: 1e-6,
}
_OF_ONE_NAME = 2 + list(RELATIVES).index(STRANGERS_OF_ONE_NAME)
"""Its place among the classes of `em.estimate`, behind matches and strangers."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What EM found: the model without thresholds of its own yet, and each pattern's probability of being a match."""

    model: LinkageModel
    match: Mapping[Pattern, float]
    strangers: Mapping[Pattern, float]
    """Each pattern's probability of being two people who have nothing to do with each other, of one name or not."""
    rounds: int
    relatives: Mapping[str, float]
    """Class -> its share of all pairs."""


def fit(
    start: LinkageModel,
    blocked: Mapping[Pattern, float],
    others: Mapping[Pattern, float],
    *,
    looked_at: int,
    target: float = TARGET_FALSE_LINKS,
) -> Fitted:
    """Estimate m, u and the prior from weighted counts of patterns over the whole pair space.

    `blocked` and `others` together sum to the number of pairs there are; `looked_at` is how many were compared. No
    pair of `others` is taken for a match: they are samples, and one coincidence among them, standing for thousands
    of pairs, would pass for thousands of matches. The result does not depend on the order of the counts. `target` says
    how few relatives are few enough to do without the rules against them.
    """
    patterns = sorted(blocked) + sorted(others)
    sampled = len(blocked)
    weights = [blocked[p] for p in patterns[:sampled]] + [others[p] for p in patterns[sampled:]]
    total = sum(weights)
    found, classes = _estimated(start, patterns, sampled, weights)
    posterior, shares = found.posterior, found.shares
    seen = _seen(patterns, weights, posterior, start.comparisons, total / max(looked_at, 1))
    comparisons = tuple(_bounded(*parts) for parts in zip(start.comparisons, found.m, found.u, seen, strict=True))
    prior = min(shares.pop("match"), 0.5)
    at_home = (shares["household"] + shares["household-one-mail"]) * total
    relatives = at_home if _tells(start, blocked, "residence") else _like_twins(start, blocked, found.u, total)
    families = has_families(relatives, prior * total, target)
    own = is_own([c.name for c in start.comparisons], [len(c.levels) - 1 for c in start.comparisons], blocked)
    return Fitted(
        replace(
            start,
            prior=prior,
            comparisons=comparisons,
            families=families,
            own_identifier=own,
            relatives=tuple(
                Relatives(name, tuple(sorted(fields)), shares[name] / prior, name == STRANGERS_OF_ONE_NAME)
                for name, fields in classes.items()
            ),
        ),
        {p: own[0] for p, own in zip(patterns[:sampled], posterior[:sampled], strict=True)},
        {p: own[1] + own[_OF_ONE_NAME] for p, own in zip(patterns[:sampled], posterior[:sampled], strict=True)},
        found.rounds,
        shares,
    )


def _estimated(
    start: LinkageModel, patterns: Sequence[Pattern], sampled: int, weights: Sequence[float]
) -> tuple[em.Estimated, Mapping[str, frozenset[str]]]:
    """What EM finds with the classes of relatives that fit the data best, and on what each class agrees.

    Whether families share one of the user's own fields (a parish of birth, an occupation) nobody says: it is tried both
    ways, a field at a time, and the likelihood decides.
    """
    begin = [[[getattr(level, which) for level in c.levels] for c in start.comparisons] for which in ("m", "u")]

    def fitted(classes: Mapping[str, frozenset[str]]) -> em.Estimated:
        return em.estimate(
            patterns[:sampled],
            patterns[sampled:],
            weights,
            (begin[0], begin[1]),
            {"match": start.prior, **_SETTLED},
            {name: [c.name in fields for c in start.comparisons] for name, fields in classes.items()},
            em.Steady(_STEADY_M, _STEADY_U, _ROUNDS, _CLOSE_ENOUGH),
        )

    classes: Mapping[str, frozenset[str]] = RELATIVES
    found = fitted(classes)
    for extra in (c.name for c in start.comparisons if c.name.startswith(EXTRA)):
        shared = {name: fields | {extra} if _may_share(fields) else fields for name, fields in classes.items()}
        tried = fitted(shared)
        if tried.likelihood > found.likelihood:
            found, classes = tried, shared
    return found, classes


def _tells(start: LinkageModel, blocked: Mapping[Pattern, float], name: str) -> bool:
    """Whether a comparison says something of one compared pair in ten at least."""
    names = [c.name for c in start.comparisons]
    if name not in names:
        return False
    place = names.index(name)
    known = sum(count for pattern, count in blocked.items() if pattern[place] != MISSING)
    return known >= _ONE_IN_TEN * sum(blocked.values())


def _like_twins(
    start: LinkageModel, blocked: Mapping[Pattern, float], u: Sequence[Sequence[float]], total: float
) -> float:
    """How many pairs look like twins beyond slips and chance: what bounds their number where no home is known.

    They share family name and birth date, and their given names differ. Slips that leave names alike make some names
    differ, in the proportion of the start, and among `total` pairs of strangers it comes about by chance. Without whole
    birth dates nothing bounds the number of relatives.
    """
    names = [c.name for c in start.comparisons]
    if not {"family_name", "given_name", "birth_date"} <= set(names):
        return inf
    family, given, birth = (names.index(name) for name in ("family_name", "given_name", "birth_date"))
    levels = start.comparisons[given].levels
    if not any(pattern[birth] == 0 for pattern in blocked):
        return inf
    alike = [(p[given], n) for p, n in blocked.items() if p[family] == 0 and p[birth] == 0 and p[given] != MISSING]
    differ = sum(n for level, n in alike if level == len(levels) - 1)
    near = {place for place, level in enumerate(levels) if level.label in _SLIPS}
    share = levels[-1].m / sum(levels[place].m for place in near)
    slips = share * sum(n for level, n in alike if level in near)
    return max(differ - slips - total * u[family][0] * u[birth][0] * u[given][-1], 0.0)


def _may_share(fields: frozenset[str]) -> bool:
    """Relatives at one home; not those of one name, who would then differ from matches in the birth date alone."""
    return fields >= _HOME and "given_name" not in fields


def _seen(
    patterns: Sequence[Pattern],
    weights: Sequence[float],
    posterior: Sequence[Sequence[float]],
    comparisons: Sequence[Comparison],
    each: float,
) -> list[list[float]]:
    """On how many pairs each level was seen: matches one by one, strangers by the pairs that were looked at."""
    sums = [[0.0] * len(c.levels) for c in comparisons]
    for pattern, weight, found in zip(patterns, weights, posterior, strict=True):
        for row, level in zip(sums, pattern, strict=True):
            if level != MISSING:
                row[level] += weight * (found[0] + found[1] / each)
    return sums


def _bounded(c: Comparison, m: Sequence[float], u: Sequence[float], seen: Sequence[float]) -> Comparison:
    """The comparison with new m and u, no level beyond the bounds, and none weighing less than "different" does.

    A level that hardly any pair showed stays near its starting weight.
    """
    levels: list[Level] = []
    known = seen[-1] >= _FEW
    worst = max(log2(m[-1] / u[-1]) if known else c.levels[-1].bits, _LEAST_BITS)
    for level, own_m, own_u, pairs in zip(c.levels, m, u, seen, strict=True):
        own_m, own_u = max(own_m, _RAREST_COINCIDENCE), max(own_u, _RAREST_COINCIDENCE)
        trust = pairs / (pairs + _FEW)
        bits = max(trust * log2(own_m / own_u) + (1 - trust) * log2(level.m / level.u), worst)
        # The level keeps its m; u moves, since it is u that data show too rarely.
        new_u = own_m / 2.0**bits
        if new_u > 1.0:
            own_m, new_u = 2.0**bits, 1.0
        levels.append(replace(level, m=own_m, u=own_m if level.counted_elsewhere else new_u))
    return replace(c, levels=tuple(levels))


def frequencies(values: Mapping[str, int], *, most: int = 2000, at_least: int = 5) -> Frequencies:
    """A term-frequency table out of value counts: the commonest values only, so that no rare name is given away."""
    total = sum(values.values())
    if total == 0:
        return Frequencies(base=0.005, floor=0.0005, values={})
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    kept = {value: count / total for value, count in ranked[:most] if count >= at_least}
    rest = [count for value, count in ranked if value not in kept]
    floor = max(sum(rest) / len(rest) / total if rest else 1.0 / total, 1e-6)
    base = sum((count / total) ** 2 for _, count in ranked)
    return Frequencies(base=base, floor=min(floor, base), values=kept)


def weights_of(model: LinkageModel, patterns: Sequence[Pattern]) -> list[float]:
    """The weight in bits of each pattern, prior included, without term-frequency adjustments."""
    bits = [[level.bits for level in c.levels] for c in model.comparisons]
    found = []
    for pattern in patterns:
        weight = model.prior_bits
        for row, level in zip(bits, pattern, strict=True):
            if level != MISSING:
                weight += row[level]
        found.append(weight)
    return found


def thresholds(
    fitted: Fitted,
    blocked: Mapping[Pattern, float],
    *,
    records: int,
    population: int,
    target: float = TARGET_FALSE_LINKS,
) -> Thresholds:
    """Thresholds out of the model's own estimated errors, after Fellegi and Sunter's decision rule.

    They are for an index of `population` records, where each record meets so many more strangers than among these
    `records`. `link` is the lowest weight from which upward no more than `target` of the pairs are false and no single
    link is more than ten times `target` likely to be false; where the records hold no families, one in five. Pairs of
    relatives are left out: no threshold can tell them from matches, and the hard rules of `decide` hold them back
    whatever they weigh. `review` goes down as far as `REVIEWS_PER_RECORD` allows and a question is worth its while.
    """
    patterns = sorted(blocked)
    more = population / records
    weights = weights_of(scaled(fitted.model, population / records), patterns)
    ranked = sorted(zip(weights, patterns, strict=True), reverse=True)
    worst = min(10 * target, 0.5)
    link = log2((1 - worst) / worst) if fitted.model.families else _SURE_ENOUGH
    pairs = false = 0.0
    for weight, pattern in ranked:
        false += blocked[pattern] * fitted.strangers[pattern] * more
        pairs += blocked[pattern] * (fitted.match[pattern] + fitted.strangers[pattern] * more)
        if false > max(target * pairs, _TOO_FEW_TO_TELL):
            link = max(link, weight + 0.01)
            break
    asked, review = 0.0, WORST_REVIEW
    for weight, pattern in ranked:
        if weight < link:
            asked += blocked[pattern] * (fitted.match[pattern] + fitted.strangers[pattern] * more)
            if asked > REVIEWS_PER_RECORD * records:
                review = weight
                break
    review = min(max(review, WORST_REVIEW), link)
    return Thresholds(link=round(link, 2), keep=round((link + review) / 2, 2), review=round(review, 2))

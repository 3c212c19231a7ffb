"""A pair of prepared records weighed by a model: pattern, bits, and the evidence when somebody asks for it."""

from dataclasses import dataclass
from functools import lru_cache

from mpi.domain.decision import FieldEvidence
from mpi.matching.compare import MISSING
from mpi.matching.kinds import Getter, getter
from mpi.matching.model import LETTERS, Comparison, LinkageModel
from mpi.matching.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair weighed: `weight` in bits with the prior, `bits` and `levels` per comparison in model order."""

    weight: float
    pattern: str
    levels: tuple[int, ...]
    bits: tuple[float, ...]


class _Scorer:
    """What is looked up for one comparison, worked out once per model."""

    __slots__ = ("bits", "compare", "get", "shares", "terms")

    def __init__(self, model: LinkageModel, place: int) -> None:
        comparison = model.comparisons[place]
        self.compare = model.comparers[place]
        self.bits = [level.bits for level in comparison.levels]
        self.shares = [level.frequency for level in comparison.levels]
        self.get: Getter | None = getter(comparison.table) if comparison.table else None
        self.terms = Terms(model, comparison)

    def score(self, a: Prepared, b: Prepared, level: int) -> float:
        bits = self.bits[level]
        share = self.shares[level]
        if share and self.get is not None:
            x, y = self.get(a), self.get(b)
            if x is not None and y is not None:
                terms = self.terms
                # The more frequent side: two spellings agree no more tellingly than the commoner one.
                bits += share * (terms.of(x) if x == y else min(terms.of(x), terms.of(y)))
        return bits


class Terms:
    """Bits per value of a frequency table; an unseen value has those of the floor."""

    __slots__ = ("seen", "unseen")

    def __init__(self, model: LinkageModel, comparison: Comparison) -> None:
        self.seen: dict[str, float] = {}
        self.unseen = 0.0
        if comparison.table:
            table = model.frequencies[comparison.table]
            self.seen = {value: table.bits(value) for value in table.values}
            self.unseen = table.bits("")

    def of(self, value: str) -> float:
        """What a value adds, before the level's share."""
        return self.seen.get(value, self.unseen)


_LETTER = {MISSING: "-", **dict(enumerate(LETTERS))}


@lru_cache(maxsize=8)
def _scorers(model: "_ById") -> tuple[_Scorer, ...]:
    return tuple(_Scorer(model.model, place) for place in range(len(model.model.comparisons)))


class _ById:
    """A model as a cache key by identity: hashing its tables on each pair would cost more than the pair."""

    __slots__ = ("model",)

    def __init__(self, model: LinkageModel) -> None:
        self.model = model

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.model is self.model


def judge(model: LinkageModel, a: Prepared, b: Prepared) -> Judged:
    """Weigh two records: symmetric, never raises. Bits are added in model order, so every engine gets the same sum."""
    weight = model.prior_bits
    levels: list[int] = []
    bits: list[float] = []
    for scorer in _scorers(_ById(model)):
        level = scorer.compare(a, b)
        value = 0.0 if level == MISSING else scorer.score(a, b, level)
        levels.append(level)
        bits.append(value)
        weight += value
    return Judged(weight, "".join([_LETTER[level] for level in levels]), tuple(levels), tuple(bits))


def without(model: LinkageModel, judged: Judged, comparison: str) -> float:
    """The weight in bits with one comparison left out (its name in the model; an unknown name leaves out nothing)."""
    weight = model.prior_bits
    for c, bits in zip(model.comparisons, judged.bits, strict=True):
        if c.name != comparison:
            weight += bits
    return weight


def evidence(model: LinkageModel, judged: Judged) -> tuple[FieldEvidence, ...]:
    """What each comparison found and adds, in model order, in plain English."""
    found = []
    for c, level, bits in zip(model.comparisons, judged.levels, judged.bits, strict=True):
        name = "missing" if level == MISSING else _LETTER[level]
        label = "missing" if level == MISSING else c.levels[level].label
        found.append(FieldEvidence(c.name, name, bits, label))
    return tuple(found)

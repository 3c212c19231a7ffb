"""The probability that a pair is one person, relatives reckoned with.

The weight sets a match against strangers. A brother shares name and home, a twin the birthday too; how many such pairs
stand beside each match is part of the model. By Bayes' rule over all classes the odds against a match are the sum of
the odds against it from each: 2 ** -weight from strangers, and from each class of relatives their number for each match
times 2 ** -(bits of what they do not share).
"""

from mpi.matching.model import LinkageModel
from mpi.matching.weigh import Judged

_FLOOR = -1000.0
"""Bits below which 2 ** -bits would leave the range of a float."""


def probability(model: LinkageModel, judged: Judged) -> float:
    """The probability that the two records are of one person, by the model."""
    against: float = 2.0 ** -max(judged.weight, _FLOOR)
    for relatives in model.relatives:
        own = 0.0
        for comparison, bits in zip(model.comparisons, judged.bits, strict=True):
            if comparison.name not in relatives.agree_on:
                own += bits
        against += relatives.per_match * 2.0 ** -max(own, _FLOOR)
    return 1.0 / (1.0 + against)

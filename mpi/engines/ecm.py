"""recordlinkage's ECM classifier on agreement patterns: the reference that our own estimation is compared with.

It knows two classes, takes blocked pairs for all there are, and looks at agreement only, so it serves to check the
estimation and not to weigh with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mpi.matching.model import LinkageModel

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class EcmFit:
    """What ECM found: m and u of agreeing per comparison, the share of matches, and each pair's probability."""

    m: Mapping[str, float]
    u: Mapping[str, float]
    prior: float
    match: NDArray[np.float64]


def agreements(model: LinkageModel, levels: Sequence[NDArray[np.uint8]]) -> "pd.DataFrame":
    """A frame of 1 where the level reached speaks for one person, 0 elsewhere; missing is 0, for ECM knows no gaps.

    Its columns are the model's comparisons.
    """
    import pandas as pd

    found = {}
    for comparison, level in zip(model.comparisons, levels, strict=True):
        speaks = [place for place, entry in enumerate(comparison.levels) if entry.bits > 0]
        found[comparison.name] = np.isin(level, speaks).astype(np.uint8)
    return pd.DataFrame(found)


def fit_ecm(frame: "pd.DataFrame") -> EcmFit:
    """Fit `recordlinkage.ECMClassifier` to a frame of zeros and ones; always the same result for the same frame.

    A column that is constant tells nothing and is left out of the fit and of the result.
    """
    import recordlinkage

    used = frame.loc[:, frame.nunique() > 1]
    # Its own bound (1e-4 a round) stops early where matches and strangers part slowly.
    classifier = recordlinkage.ECMClassifier(init="jaro", max_iter=2000, atol=1e-9)
    classifier.fit(used)
    return EcmFit(
        m={name: float(values[1]) for name, values in classifier.m_probs.items()},
        u={name: float(values[1]) for name, values in classifier.u_probs.items()},
        prior=float(classifier.p),
        match=classifier.prob(used).to_numpy(),
    )

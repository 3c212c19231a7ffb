"""How well decided pairs fit the truth, by the measures of recordlinkage."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Measures:
    """Pairs counted, and their ratios (0 to 1); a ratio of nothing is None."""

    true_pairs: int
    found_pairs: int
    true_found: int
    precision: float | None
    recall: float | None
    f1: float | None


def measures(*, true_pairs: int, found_pairs: int, true_found: int) -> Measures:
    """Precision, recall and F1 of `found_pairs`, of which `true_found` are among the `true_pairs`."""
    import recordlinkage

    missed, wrong = true_pairs - true_found, found_pairs - true_found
    matrix = np.array([[true_found, missed], [wrong, 0]])
    precision = recordlinkage.precision(matrix) if found_pairs else None
    recall = recordlinkage.recall(matrix) if true_pairs else None
    f1 = recordlinkage.fscore(matrix) if true_found else (0.0 if true_pairs and found_pairs else None)
    return Measures(true_pairs, found_pairs, true_found, _plain(precision), _plain(recall), _plain(f1))


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)

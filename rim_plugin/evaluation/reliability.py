"""Whether a confidence is the share of right verdicts: reliability diagram and expected calibration error."""

from typing import NamedTuple

import numpy as np

_BINS = 10


class Reliability(NamedTuple):
    """Verdicts by their confidence, in ten equal parts of 0.5 to 1, of which those without verdicts are left out.

    Attributes:
        confidence: (B, ) mean confidence.
        right: (B, ) share of right verdicts.
        weight: (B, ) share of all verdicts; their sum is 1.
    """

    confidence: np.ndarray
    right: np.ndarray
    weight: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error, mean distance of confidence and share of right verdicts (Guo et al., 2017)."""
        return float((self.weight * np.abs(self.confidence - self.right)).sum())


def reliability(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray) -> Reliability:
    """Verdicts by their confidence.

    Args:
        confidence: (V, ), 0.5 to 1.
        right: (V, ) bool.
        weights: (V, ), how much each verdict counts.
    """
    bins = np.minimum(((confidence - 0.5) * 2 * _BINS).astype(int), _BINS - 1)
    total, sure, correct = (np.bincount(bins, each, _BINS) for each in (weights, weights * confidence, weights * right))
    there = total > 0
    return Reliability(sure[there] / total[there], correct[there] / total[there], total[there] / weights.sum())

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
        deviation: (B, ) standard deviation of ``right``, as a mean of independent verdicts.
    """

    confidence: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    deviation: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error, mean distance of confidence and share of right verdicts (Guo et al., 2017)."""
        return float((self.weight * np.abs(self.confidence - self.right)).sum())

    @property
    def chance(self) -> float:
        """The error that a right confidence has on so many verdicts by chance: mean distance of a normal variable."""
        return float((self.weight * self.deviation).sum() * np.sqrt(2 / np.pi))


def reliability(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray) -> Reliability:
    """Verdicts by their confidence.

    Args:
        confidence: (V, ), 0.5 to 1.
        right: (V, ) bool.
        weights: (V, ), how much each verdict counts.
    """
    bins = np.minimum(((confidence - 0.5) * 2 * _BINS).astype(int), _BINS - 1)
    total, sure, correct = (np.bincount(bins, each, _BINS) for each in (weights, weights * confidence, weights * right))
    share = correct / np.maximum(total, np.finfo(float).tiny)
    spread = np.bincount(bins, (weights * (right - share[bins])) ** 2, _BINS)  # of a mean with weights
    there = total > 0
    sure, spread, total = sure[there], spread[there], total[there]
    return Reliability(sure / total, share[there], total / weights.sum(), np.sqrt(spread) / total)

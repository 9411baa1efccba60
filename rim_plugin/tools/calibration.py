"""From similarity to verdict: a threshold and a steepness for each size of the probe, and between those sizes."""

from collections.abc import Sequence

import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.weights_file import Calibration


def calibrate(size: int, scores: np.ndarray, issame: np.ndarray) -> Calibration:
    """Calibration for one size of the probe.

    The curve has one parameter, so that it is 1/2 at the threshold and never contradicts the verdict.

    Args:
        size: side of the probe in pixels.
        scores: (P, ) similarities.
        issame: (P, ) bool, about as many of either kind: the probability is for that mixture.

    Raises:
        ValueError: as :func:`~rim_plugin.evaluation.roc.checked_pairs`; or same pairs do not score higher.
    """
    from sklearn.linear_model import LogisticRegression

    from rim_plugin.evaluation.roc import checked_pairs
    from rim_plugin.evaluation.thresholds import best_threshold

    scores, issame = checked_pairs(scores, issame)
    threshold = best_threshold(scores, issame, finite=True)
    curve = LogisticRegression(C=np.inf, fit_intercept=False).fit(scores[:, None] - threshold, issame)
    slope = float(curve.coef_[0, 0])
    if slope <= 0:
        raise ValueError(
            f'Calibration at {size} px: pairs of one person do not score higher than others; are these '
            'the right faces and weights?'
        )
    return Calibration(size, threshold, slope, len(scores))


def calibration_size(*sides: int | None) -> int:
    """The size whose calibration a pair takes: its smaller side in pixels (None: full resolution), at most that of
    the recogniser's face, beyond which nothing is gained."""
    return min(FACE_SIZE, *(side or FACE_SIZE for side in sides))


def at_size(calibrations: Sequence[Calibration], size: int) -> tuple[float, float]:
    """Threshold and slope for a probe of ``size`` pixels: linear in log2(size), constant beyond the known sizes.

    Args:
        calibrations: at least one.
        size: side of the probe in pixels.

    Returns:
        Threshold and slope.
    """
    known = sorted(calibrations)
    octaves = np.log2([each.size for each in known])
    threshold, slope = (
        float(np.interp(np.log2(size), octaves, values))
        for values in ([each.threshold for each in known], [each.slope for each in known])
    )
    return threshold, slope


def probability(similarity: float, threshold: float, slope: float) -> float:
    """Probability, 0 to 1, that a pair of this similarity shows one person; 1/2 at the threshold."""
    from scipy.special import expit

    return float(expit(slope * (similarity - threshold)))

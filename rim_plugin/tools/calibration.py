"""From similarity to verdict: a threshold and a steepness for each size of the probe, and between those sizes."""

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from rim_plugin.evaluation.roc import checked_pairs
from rim_plugin.evaluation.thresholds import best_threshold
from rim_plugin.weights_file import Calibration


def calibrate(size, scores, issame):
    """Calibration for one size of the probe.

    The curve has one parameter, so that it is 1/2 at the threshold and never contradicts the verdict.

    Args:
        size (int): side of the probe in pixels.
        scores (ndarray): (P, ) similarities.
        issame (ndarray): (P, ) bool, about as many of either kind: the probability is for that mixture.

    Returns:
        Calibration

    Raises:
        ValueError: as :func:`~rim_plugin.evaluation.roc.checked_pairs`; or same pairs do not score higher.
    """
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


def at_size(calibrations, size):
    """Threshold and slope for a probe of ``size`` pixels: linear in log2(size), constant beyond the known sizes.

    Args:
        calibrations (Sequence[Calibration]): at least one.
        size (int): side of the probe in pixels.

    Returns:
        tuple[float, float]: threshold and slope.
    """
    known = sorted(calibrations)
    octaves = np.log2([each.size for each in known])
    return tuple(
        float(np.interp(np.log2(size), octaves, [getattr(each, name) for each in known]))
        for name in ('threshold', 'slope')
    )


def probability(similarity, threshold, slope):
    """Probability, 0 to 1, that a pair of this similarity shows one person; 1/2 at the threshold."""
    return float(expit(slope * (similarity - threshold)))

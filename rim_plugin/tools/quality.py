"""Quality: the probability that a picture is an aligned face, by what a landmark path sees in it
(:func:`rim_plugin.tools.api.landmark_network`).

Features are the heights of the landmarks' peaks, how far the estimated landmarks lie from where an aligned face has
them, and the picture's contrast. A logistic regression at packing tells real faces by them from pictures that are none
(:mod:`rim_plugin.tools.no_faces`), as many of the one as of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rim_plugin.calibration_values import Quality
from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.landmarks import five_points
from rim_plugin.tools.priors import Priors

SEEN = 28  # pixels: larger pictures are reduced to it, since landmarks are found best in small ones
PASSING = 0.99  # share of real faces that the least quality lets pass


def features(priors: Priors, face: np.ndarray, image_size: int) -> np.ndarray:
    """What a quality is computed from.

    Args:
        priors: of the picture.
        face: uint8 (q, q, 3), the picture.
        image_size: side in pixels of the hallucinated face, on which the landmarks lie.

    Returns:
        float64 (4, ): mean and lowest decile of the peaks, logarithms of the distance from the template in parts of the
        side and of the standard deviation of brightness.
    """
    assert priors.landmarks is not None and priors.peaks is not None  # whoever calls has looked
    offset = (five_points(priors.landmarks) - alignment_template(image_size)) / image_size
    distance = np.sqrt((offset**2).sum(1).mean())
    peaks = priors.peaks.astype(np.float64)
    return np.array([peaks.mean(), np.quantile(peaks, 0.1), np.log(distance + 1e-3), np.log1p(face.mean(2).std())])


def fit_quality(size: int, faces: np.ndarray, others: np.ndarray) -> Quality:
    """What tells faces of one size from other pictures.

    Args:
        size: side of the pictures in pixels.
        faces, others: features (n, 4) of aligned faces and (m, 4) of pictures that are none.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(np.concatenate([faces, others]))
    labels = np.repeat([True, False], [len(faces), len(others)])
    values = scaler.transform(np.concatenate([faces, others]))
    curve = LogisticRegression(class_weight='balanced').fit(values, labels)
    means, scales, coefficients = (tuple(map(float, each)) for each in (scaler.mean_, scaler.scale_, curve.coef_[0]))
    quality = Quality(size, means, scales, coefficients, float(curve.intercept_[0]), 0.0)
    return quality._replace(least=float(np.quantile(scores(quality, faces), 1 - PASSING)))


def scores(quality: Quality, values: np.ndarray) -> np.ndarray:
    """Quality (n, ), 0 to 1, of pictures with features (n, 4)."""
    from scipy.special import expit

    standard = (values - np.array(quality.means)) / np.array(quality.scales)
    return np.asarray(expit(standard @ np.array(quality.coefficients) + quality.intercept))


def quality_at(qualities: Sequence[Quality], side: int) -> Quality:
    """That of the size, by its logarithm, nearest to ``side`` pixels."""
    return min(qualities, key=lambda each: abs(np.log(each.size / side)))

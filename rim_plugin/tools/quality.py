"""Quality: how far a picture is an aligned face, and how far such a face is recognised, in one number.

Whether it is a face is told by what a landmark path sees in it (:func:`rim_plugin.tools.api.landmark_network`): the
heights of the landmarks' peaks, how far the estimated landmarks lie from where an aligned face has them, and the
picture's contrast; and by the agreement of face and mirror image, the cosine of their embeddings
(:meth:`rim_plugin.tools.api.RIM.embed_with_signs`). A logistic regression at packing tells real faces by these from
pictures that are none (:mod:`rim_plugin.tools.no_faces`), the two kinds weighing the same. Its probability p is the
quality of a picture that is hardly a face: of less than the ``least`` that 99 of 100 faces have.

How well a face is recognised is told by two signs, see :class:`Signs`: the agreement, since what its embedding has by
chance, that of the mirror image does not share; and its noise. From there a linear regression leads to the similarity
with another photo of the person, and the normal distribution about it to the probability r that this is one of which
strangers have a thousandth (:data:`RECOGNISED`). The quality of a face is least + (1 - least) r: better than that of
any picture that is none, and the better, the likelier the face is recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rim_plugin.calibration_values import Quality
from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.landmarks import five_points
from rim_plugin.tools.priors import Priors

RECOGNISED = 1e-3  # false match rate of the similarity from which a face counts as recognised
SEEN = 28  # pixels: larger pictures are reduced to it, since landmarks are found best in small ones
PASSING = 0.99  # share of real faces that the least quality lets pass
SEEN_FEATURES = 4  # of a landmark path
_QUIET = 0.5  # levels of 255: less noise than that of rounding says nothing


class Signs(NamedTuple):
    """How well a recogniser sees faces, see :class:`rim_plugin.pipeline.Recognition`.

    Attributes:
        agreement: (n, ) cosines, -1 to 1, of the embeddings of face and mirror image.
        noise: (n, ) levels of 255, 0 for faces that are not hallucinated.
    """

    agreement: np.ndarray
    noise: np.ndarray

    def columns(self) -> np.ndarray:
        """Features (n, 2) of quality, the last ones: the agreement, and the logarithm of the noise."""
        return np.column_stack([self.agreement, np.log(self.noise + _QUIET)])


def features(priors: Priors, face: np.ndarray, image_size: int) -> np.ndarray:
    """What a landmark path tells of a picture.

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
        faces, others: features (n, 5) of aligned faces and (m, 5) of pictures that are none: those of :func:`features`,
            and the agreement. Without it, (n, 4) and (m, 4), pictures are told as by files of before. Noisy faces are
            not among them: they are like pictures that are none, and would let these pass.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(np.concatenate([faces, others]))
    labels = np.repeat([True, False], [len(faces), len(others)])
    values = scaler.transform(np.concatenate([faces, others]))
    curve = LogisticRegression(class_weight='balanced').fit(values, labels)
    means, scales, coefficients = (tuple(map(float, each)) for each in (scaler.mean_, scaler.scale_, curve.coef_[0]))
    quality = Quality(size, means, scales, coefficients, float(curve.intercept_[0]), 0.0)
    return quality._replace(least=float(np.quantile(face_probability(quality, faces), 1 - PASSING)))


def fit_recognised(signs: np.ndarray, mated: np.ndarray, threshold: float) -> tuple[float, ...]:
    """How well faces of one size are recognised, by the signs of it: ``recognised`` of a quality.

    Args:
        signs: (n, 2), see :meth:`Signs.columns`.
        mated: (n, ) similarities with another photo of the person.
        threshold: similarity from which a face is recognised.
    """
    known = np.column_stack([np.ones(len(signs)), signs])
    coefficients = np.linalg.lstsq(known, mated, rcond=None)[0]
    spread = np.std(mated - known @ coefficients) + 1e-9
    coefficients[0] -= threshold
    return tuple(map(float, coefficients / spread))


def face_probability(quality: Quality, values: np.ndarray) -> np.ndarray:
    """(n, ) probabilities that pictures with features (n, 4 and more) are aligned faces."""
    from scipy.special import expit

    known = values[:, : len(quality.means)]
    standard = (known - np.array(quality.means)) / np.array(quality.scales)
    return np.asarray(expit(standard @ np.array(quality.coefficients) + quality.intercept))


def scores(quality: Quality, values: np.ndarray) -> np.ndarray:
    """Quality (n, ), 0 to 1, of pictures with features (n, 6): those of :func:`features`, and :meth:`Signs.columns`."""
    from scipy.special import ndtr

    faces = face_probability(quality, values)
    if quality.recognised is None:
        return faces
    intercept, *slopes = quality.recognised
    likely = ndtr(intercept + values[:, SEEN_FEATURES : SEEN_FEATURES + len(slopes)] @ np.array(slopes))
    return np.where(faces >= quality.least, quality.least + (1 - quality.least) * likely, faces)


def recognition(quality: Quality, values: np.ndarray | float) -> np.ndarray:
    """Probabilities (n, ) that faces of such qualities (n, ), or (), are recognised; 1 where a file does not tell."""
    if quality.recognised is None:
        return np.ones(np.shape(values))
    return np.clip((values - quality.least) / (1 - quality.least), 0, 1)


def quality_at(qualities: Sequence[Quality], side: int) -> Quality:
    """That of the size, by its logarithm, nearest to ``side`` pixels."""
    return min(qualities, key=lambda each: abs(np.log(each.size / side)))

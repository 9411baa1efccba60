"""Scores of pairs: what they must be, and their ROC curve.

The higher a score, the likelier the pair shows one person. A pair is accepted when its score reaches the threshold, so
that equal scores are accepted or refused together. FAR is the share of accepted pairs of different persons, TAR that of
accepted pairs of the same person.

scikit-learn's curve and area, since torchmetrics computes them in float32.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve


def checked_pairs(scores: ArrayLike, issame: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """``scores`` (P,) as float64 and ``issame`` (P,) as bool arrays.

    Raises:
        ValueError: shapes differ, a score is not finite, or the pairs are all of one kind.
    """
    scores, issame = np.asarray(scores, np.float64), np.asarray(issame, bool)
    if scores.ndim != 1 or scores.shape != issame.shape:
        raise ValueError(
            f'Verification: scores and issame must have one shape (P, ), not {scores.shape} and {issame.shape}'
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f'Verification: the score of pair {np.flatnonzero(~np.isfinite(scores))[0]} is not finite; '
            'an embedding holds NaN or infinity'
        )
    if len(np.unique(issame)) < 2:
        raise ValueError(
            'Verification needs pairs of the same person and pairs of different persons, but all '
            f'{len(issame)} are of one kind; complete the pair list'
        )
    return scores, issame


def roc(scores: ArrayLike, issame: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """FAR and TAR, (K,) each, rising from 0 to 1: one point for each distinct score.

    Raises:
        ValueError: as :func:`checked_pairs`.
    """
    scores, issame = checked_pairs(scores, issame)
    far, tar, _ = roc_curve(issame, scores, drop_intermediate=False)
    return far, tar

"""Face verification from the similarity of pairs: accuracy over folds, ROC, AUC, equal error rate, TAR at a FAR.

The higher a score, the likelier the pair shows one person. A pair is accepted when its score reaches the threshold, so
that equal scores are accepted or refused together. FAR is the share of accepted pairs of different persons, TAR that of
accepted pairs of the same person.
"""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from basicsr.utils.registry import METRIC_REGISTRY


class FoldAccuracy(NamedTuple):
    """Accuracy (F, ) on each fold, the similarity threshold (F, ) that the other folds chose for it, and whether the
    verdict on each pair is right, bool (P, ).

    A threshold is inf where the other folds are best off with accepting no pair.
    """

    accuracy: np.ndarray
    threshold: np.ndarray
    correct: np.ndarray


def checked(scores, issame):
    """``scores`` (P, ) as float64 and ``issame`` (P, ) as bool arrays.

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


def fold_accuracy(scores, issame, folds, thresholds='exact'):
    """Accuracy on each fold with the threshold that is best on all the others.

    Args:
        scores (ndarray): (P, ) similarities.
        issame (ndarray): (P, ) bool.
        folds (ndarray): (P, ) number of each pair's fold; at least two folds.
        thresholds (str): ``exact``: every distinct score of the other folds, and "accept none"; of equally good ones
            the highest, which accepts least. ``insightface``: the squared distances 0, 0.01, ... 3.99 of unit vectors,
            2 - 2 score, accepting below; of equally good ones the smallest (deepinsight/insightface, verification.py).

    Returns:
        FoldAccuracy: of the folds in the order of their numbers.

    Raises:
        ValueError: as :func:`checked`; fewer than two folds; the other folds of one are of one kind only.
    """
    scores, issame = checked(scores, issame)
    if thresholds not in _CHOICES:
        raise ValueError(f"thresholds: '{thresholds}' is unknown; choose one of {', '.join(_CHOICES)}")
    folds = np.asarray(folds)
    if folds.shape != scores.shape or len(np.unique(folds)) < 2:
        raise ValueError(
            f'Verification needs the fold of each of the {len(scores)} pairs and at least two folds, but '
            f'got shape {folds.shape} and {len(np.unique(folds))} folds'
        )
    results, correct = [], np.empty(len(scores), bool)
    for fold in np.unique(folds):
        rest, held_out = folds != fold, folds == fold
        if len(np.unique(issame[rest])) < 2:
            raise ValueError(
                f'Verification: all folds but {fold} hold pairs of one kind only, so that no threshold '
                'can be chosen on them; spread both kinds over the folds of the pair list'
            )
        accepted, threshold = _CHOICES[thresholds](scores[rest], issame[rest], scores[held_out])
        correct[held_out] = accepted == issame[held_out]
        results.append((correct[held_out].mean(), threshold))
    return FoldAccuracy(*np.array(results).T, correct)


def _exact(scores, issame, tested):
    """Which of the ``tested`` are accepted, and the threshold."""
    far, tar, thresholds = roc_curve(issame, scores, drop_intermediate=False)  # thresholds fall, from inf
    correct = np.rint(tar * issame.sum()) - np.rint(far * (~issame).sum())  # whole numbers: ties are ties
    best = thresholds[correct.argmax()]
    return tested >= best, best


def _insightface(scores, issame, tested):
    """Which of the ``tested`` are accepted, and the threshold as a similarity."""
    grid = np.arange(0, 4, 0.01)
    correct = (((2 - 2 * scores)[:, None] < grid) == issame[:, None]).sum(0)
    best = grid[correct.argmax()]
    return 2 - 2 * tested < best, 1 - best / 2


_CHOICES = {'exact': _exact, 'insightface': _insightface}


def roc(scores, issame):
    """FAR and TAR, (K, ) each, rising from 0 to 1: one point for each distinct score (scikit-learn's ``roc_curve``)."""
    scores, issame = checked(scores, issame)
    return roc_curve(issame, scores, drop_intermediate=False)[:2]


@METRIC_REGISTRY.register()
def calculate_verification_accuracy(data, thresholds='exact'):
    """Mean over the folds of the accuracy with the threshold chosen on the other folds; see :func:`fold_accuracy`.

    Args:
        data (dict): ``scores`` (P, ) similarities, ``issame`` (P, ) bool, ``folds`` (P, ) int.
        thresholds (str): ``exact`` or ``insightface``. Default: exact.

    Returns:
        float: 0 to 1.
    """
    return float(fold_accuracy(data['scores'], data['issame'], data['folds'], thresholds).accuracy.mean())


@METRIC_REGISTRY.register()
def calculate_auc(data):
    """Area under the ROC curve over all pairs: how often a same pair scores above a different one, ties counted half.

    Args:
        data (dict): ``scores`` (P, ) similarities, ``issame`` (P, ) bool.

    Returns:
        float: 0 to 1, 0.5 for chance.
    """
    scores, issame = checked(data['scores'], data['issame'])
    return float(roc_auc_score(issame, scores))


@METRIC_REGISTRY.register()
def calculate_eer(data):
    """Equal error rate over all pairs: where the ROC curve, linear between its points, has FAR = 1 - TAR.

    Args:
        data (dict): ``scores`` (P, ) similarities, ``issame`` (P, ) bool.

    Returns:
        float: 0 to 1; lower is better.
    """
    far, tar = roc(data['scores'], data['issame'])
    return float(np.interp(1, far + tar, far))  # far + tar rises at every point


@METRIC_REGISTRY.register()
def calculate_tar_at_far(data, far=1e-3):
    """TAR at a FAR over all pairs, on the ROC curve, linear between its points; on a vertical step its upper end.

    Without ties that is the share of same pairs that score above the (k + 1)-th highest of n different pairs, k being
    ``far * n`` rounded down. (insightface interpolates too, but the threshold, which it applies to the next fold.)

    Args:
        data (dict): ``scores`` (P, ) similarities, ``issame`` (P, ) bool.
        far (float): the false accept rate, 0 to 1; below 1 / n the list cannot tell. Default: 1e-3.

    Returns:
        float: 0 to 1.

    Raises:
        ValueError: as :func:`checked`, or ``far`` is no rate.
    """
    if not 0 <= far <= 1:
        raise ValueError(f'far: {far} is not a rate between 0 and 1')
    rates, tar = roc(data['scores'], data['issame'])
    return float(np.interp(far, rates, tar))


for _metric in (calculate_verification_accuracy, calculate_auc, calculate_eer, calculate_tar_at_far):
    _metric.verification = True  # computed once from all pairs of a FacePairDataset, not image by image
    _metric.better = 'higher'
calculate_eer.better = 'lower'

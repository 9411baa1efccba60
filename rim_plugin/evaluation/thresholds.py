"""The threshold of a verdict: which is best on pairs whose kinds are known, and how good it is on others."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from rim_plugin.errors import check_choice
from rim_plugin.evaluation.roc import checked_pairs


class FoldAccuracy(NamedTuple):
    """Accuracy (F,) on each fold, the similarity threshold (F,) that the other folds chose for it, and whether the
    verdict on each pair is right, bool (P,).

    A threshold is inf where the other folds are best off with accepting no pair.
    """

    accuracy: np.ndarray
    threshold: np.ndarray
    correct: np.ndarray


def best_threshold(scores: ArrayLike, issame: ArrayLike, finite: bool = False) -> float:
    """The score with the most right verdicts when it and all above are accepted; of equally good ones the highest.

    Args:
        scores: (P,) similarities.
        issame: (P,) bool.
        finite: leave out "accept none", at infinity.

    Raises:
        ValueError: as :func:`~rim_plugin.evaluation.roc.checked_pairs`.
    """
    scores, issame = checked_pairs(scores, issame)
    far, tar, thresholds = roc_curve(issame, scores, drop_intermediate=False)  # thresholds fall, from inf
    correct = np.rint(tar * issame.sum()) - np.rint(far * (~issame).sum())  # whole numbers: ties are ties
    first = int(finite)
    return float(thresholds[first:][correct[first:].argmax()])


def _exact(scores: np.ndarray, issame: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, float]:
    best = best_threshold(scores, issame)
    return tested >= best, best


def _insightface(scores: np.ndarray, issame: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, float]:
    grid = np.arange(0, 4, 0.01)
    correct = (((2 - 2 * scores)[:, None] < grid) == issame[:, None]).sum(0)
    best = float(grid[correct.argmax()])
    return 2 - 2 * tested < best, 1 - best / 2


# Of scores (P,) and issame (P,): which of the tested scores are accepted, and the threshold as a similarity.
THRESHOLDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, float]]] = {
    'exact': _exact,
    'insightface': _insightface,
}


def fold_accuracy(scores: ArrayLike, issame: ArrayLike, folds: ArrayLike, thresholds: str = 'exact') -> FoldAccuracy:
    """Accuracy on each fold with the threshold that is best on all the others.

    Args:
        scores: (P,) similarities.
        issame: (P,) bool.
        folds: (P,) number of each pair's fold; at least two folds.
        thresholds: ``exact``: see :func:`best_threshold`. ``insightface``: the squared distances 0, 0.01, ... 3.99 of
            unit vectors, 2 - 2 score, accepting below; of equally good ones the smallest (deepinsight/insightface,
            verification.py).

    Returns:
        Of the folds in the order of their numbers.

    Raises:
        ValueError: as :func:`~rim_plugin.evaluation.roc.checked_pairs`; ``thresholds`` is unknown; fewer than two
            folds; the other folds of one are of one kind only.
    """
    scores, issame = checked_pairs(scores, issame)
    check_choice('thresholds', thresholds, THRESHOLDS)
    folds = np.asarray(folds)
    if folds.shape != scores.shape or len(np.unique(folds)) < 2:
        raise ValueError(
            f'Verification needs the fold of each of the {len(scores)} pairs and at least two folds, but '
            f'got shape {folds.shape} and {len(np.unique(folds))} folds'
        )
    accuracy, chosen, correct = [], [], np.empty(len(scores), bool)
    for fold in np.unique(folds):
        rest, held_out = folds != fold, folds == fold
        if len(np.unique(issame[rest])) < 2:
            raise ValueError(
                f'Verification: all folds but {fold} hold pairs of one kind only, so that no threshold '
                'can be chosen on them; spread both kinds over the folds of the pair list'
            )
        accepted, threshold = THRESHOLDS[thresholds](scores[rest], issame[rest], scores[held_out])
        correct[held_out] = accepted == issame[held_out]
        accuracy.append(correct[held_out].mean())
        chosen.append(threshold)
    return FoldAccuracy(np.array(accuracy), np.array(chosen), correct)

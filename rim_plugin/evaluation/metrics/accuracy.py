"""Accuracy of verification."""

from typing import Any, Literal

import numpy as np

from rim_plugin.errors import check_choice
from rim_plugin.evaluation.metric import ScoreMetric, register_metric
from rim_plugin.evaluation.thresholds import FoldAccuracy, fold_accuracy

_CHOICES = {
    'exact': 'of all their distinct scores, and of equally good ones the highest',
    'insightface': 'of 0, 0.01, ... 3.99 of the squared distance, and of equally good ones the smallest',
}


@register_metric('calculate_verification_accuracy')
class VerificationAccuracy(ScoreMetric):
    """Mean over the folds of the accuracy with the threshold that is best on the other folds, 0 to 1.

    Args:
        thresholds: ``exact`` or ``insightface``, see :func:`~rim_plugin.evaluation.thresholds.fold_accuracy`.
    """

    needs = ('scores', 'issame', 'folds')
    standard = {'accuracy': {}, 'accuracy_insightface': {'thresholds': 'insightface'}}
    order = 10

    def __init__(self, thresholds: Literal['exact', 'insightface'] = 'exact') -> None:
        super().__init__()
        check_choice('thresholds', thresholds, _CHOICES)
        self.thresholds = thresholds
        self.title = 'accuracy' if thresholds == 'exact' else f'accuracy ({thresholds})'
        self.rule = f'mean over the folds, each with the threshold that is best on the others: {_CHOICES[thresholds]}'

    def fold_accuracy(self) -> FoldAccuracy:
        """Accuracy and threshold of each fold."""
        scores, issame, folds = map(self.gathered, self.needs)
        return fold_accuracy(scores, issame, folds, self.thresholds)

    def compute(self) -> float:
        """Mean over the folds.

        Raises:
            ValueError: see :func:`~rim_plugin.evaluation.thresholds.fold_accuracy`.
        """
        return float(self.fold_accuracy().accuracy.mean())

    def figures(self, column: str) -> dict[str, Any]:
        """With exact thresholds also the standard deviation over the folds, and accuracy and threshold of each; the
        latter is None where the fold accepts no pair."""
        if self.thresholds != 'exact':
            return super().figures(column)
        folds = self.fold_accuracy()
        return {
            column: float(folds.accuracy.mean()),
            f'{column}_std': float(folds.accuracy.std()),
            'fold_accuracies': folds.accuracy.tolist(),
            'fold_thresholds': [value if np.isfinite(value) else None for value in folds.threshold.tolist()],
        }

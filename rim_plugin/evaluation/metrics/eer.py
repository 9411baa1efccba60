"""Equal error rate of verification."""

import numpy as np

from rim_plugin.evaluation.metric import ScoreMetric, register_metric
from rim_plugin.evaluation.roc import roc


@register_metric('calculate_eer')
class EER(ScoreMetric):
    """Where the ROC curve, linear between its points, has FAR = 1 - TAR; 0 to 1."""

    higher_is_better = False
    title = 'EER'
    standard = {'eer': {}}
    rule = 'all pairs'
    order = 30

    def compute(self) -> float:
        """Over all pairs.

        Raises:
            ValueError: see :func:`~rim_plugin.evaluation.roc.checked_pairs`.
        """
        far, tar = roc(self.gathered('scores'), self.gathered('issame'))
        return float(np.interp(1, far + tar, far))  # far + tar rises at every point

"""Area under the ROC curve of verification."""

from sklearn.metrics import roc_auc_score

from rim_plugin.evaluation.metric import ScoreMetric, register_metric
from rim_plugin.evaluation.roc import checked_pairs


@register_metric('calculate_auc')
class AUC(ScoreMetric):
    """How often a same pair scores above a different one, ties counted half: 0 to 1, 0.5 for chance."""

    title = 'AUC'
    standard = {'auc': {}}
    rule = 'all pairs'
    order = 20

    def compute(self) -> float:
        """Over all pairs.

        Raises:
            ValueError: see :func:`~rim_plugin.evaluation.roc.checked_pairs`.
        """
        scores, issame = checked_pairs(self.gathered('scores'), self.gathered('issame'))
        return float(roc_auc_score(issame, scores))

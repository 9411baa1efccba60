"""True accept rate at a false accept rate."""

import numpy as np

from rim_plugin.evaluation.metric import ScoreMetric, register_metric
from rim_plugin.evaluation.roc import roc
from rim_plugin.options.kinds import Rate


@register_metric('calculate_tar_at_far')
class TARAtFAR(ScoreMetric):
    """TAR at a FAR over all pairs, on the ROC curve, linear between its points; on a vertical step its upper end.

    Without ties that is the share of same pairs that score above the (k + 1)-th highest of n different pairs, k being
    ``far * n`` rounded down. (insightface interpolates too, but the threshold, which it applies to the next fold.)

    Args:
        far: the false accept rate, 0 to 1; below 1 / n the list cannot tell.
    """

    standard = {'tar_at_far_1e-2': {'far': 1e-2}, 'tar_at_far_1e-3': {'far': 1e-3}}
    rule = 'all pairs, on the ROC curve, linear between its points'
    order = 40

    def __init__(self, far: Rate = 1e-3) -> None:
        super().__init__()
        self.far = far
        digits, exponent = f'{far:e}'.split('e')
        self.title = f'TAR at FAR {float(digits):g}e{int(exponent)}'

    def compute(self) -> float:
        """Over all pairs, 0 to 1.

        Raises:
            ValueError: see :func:`~rim_plugin.evaluation.roc.checked_pairs`.
        """
        far, tar = roc(self.gathered('scores'), self.gathered('issame'))
        return float(np.interp(self.far, far, tar))

    def roc_mark(self, value: float) -> tuple[float, float]:
        """The rate and its TAR."""
        return self.far, value

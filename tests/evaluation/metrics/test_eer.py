"""EER against the crossing of scikit-learn's curve; on hand-made curves: tests/evaluation/test_roc.py."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.eer import EER


@pytest.mark.parametrize('decimals', [None, 1])
def test_eer_is_where_the_curve_crosses_equal_rates(decimals):
    data = random_pairs(3, decimals=decimals)
    far, tar, _ = roc_curve(data['issame'], data['scores'], drop_intermediate=False)
    gap = far - (1 - tar)
    i = np.flatnonzero(gap <= 0)[-1]  # the last point before the crossing, and how far on the way to the next it is
    part = gap[i] / (gap[i] - gap[i + 1])
    assert value(EER(), data) == pytest.approx(far[i] + part * (far[i + 1] - far[i]))

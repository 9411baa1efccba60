"""AUC against counting; on hand-made curves: tests/evaluation/test_roc.py."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.auc import AUC


@pytest.mark.parametrize('decimals', [None, 1])
def test_auc_against_counting_and_scikit_learn(decimals):
    data = random_pairs(3, decimals=decimals)
    scores, issame = data['scores'], data['issame']
    higher = np.sign(scores[issame][:, None] - scores[~issame])
    assert value(AUC(), data) == pytest.approx((higher.mean() + 1) / 2) == pytest.approx(roc_auc_score(issame, scores))

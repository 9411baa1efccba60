"""TAR at a FAR; on hand-made curves: tests/evaluation/test_roc.py."""

import numpy as np
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.auc import AUC
from rim_plugin.evaluation.metrics.tar_at_far import TARAtFAR


def test_tar_without_ties_is_that_of_the_next_different_pair():
    data = random_pairs(4, count=600)
    same, different = data['scores'][data['issame']], np.sort(data['scores'][~data['issame']])[::-1]
    for far, k in ((0.01, 3), (1e-3, 0), (0, 0), (0.1, 30), (0.0999, 29)):
        assert value(TARAtFAR(far), data) == (same > different[k]).mean()
    assert value(TARAtFAR(1), data) == 1


def test_a_rate_is_in_the_title_and_marked_on_the_curve():
    assert TARAtFAR(0.05).roc_mark(0.7) == (0.05, 0.7) and AUC().roc_mark(0.7) is None
    assert [TARAtFAR(far).title for far in (1e-2, 1e-3, 0.05)] == [
        f'TAR at FAR {far}' for far in ('1e-2', '1e-3', '5e-2')
    ]

"""The ROC curve, and the metrics that read it."""

import numpy as np
import pytest
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.auc import AUC
from rim_plugin.evaluation.metrics.eer import EER
from rim_plugin.evaluation.metrics.tar_at_far import TARAtFAR
from rim_plugin.evaluation.roc import roc


@pytest.mark.parametrize(
    'same, different, auc, eer, tars',
    [
        ([0.9, 0.8], [0.2, 0.1], 1, 0, {0: 1, 0.001: 1, 1: 1}),
        ([0.2, 0.1], [0.9, 0.8], 0, 1, {0: 0, 0.001: 0, 0.999: 0, 1: 1}),
        ([0.9, 0.4], [0.6, 0.1], 0.75, 0.5, {0: 0.5, 0.499: 0.5, 0.5: 1, 1: 1}),
        ([0.9, 0.5], [0.5, 0.1], 0.875, 0.25, {0: 0.5, 0.25: 0.75, 0.5: 1}),  # a tie of both kinds: a sloping piece
        ([0.5] * 3, [0.5] * 5, 0.5, 0.5, {0: 0, 0.25: 0.25, 1: 1}),  # nothing but ties
        ([1, 1, 0], [1, 0, 0, 0], (2 * 0.5 + 6 + 3 * 0.5) / 12, 4 / 13, {0.125: 1 / 3, 0.25: 2 / 3, 0.625: 5 / 6}),
    ],
)
def test_hand_made_curves(same, different, auc, eer, tars):
    data = {'scores': same + different, 'issame': [1] * len(same) + [0] * len(different)}
    assert value(AUC(), data) == pytest.approx(auc)
    assert value(EER(), data) == pytest.approx(eer)
    for far, tar in tars.items():
        assert value(TARAtFAR(far), data) == pytest.approx(tar), far


@pytest.mark.parametrize('metric', [AUC, EER, TARAtFAR])
def test_the_curves_check_their_input_too(metric):
    for data, message in (
        ({'scores': [0.4, 0.1], 'issame': [1, 1]}, 'one kind'),
        ({'scores': [0.4, float('nan')], 'issame': [1, 0]}, 'pair 1 is not finite'),
    ):
        with pytest.raises(ValueError, match=message):
            value(metric(), data)


def test_roc_begins_at_0_and_ends_at_1():
    data = random_pairs(0)
    far, tar = roc(data['scores'], data['issame'])
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1) and len(far) == len(set(data['scores'])) + 1
    assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()

"""The ROC curve, and the metrics that read it."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
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


@pytest.mark.parametrize('decimals', [None, 1])
def test_auc_and_eer_against_counting_and_scikit_learn(decimals):
    data = random_pairs(3, decimals=decimals)
    scores, issame = data['scores'], data['issame']
    higher = np.sign(scores[issame][:, None] - scores[~issame])
    assert value(AUC(), data) == pytest.approx((higher.mean() + 1) / 2) == pytest.approx(roc_auc_score(issame, scores))
    far, tar, _ = roc_curve(issame, scores, drop_intermediate=False)
    gap = far - (1 - tar)
    i = np.flatnonzero(gap <= 0)[-1]  # the last point before the crossing, and how far on the way to the next it is
    part = gap[i] / (gap[i] - gap[i + 1])
    assert value(EER(), data) == pytest.approx(far[i] + part * (far[i + 1] - far[i]))


def test_tar_without_ties_is_that_of_the_next_different_pair():
    data = random_pairs(4, count=600)
    same, different = data['scores'][data['issame']], np.sort(data['scores'][~data['issame']])[::-1]
    for far, k in ((0.01, 3), (1e-3, 0), (0, 0), (0.1, 30), (0.0999, 29)):
        assert value(TARAtFAR(far), data) == (same > different[k]).mean()
    assert value(TARAtFAR(1), data) == 1


@pytest.mark.parametrize('metric', [AUC, EER, TARAtFAR])
def test_the_curves_check_their_input_too(metric):
    for data, message in (
        ({'scores': [0.4, 0.1], 'issame': [1, 1]}, 'one kind'),
        ({'scores': [0.4, float('nan')], 'issame': [1, 0]}, 'pair 1 is not finite'),
    ):
        with pytest.raises(ValueError, match=message):
            value(metric(), data)


def test_a_rate_is_in_the_title_and_marked_on_the_curve():
    assert TARAtFAR(0.05).roc_mark(0.7) == (0.05, 0.7) and AUC().roc_mark(0.7) is None
    assert [TARAtFAR(far).title for far in (1e-2, 1e-3, 0.05)] == [
        f'TAR at FAR {far}' for far in ('1e-2', '1e-3', '5e-2')
    ]


def test_roc_begins_at_0_and_ends_at_1():
    data = random_pairs(0)
    far, tar = roc(data['scores'], data['issame'])
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1) and len(far) == len(set(data['scores'])) + 1
    assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()

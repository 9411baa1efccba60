import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve
from sklearn.model_selection import KFold

from rim_plugin.metrics import verification
from rim_plugin.metrics.verification import (
    calculate_auc,
    calculate_eer,
    calculate_tar_at_far,
    calculate_verification_accuracy,
    fold_accuracy,
)

from basicsr.utils.registry import METRIC_REGISTRY


def random_pairs(seed, count=200, folds=10, decimals=None):
    """Scores of ``count`` pairs that overlap; ``decimals``: rounded, so that there are many ties."""
    rng = np.random.default_rng(seed)
    issame = rng.permutation(np.arange(count) % 2 == 0)
    scores = np.clip(rng.normal(np.where(issame, 0.3, 0), 0.25), -1, 1)
    if decimals is not None:
        scores = scores.round(decimals)
    return {'scores': scores, 'issame': issame, 'folds': rng.permutation(np.arange(count) % folds)}


def slow_fold_accuracy(data):
    """The protocol in a loop: of all scores of the other folds, and inf, the best threshold, the highest of them."""
    pairs = [(float(s), bool(same), int(f)) for s, same, f in zip(data['scores'], data['issame'], data['folds'])]
    results = []
    for fold in sorted({f for _, _, f in pairs}):
        others = [(score, same) for score, same, f in pairs if f != fold]
        best, best_correct = None, -1
        for threshold in sorted({score for score, _ in others} | {math.inf}, reverse=True):
            correct = sum((score >= threshold) == same for score, same in others)
            if correct > best_correct:
                best, best_correct = threshold, correct
        own = [(score >= best) == same for score, same, f in pairs if f == fold]
        results.append((sum(own) / len(own), best))
    return results


@pytest.mark.parametrize('decimals', [None, 2, 1, 0])
@pytest.mark.parametrize('folds', [2, 5, 10])
def test_fold_accuracy_equals_a_slow_loop(folds, decimals):
    for seed in range(5):
        data = random_pairs(seed, folds=folds, decimals=decimals)
        found = fold_accuracy(**data)
        expected = slow_fold_accuracy(data)
        accuracies, thresholds = zip(*expected)
        assert found.threshold.tolist() == list(thresholds)
        assert found.accuracy.tolist() == pytest.approx(accuracies, abs=1e-15)
        verdicts = data['scores'] >= np.array(thresholds)[data['folds']]
        assert np.array_equal(found.correct, verdicts == data['issame'])
        assert calculate_verification_accuracy(data) == pytest.approx(np.mean(accuracies), abs=1e-15)


def test_fold_accuracy_equals_scikit_learns_on_its_folds():
    data = random_pairs(0)
    scores, issame = data['scores'], data['issame']
    expected, folds = [], np.empty(len(scores), int)
    for fold, (rest, held_out) in enumerate(KFold(10).split(scores)):
        far, tar, thresholds = roc_curve(issame[rest], scores[rest], drop_intermediate=False)
        accuracies = [accuracy_score(issame[rest], scores[rest] >= threshold) for threshold in thresholds]
        best = thresholds[np.flatnonzero(np.isclose(accuracies, max(accuracies)))[0]]
        expected.append(accuracy_score(issame[held_out], scores[held_out] >= best))
        folds[held_out] = fold
    np.testing.assert_allclose(fold_accuracy(scores, issame, folds).accuracy, expected)


def test_insightface_thresholds_equal_a_slow_loop_over_embeddings():
    rng = np.random.default_rng(0)
    a, noise = rng.normal(size=(2, 120, 8))
    issame = np.arange(120) % 2 == 0
    b = np.where(issame[:, None], a, rng.permutation(a)) + noise
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    folds = np.arange(120) // 12
    distances = ((a - b) ** 2).sum(1)
    expected = []
    for fold in range(10):
        best = max((((distances[folds != fold] < t) == issame[folds != fold]).sum(), -t) for t in np.arange(0, 4, 0.01))
        expected.append(((distances[folds == fold] < -best[1]) == issame[folds == fold]).mean())
    found = fold_accuracy((a * b).sum(1), issame, folds, 'insightface')
    np.testing.assert_array_equal(found.accuracy, expected)
    data = {'scores': (a * b).sum(1), 'issame': issame, 'folds': folds}
    assert calculate_verification_accuracy(data, thresholds='insightface') == pytest.approx(np.mean(expected))


def test_the_threshold_is_chosen_on_the_other_folds():
    # fold 0 alone would choose 0.8, all together 0.3: its own pairs must not speak for it
    data = {
        'scores': [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.4, 0.3, 0.2, 0.1],
        'issame': [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0],
        'folds': [0] * 4 + [1] * 4 + [2] * 4,
    }
    found = fold_accuracy(**data)
    assert found.threshold[0] == 0.3 and found.accuracy[0] == 0.5
    assert found.accuracy[1:].tolist() == [slow for slow, _ in slow_fold_accuracy(data)][1:]


def test_of_equally_good_thresholds_the_highest():
    # 0.8 (one of two same pairs right) and 0.2 (both right, one different pair wrong) are each right three times of 4
    folds = {'scores': [0.8, 0.5, 0.2, 0.1, 0.3, 0.25], 'issame': [1, 0, 1, 0, 1, 0], 'folds': [0, 0, 0, 0, 1, 1]}
    found = fold_accuracy(**folds)
    assert found.threshold[1] == 0.8 and found.accuracy[1] == 0.5


def test_accepting_no_pair_is_a_choice():
    found = fold_accuracy([0.1, 0.2, 0.3, 0.4, 0.9, 0.1], [1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1])
    assert found.threshold[1] == math.inf and found.accuracy[1] == 0.5


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
    assert calculate_auc(data) == pytest.approx(auc)
    assert calculate_eer(data) == pytest.approx(eer)
    for far, tar in tars.items():
        assert calculate_tar_at_far(data, far=far) == pytest.approx(tar), far


@pytest.mark.parametrize('decimals', [None, 1])
def test_auc_and_eer_against_counting_and_scikit_learn(decimals):
    data = random_pairs(3, decimals=decimals)
    scores, issame = data['scores'], data['issame']
    higher = np.sign(scores[issame][:, None] - scores[~issame])
    assert calculate_auc(data) == pytest.approx((higher.mean() + 1) / 2) == pytest.approx(roc_auc_score(issame, scores))
    far, tar, _ = roc_curve(issame, scores, drop_intermediate=False)
    gap = far - (1 - tar)
    i = np.flatnonzero(gap <= 0)[-1]  # the last point before the crossing, and how far on the way to the next it is
    part = gap[i] / (gap[i] - gap[i + 1])
    assert calculate_eer(data) == pytest.approx(far[i] + part * (far[i + 1] - far[i]))


def test_tar_without_ties_is_that_of_the_next_different_pair():
    data = random_pairs(4, count=600)
    same, different = data['scores'][data['issame']], np.sort(data['scores'][~data['issame']])[::-1]
    for far, k in ((0.01, 3), (1e-3, 0), (0, 0), (0.1, 30), (0.0999, 29)):
        assert calculate_tar_at_far(data, far=far) == (same > different[k]).mean()
    assert calculate_tar_at_far(data, far=1) == 1


@pytest.mark.parametrize(
    'change, message',
    [
        ({'scores': [0.1, 0.2]}, 'one shape'),
        ({'scores': [0.1, float('nan'), 0.3, 0.2]}, 'pair 1 is not finite'),
        ({'issame': [1, 1, 1, 1]}, 'all 4 are of one kind; complete the pair list'),
        ({'folds': [0, 0, 0, 0]}, 'two folds'),
        ({'folds': [0, 1]}, 'fold of each'),
        ({'issame': [1, 1, 0, 0]}, 'all folds but 0 hold pairs of one kind'),
        ({'thresholds': 'best'}, "'best' is unknown; choose one of exact, insightface"),
    ],
)
def test_bad_input(change, message):
    data = {'scores': [0.4, 0.1, 0.3, 0.2], 'issame': [1, 0, 1, 0], 'folds': [0, 0, 1, 1], **change}
    with pytest.raises(ValueError, match=message):
        fold_accuracy(**data)


@pytest.mark.parametrize('function', [calculate_auc, calculate_eer, calculate_tar_at_far])
def test_the_curves_check_their_input_too(function):
    with pytest.raises(ValueError, match='one kind'):
        function({'scores': [0.4, 0.1], 'issame': [1, 1]})
    with pytest.raises(ValueError, match='not a rate'):
        calculate_tar_at_far({'scores': [0.4, 0.1], 'issame': [1, 0]}, far=2)


def test_registered_and_marked():
    for name, better in (
        ('calculate_verification_accuracy', 'higher'),
        ('calculate_auc', 'higher'),
        ('calculate_eer', 'lower'),
        ('calculate_tar_at_far', 'higher'),
    ):
        function = METRIC_REGISTRY.get(name)
        assert function is getattr(verification, name) and function.verification and function.better == better
        assert not hasattr(function, 'batched')

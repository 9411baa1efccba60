"""The best threshold, and the accuracy over output."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_curve
from sklearn.model_selection import KFold
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.accuracy import VerificationAccuracy
from rim_plugin.evaluation.thresholds import best_threshold, fold_accuracy


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
        data = random_pairs(seed, 120, folds, decimals)
        output = fold_accuracy(**data)
        expected = slow_fold_accuracy(data)
        accuracies, thresholds = zip(*expected)
        assert output.threshold.tolist() == list(thresholds)
        assert output.accuracy.tolist() == pytest.approx(accuracies, abs=1e-15)
        verdicts = data['scores'] >= np.array(thresholds)[data['folds']]
        assert np.array_equal(output.correct, verdicts == data['issame'])
        assert value(VerificationAccuracy(), data) == pytest.approx(np.mean(accuracies), abs=1e-15)


def test_fold_accuracy_equals_scikit_learns_on_its_folds():
    data = random_pairs(0)
    scores, issame = data['scores'], data['issame']
    expected, folds = [], np.empty(len(scores), int)
    for fold, (rest, held_out) in enumerate(KFold(10).split(scores)):
        far, tar, thresholds = roc_curve(issame[rest], scores[rest], drop_intermediate=False)
        accuracies = [np.mean(issame[rest] == (scores[rest] >= threshold)) for threshold in thresholds]
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
    output = fold_accuracy((a * b).sum(1), issame, folds, 'insightface')
    np.testing.assert_array_equal(output.accuracy, expected)
    data = {'scores': (a * b).sum(1), 'issame': issame, 'folds': folds}
    assert value(VerificationAccuracy('insightface'), data) == pytest.approx(np.mean(expected))


def test_insightface_thresholds_are_hundredths_and_of_equally_good_ones_the_smallest():
    # squared distances of either fold; same below, different from the threshold on
    same, different = np.array([0.2, 0.305]), np.array([0.315, 0.9])
    data = {'scores': 1 - np.tile(np.concatenate([same, different]), 2) / 2, 'issame': [1, 1, 0, 0] * 2}
    output = fold_accuracy(**data, folds=[0] * 4 + [1] * 4, thresholds='insightface')
    assert output.threshold == pytest.approx(1 - 0.31 / 2) and output.accuracy.tolist() == [1, 1]
    data['scores'][[2, 6]] = 1 - 0.7 / 2  # 0.31 to 0.7 are all equally good then
    output = fold_accuracy(**data, folds=[0] * 4 + [1] * 4, thresholds='insightface')
    assert output.threshold == pytest.approx(1 - 0.31 / 2)


def test_the_threshold_is_chosen_on_the_other_folds():
    # fold 0 alone would choose 0.8, all together 0.3: its own pairs must not speak for it
    data = {
        'scores': [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.4, 0.3, 0.2, 0.1],
        'issame': [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0],
        'folds': [0] * 4 + [1] * 4 + [2] * 4,
    }
    output = fold_accuracy(**data)
    assert output.threshold[0] == 0.3 and output.accuracy[0] == 0.5
    assert output.accuracy[1:].tolist() == [slow for slow, _ in slow_fold_accuracy(data)][1:]


def test_of_equally_good_thresholds_the_highest():
    # 0.8 (one of two same pairs right) and 0.2 (both right, one different pair wrong) are each right three times of 4
    folds = {'scores': [0.8, 0.5, 0.2, 0.1, 0.3, 0.25], 'issame': [1, 0, 1, 0, 1, 0], 'folds': [0, 0, 0, 0, 1, 1]}
    output = fold_accuracy(**folds)
    assert output.threshold[1] == 0.8 and output.accuracy[1] == 0.5


def test_accepting_no_pair_is_a_choice():
    output = fold_accuracy([0.1, 0.2, 0.3, 0.4, 0.9, 0.1], [1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1])
    assert output.threshold[1] == math.inf and output.accuracy[1] == 0.5


@pytest.mark.parametrize(
    'change, message',
    [
        ({'scores': [0.1, 0.2]}, 'one shape'),
        ({'scores': [0.1, float('nan'), 0.3, 0.2]}, 'pair 1 is not finite'),
        ({'issame': [1, 1, 1, 1]}, 'all 4 are of one kind; complete the pair list'),
        ({'folds': [0, 0, 0, 0]}, 'two folds'),
        ({'folds': [0, 1]}, 'fold of each'),
        ({'issame': [1, 1, 0, 0]}, 'all folds but 0 hold pairs of one kind'),
        ({'thresholds': 'best'}, "'best' is unknown; known: exact, insightface"),
    ],
)
def test_bad_input(change, message):
    data = {'scores': [0.4, 0.1, 0.3, 0.2], 'issame': [1, 0, 1, 0], 'folds': [0, 0, 1, 1], **change}
    with pytest.raises(ValueError, match=message):
        fold_accuracy(**data)


@pytest.mark.parametrize('decimals', [None, 1])
def test_the_best_threshold_of_all_pairs_equals_a_slow_loop(decimals):
    for seed in range(5):
        data = random_pairs(seed, decimals=decimals)
        scores, issame = data['scores'], data['issame']
        right = {threshold: ((scores >= threshold) == issame).sum() for threshold in scores}
        expected = max(threshold for threshold, count in right.items() if count == max(right.values()))
        assert best_threshold(scores, issame) == best_threshold(scores, issame, finite=True) == expected


def test_accepting_no_pair_has_no_finite_threshold():
    scores, issame = [0.9, 0.8, 0.7, 0.1], [0, 0, 0, 1]
    assert best_threshold(scores, issame) == math.inf
    assert (
        best_threshold(scores, issame, finite=True) == 0.9
    )  # one wrong more; all lower ones accept more different pairs

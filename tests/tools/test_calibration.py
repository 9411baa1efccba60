"""Thresholds by best accuracy, probabilities that fit the pairs, interpolation between sizes."""

import numpy as np
import pytest

from rim_plugin.tools.calibration import at_size, calibrate, calibration_size, probability
from rim_plugin.weights_file import Calibration


@pytest.fixture(scope='module')
def pairs():
    rng = np.random.default_rng(0)
    issame = rng.random(4000) < 0.5
    return rng.normal(np.where(issame, 0.6, 0.2), 0.15), issame


def test_threshold_has_the_best_accuracy(pairs):
    scores, issame = pairs
    output = calibrate(28, scores, issame)
    accuracy = [((scores >= threshold) == issame).mean() for threshold in scores]
    assert ((scores >= output.threshold) == issame).mean() == max(accuracy)
    assert output.size == 28 and output.pairs == 4000 and abs(output.threshold - 0.4) < 0.05


def test_probabilities_are_those_of_the_pairs(pairs):
    scores, issame = pairs
    output = calibrate(28, scores, issame)
    assert output.slope == pytest.approx(0.4 / 0.15**2, rel=0.1)  # of two normal distributions of one width
    likely = np.array([probability(score, output.threshold, output.slope) for score in scores])
    for low in (0.1, 0.3, 0.5, 0.7):
        among = (likely >= low) & (likely < low + 0.2)
        assert issame[among].mean() == pytest.approx(likely[among].mean(), abs=0.08)
    assert probability(output.threshold, output.threshold, output.slope) == 0.5


def test_between_sizes_it_is_linear_in_octaves_and_constant_beyond():
    known = [Calibration(28, 0.4, 20.0, 1), Calibration(7, 0.2, 10.0, 1)]
    assert at_size(known, 14) == pytest.approx((0.3, 15))
    assert at_size(known, 4) == (0.2, 10) and at_size(known, 112) == (0.4, 20)


def test_useless_scores_are_refused(pairs):
    with pytest.raises(ValueError, match='do not score higher'):
        calibrate(28, -pairs[0], pairs[1])
    with pytest.raises(ValueError, match='one kind'):
        calibrate(28, pairs[0], np.ones(4000, bool))


@pytest.mark.parametrize('sides, size', [((14,), 14), ((None,), 112), ((224,), 112), ((56, 28), 28), ((300, 200), 112)])
def test_a_pair_takes_the_calibration_of_its_smaller_side(sides, size):
    assert calibration_size(*sides) == size

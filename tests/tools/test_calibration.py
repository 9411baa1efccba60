"""Thresholds and probabilities that fit pairs, false match rates, and what lies between calibrated sizes or outside."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from rim_plugin.calibration_values import Calibration, Tail
from rim_plugin.evaluation.reliability import reliability
from rim_plugin.tools.calibration import (
    Uncalibrated,
    at_sizes,
    calibrate,
    curve_at,
    fit_tail,
    log_odds,
    pair_sizes,
    probability,
    search_threshold,
    tail_score,
)


def drawn(count, seed):
    """Similarities of pairs whose two kinds spread differently."""
    rng = np.random.default_rng(seed)
    issame = rng.random(count) < 0.5
    return rng.normal(np.where(issame, 0.55, 0.1), np.where(issame, 0.2, 0.12)), issame


@pytest.fixture(scope='module')
def pairs():
    return drawn(8000, 0)


def test_confidence_is_the_share_of_right_verdicts_on_other_pairs(pairs):
    output = calibrate((14, 28), *pairs)
    assert (output.size, output.other, output.pairs) == (14, 28, 8000)
    scores, issame = drawn(20_000, 1)
    curve = output.threshold, output.slope, output.lower_slope
    likely = 1 / (1 + np.exp(-log_odds(scores, *curve)))
    same = scores >= output.threshold
    confidence = np.where(same, likely, 1 - likely)
    assert reliability(confidence, same == issame, np.ones(len(scores))).error < 0.02
    one_slope = 1 / (1 + np.exp(-np.abs(output.slope * 3 * (scores - output.threshold))))
    assert reliability(one_slope, same == issame, np.ones(len(scores))).error > 0.02  # a curve too steep is found out


def test_the_threshold_is_where_both_kinds_are_equally_likely(pairs):
    output = calibrate((28, 28), *pairs)
    crossing = brentq(lambda score: norm(0.55, 0.2).pdf(score) - norm(0.1, 0.12).pdf(score), 0.1, 0.55)
    assert output.threshold == pytest.approx(crossing, abs=0.02)
    assert probability(output.threshold, output.threshold, output.slope, output.lower_slope) == 0.5


def of_two_qualities(count, seed):
    """Similarities of pairs, half of them of poor faces, which are less alike; and the probability of recognition."""
    rng = np.random.default_rng(seed)
    issame, recognised = rng.random(count) < 0.5, np.where(rng.random(count) < 0.5, 1.0, 0.2)
    return rng.normal(np.where(issame, 0.1 + 0.45 * recognised, 0.1), 0.12), issame, recognised


def test_poor_faces_have_a_confidence_of_their_own():
    scores, issame, recognised = of_two_qualities(20_000, 0)
    output = calibrate((14, 112), scores, issame, recognised=recognised)
    blind = calibrate((14, 112), scores, issame)
    assert (blind.threshold_rise, blind.slope_rise) == (0, 0) and 0.02 < output.threshold_rise < output.slope_rise
    least, largest = norm.ppf(0.2), norm.ppf(0.999)
    assert output.recognised == pytest.approx((least, (least + largest) / 2, largest), abs=0.02)
    assert curve_at(output, 0.0) == curve_at(output, 0.2), 'beyond what was calibrated the nearest counts'
    assert curve_at(output, np.array([0.2, 1.0]))[0].shape == (2,)
    scores, issame, recognised = of_two_qualities(40_000, 1)
    for likely, middle in ((1.0, 0.325), (0.2, 0.145)):
        chosen = recognised == likely
        assert at_sizes([output], (14, 112), likely)[0] == pytest.approx(middle, abs=0.02)  # between both kinds
        errors = []
        for each in (output, blind):
            odds = log_odds(scores[chosen], *at_sizes([each], (14, 112), recognised[chosen]))
            confidence = 1 / (1 + np.exp(-np.abs(odds)))
            errors.append(reliability(confidence, (odds >= 0) == issame[chosen], np.ones(chosen.sum())).error)
        assert errors[0] < 0.02 and errors[1] > 2 * errors[0]


def test_numbers_of_either_kind_do_not_matter(pairs):
    scores, issame = pairs
    few = issame & (np.arange(len(scores)) % 10 > 0)
    output = calibrate((28, 28), scores[~few], issame[~few])
    assert output.threshold == pytest.approx(calibrate((28, 28), scores, issame).threshold, abs=0.02)


def test_rare_false_matches_are_told_by_the_tail():
    tail = fit_tail(np.random.default_rng(0).normal(0, 0.1, 300_000))
    for rate, tolerance in ((0.3, 0.01), (1e-2, 0.005), (1e-3, 0.005), (1e-5, 0.02)):
        assert tail_score(tail, rate) == pytest.approx(norm(0, 0.1).isf(rate), abs=tolerance)
    assert tail.shape <= 0


def test_the_threshold_of_a_search_holds_the_rate_and_rises_with_the_gallery():
    rng, tail = np.random.default_rng(1), fit_tail(np.random.default_rng(0).normal(0, 0.1, 300_000))
    cell = [Calibration(28, 0.4, 20.0, 1, 28, None, tail)]
    before = -1.0
    for photos in (1, 20, 300, 2000):
        threshold = search_threshold(cell, (28, 28), photos, 0.1)
        assert threshold > before
        best = rng.normal(0, 0.1, (1000, photos)).max(1)
        assert 0.05 < (best >= threshold).mean() < 0.2
        before = threshold
    assert search_threshold(cell, (28, 28), 300, 0.01) > search_threshold(cell, (28, 28), 300, 0.1)


def grid(**changes):
    values = {(7, 7): 0.1, (7, 28): 0.2, (28, 28): 0.4}
    return [Calibration(small, value, 10 * value, 1, large, **changes) for (small, large), value in values.items()]


def test_between_sizes_it_is_linear_in_octaves():
    assert at_sizes(grid(), (14, 28)) == pytest.approx((0.3, 3, 3))
    assert at_sizes(grid(), (28, 14)) == at_sizes(grid(), (14, 28))
    assert at_sizes(grid(), (14, 14))[0] == pytest.approx((0.1 + 0.2 + 0.2 + 0.4) / 4)


@pytest.mark.parametrize('sizes, told', [((6, 28), '7 to 28 pixels'), ((28, 40), '40 pixels'), ((28, None), '112')])
def test_outside_the_calibrated_sizes_there_is_nothing(sizes, told):
    with pytest.raises(Uncalibrated, match=told):
        at_sizes(grid(), sizes)
    with pytest.raises(Uncalibrated, match='nothing was'):
        at_sizes([], (28, 28))


def test_what_is_smaller_than_the_calibrated_sizes_is_told_the_remedy():
    with pytest.raises(Uncalibrated, match='7 to 28 pixels were calibrated, not of 6 pixels: take a larger picture'):
        at_sizes(grid(), (28, 6))
    with pytest.raises(Uncalibrated, match='not of 40 pixels$'):
        at_sizes(grid(), (28, 40))


def test_a_file_of_small_with_full_faces_says_nothing_of_two_small_ones():
    known = [Calibration(28, 0.4, 20.0, 1), Calibration(7, 0.2, 10.0, 1), Calibration(112, 0.5, 20.0, 1)]
    assert at_sizes(known, (14, 300)) == pytest.approx((0.3, 15, 15)) and at_sizes(known, (7, None)) == (0.2, 10, 10)
    with pytest.raises(Uncalibrated, match='no pairs of faces of 7 and 7 pixels'):
        at_sizes(known, (7, 7))
    with pytest.raises(Uncalibrated, match='no false match rates'):
        search_threshold(known, (14, 112), 20, 0.01)


def test_sizes_of_a_list_of_pairs():
    protocol = {'query_size': 14, 'gallery_size': 224, 'probe_side': 'second'}
    assert pair_sizes(protocol) == (14, 112) and pair_sizes({**protocol, 'probe_side': 'both'}) == (14, 14)
    assert pair_sizes({**protocol, 'query_size': None}) == (112, 112)


def test_useless_scores_are_refused(pairs):
    with pytest.raises(ValueError, match='do not score higher'):
        calibrate((28, 28), -pairs[0], pairs[1])
    with pytest.raises(ValueError, match='one kind'):
        calibrate((28, 28), pairs[0], np.ones(8000, bool))


def test_a_tail_without_rare_scores_is_taken_as_it_is():
    assert tail_score(Tail((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 0.1, 0.0), 0.001) == pytest.approx(0.5 + 0.1 * np.log(10))

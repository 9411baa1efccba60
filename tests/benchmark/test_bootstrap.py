"""Intervals that cover as often as they say, p-values of paired differences, Holm's correction, figures of pairs."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp
from sklearn.metrics import roc_auc_score

from rim_plugin.benchmark.bootstrap import (
    holm,
    mean_interval,
    measurable,
    pair_intervals,
    paired_p,
    ranking,
    share_p,
    spread_interval,
)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 3 <= high for _, low, high in (mean_interval(rng.normal(3, 2, 100)) for _ in range(100))]
    assert 88 <= sum(covered) <= 99
    mean, low, high = mean_interval(rng.normal(3, 2, 400))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15) and low < mean < high
    assert mean_interval([2.0]) == mean_interval([2.0, 2.0]) == (2, 2, 2)
    assert mean_interval([1.0, np.inf])[0] == np.inf


@pytest.mark.parametrize('shift', [0.0, 0.1, 0.2, -0.25])
def test_p_value_is_near_that_of_student(shift):
    differences = np.random.default_rng(1).normal(shift, 1, 200)
    assert paired_p(differences) == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.03)
    assert paired_p(-differences) == pytest.approx(paired_p(differences), abs=0.03)


def test_p_value_of_what_resampling_cannot_tell():
    assert paired_p([0.0, 0.0]) == paired_p([1.0, np.inf]) == 1
    assert paired_p([0.5] * 20) == 1  # one value: its single mean says little
    assert paired_p(np.random.default_rng(0).normal(5, 1, 50)) == pytest.approx(2 / 2001)


def test_holm_by_hand_and_never_below_the_false_discovery_rate():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3 x .01, 2 x .03, at least the one before
    assert holm([0.5, 0.9]) == [1, 1] and holm([]) == []
    p_values = np.random.default_rng(0).uniform(size=9) ** 3
    assert (np.array(holm(p_values)) >= false_discovery_control(p_values) - 1e-12).all()


def test_ranking_of_three():
    rng = np.random.default_rng(0)
    samples = {'a': rng.normal(0, 1, 100), 'c': rng.normal(2, 1, 100)}
    samples['b'] = samples['c'] - rng.normal(0.01, 1, 100)
    values = {name: float(each.mean()) for name, each in samples.items()}
    found = ranking(values, samples, True)
    assert {found.best, found.second} == {'b', 'c'} and not found.significant and found.p['a'] < 0.05
    assert ranking(values, samples, False).best == 'a' and ranking(values, samples, False).significant
    assert ranking({'a': 1.0}, samples, True) is None
    assert ranking({'a': 1.0, 'x': 2.0}, samples, True) == ('x', 'a', {})  # nothing to compare x by


def test_a_rate_that_the_list_is_too_short_for():
    assert measurable(0.01, 300) and not measurable(0.01, 299) and not measurable(0.001, 180)


def test_bounds_of_pairs_hold_the_figures_and_shrink_with_the_list():
    rng = np.random.default_rng(0)
    widths = []
    for count in (200, 3200):
        issame = np.arange(count) % 2 == 0
        scores = rng.normal(size=count) + 1.5 * issame
        bounds = pair_intervals(scores, issame, {'tar': 0.1})
        auc = roc_auc_score(issame, scores)
        threshold = np.sort(scores[~issame])[::-1][int(0.1 * (~issame).sum())]
        for column, value in (('auc', auc), ('tar', (scores[issame] > threshold).mean())):
            assert bounds[column][0] < value < bounds[column][1], column
        widths.append(bounds['auc'][1] - bounds['auc'][0])
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)
    same = np.array([1.0, 1.0, 0.0, 0.0]), np.array([True, True, False, False])
    assert pair_intervals(*same, {})['auc'][1] == 1


def test_interval_of_a_set_covers_as_often_as_it_says():
    """Of the variance of 40 numbers, which resampling leans on: its resampled values are 1/40 too small on average."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        numbers = rng.normal(0, 1, 40)
        resampled = np.var(rng.choice(numbers, (200, 40)), axis=1)
        value, low, high = spread_interval(np.var(numbers), resampled)
        covered.append(low <= 39 / 40 <= high)
        assert value == np.var(numbers) and high - value == pytest.approx(value - low)
    assert 0.86 <= np.mean(covered) <= 0.98
    assert spread_interval(1.0, [np.nan, 1.0]) == (1.0, None, None)


def test_p_value_of_resampled_differences_is_that_of_paired_means():
    differences = np.random.default_rng(1).normal(0.15, 1, 200)
    draws = np.random.default_rng(2).integers(200, size=(2000, 200))
    assert share_p(differences[draws].mean(1)) == pytest.approx(paired_p(differences), abs=0.02)
    assert share_p([0.0, 0.0]) == share_p([1.0, np.nan]) == 1

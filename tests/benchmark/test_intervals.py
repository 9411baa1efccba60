"""Bootstrap intervals cover the mean as often as they say."""

import numpy as np
import pytest

from rim_plugin.benchmark.intervals import mean_interval


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 3 <= high for _, low, high in (mean_interval(rng.normal(3, 2, 100)) for _ in range(100))]
    assert 88 <= sum(covered) <= 99
    mean, low, high = mean_interval(rng.normal(3, 2, 400))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15) and low < mean < high
    assert mean_interval([2.0]) == mean_interval([2.0, 2.0]) == (2, 2, 2)
    assert mean_interval([1.0, np.inf])[0] == np.inf

"""scripts/benchmark_rejection.py: errors that are left where probes of least quality are refused."""

import numpy as np
import pytest
from support.scripts import load_script


@pytest.fixture(scope='module')
def script():
    return load_script('benchmark_rejection')


@pytest.fixture
def probes(script):
    """A hundred persons, the first twenty of whom are not found; quality tells fifteen of these."""
    similarity = np.random.default_rng(0).normal(0, 0.1, (100, 100))
    similarity[np.arange(100), np.arange(100)] = np.where(np.arange(100) < 20, -0.5, 0.9)
    quality = np.where(np.arange(100) < 15, 0.1, 0.5) + np.linspace(0, 0.3, 100)
    return script.Probes(similarity, quality)


def test_what_is_missed_is_counted_among_those_left(script, probes):
    missed = probes.missed(0.01)
    assert missed.sum() == 20 and missed[:20].all()
    assert [probes.kept(percent).sum() for percent in (0, 10, 30)] == [100, 90, 70]
    assert missed[probes.kept(10)].mean() == pytest.approx(10 / 90) and not missed[probes.kept(30)].any()


def test_the_table_tells_errors_and_the_interval_of_their_change(script, probes):
    row, _ = script.rows({14: probes})
    assert row[:4] == ('14', '0.01', '0.200', row[3]) and row[3].startswith('0.111 [')
    low, high = (float(bound) for bound in row[3].split('[')[1].rstrip(']').split(','))
    assert low < 10 / 90 - 0.2 < high < 0
    curve = script.curves({14: probes}, 0.01)['14 px, FNMR 0.200']
    assert curve[0] == 1 and curve[10] == pytest.approx(10 / 90 / 0.2) and curve[30] == 0

"""What sections show where a figure is missing; whole sections: test_report.py."""

import pytest

from rim_plugin.benchmark.results import Interval
from rim_plugin.benchmark.sections import interval_cell


@pytest.mark.parametrize(
    'interval, sign, words',
    [
        (Interval(1.0, 0.5, 1.25), '', '1.00 [0.50, 1.25]'),
        (Interval(1.0, -0.5, 1.25), '+', '+1.00 [-0.50, +1.25]'),
        (Interval(0.5, None, None), '', '0.50'),
        (None, '', '-'),
    ],
)
def test_interval_cell(interval, sign, words):
    assert interval_cell(interval, 2, sign) == words

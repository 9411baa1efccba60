"""Tables in Markdown and their cells."""

import pytest

from rim_plugin.benchmark.intervals import Interval
from rim_plugin.benchmark.tables import Table, interval_cell


def test_short_rows_are_filled_and_pipes_cannot_break_a_row():
    table = Table('not shown', ['method', 'PSNR'], [['a|b', 28.5724], ['failed']])
    assert table.markdown().splitlines() == ['| method | PSNR |', '| --- | --- |', '| a/b | 28.572 |', '| failed |  |']


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

"""Kinds of numbers: where each begins and ends."""

import msgspec
import pytest

from rim_plugin.options.kinds import Count, NotNegative, Positive, Rate, Size, about


@pytest.mark.parametrize(
    'kind, inside, outside',
    [
        (Count, [1, 7], [0, -1, 1.5]),
        (Size, [0, 7], [-1, 0.5]),
        (NotNegative, [0, 0.5], [-1e-9]),
        (Positive, [1e-9, 3], [0, -1]),
        (Rate, [0, 1, 0.5], [-1e-9, 1.01]),
    ],
)
def test_bounds(kind, inside, outside):
    for value in inside:
        assert msgspec.convert(value, kind) == value
    for value in outside:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


def test_a_meaning_bounds_nothing():
    assert about('x').description == 'x' and about('x').ge is about('x').gt is None

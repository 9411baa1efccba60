"""Reliability by hand."""

import numpy as np
import pytest

from rim_plugin.evaluation.reliability import reliability


def test_parts_of_equal_confidence_are_compared_with_what_is_right():
    confidence = np.array([0.52, 0.54, 0.97, 0.99, 1.0])
    output = reliability(confidence, np.array([True, False, True, True, False]), np.array([1, 1, 1, 1, 2]))
    assert output.confidence == pytest.approx([0.53, (0.97 + 0.99 + 2) / 4]) and output.right.tolist() == [0.5, 0.5]
    assert output.weight == pytest.approx([2 / 6, 4 / 6])
    assert output.error == pytest.approx(2 / 6 * 0.03 + 4 / 6 * 0.49)


def test_the_least_confidence_counts():
    assert reliability(np.array([0.5]), np.array([True]), np.ones(1)).error == pytest.approx(0.5)

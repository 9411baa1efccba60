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
    assert output.deviation == pytest.approx([np.sqrt(0.5) / 2, np.sqrt(0.5 + 1) / 4])


def test_the_least_confidence_counts():
    assert reliability(np.array([0.5]), np.array([True]), np.ones(1)).error == pytest.approx(0.5)


def test_a_right_confidence_errs_by_chance_as_is_told():
    """Verdicts of which 250 weigh as much as 20,000, as pairs of one person and of two do."""
    rng, errors, chances = np.random.default_rng(0), [], []
    for _ in range(40):
        issame = np.repeat([True, False], [250, 20_000])
        odds = rng.normal(np.where(issame, 1, 0), 1) - 0.5  # logarithm, of the two normal distributions
        confidence = 1 / (1 + np.exp(-np.abs(odds)))
        output = reliability(confidence, (odds >= 0) == issame, np.where(issame, 1 / 250, 1 / 20_000))
        errors.append(output.error)
        chances.append(output.chance)
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.1) and np.mean(errors) > 0.025

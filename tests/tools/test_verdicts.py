"""Verdicts by similarity, sizes and qualities."""

import json

import pytest

from rim_plugin.calibration_values import Calibration, Quality
from rim_plugin.tools.calibration import probability
from rim_plugin.tools.verdicts import Verdicts
from rim_plugin.weights_file import Weights


@pytest.fixture
def verdicts():
    """Of weights whose thresholds and confidence follow the quality: of recognition of standard score -1 to 1."""
    curve = Calibration(7, 0.2, 10.0, 100, 112, 8.0, recognised=(-1.0, 0.0, 1.0), threshold_rise=0.1, slope_rise=0.5)
    qualities = (Quality(7, (0.0,), (1.0,), (1.0,), 0.0, 0.2, recognised=(0.0, 1.0, 0.0)),)
    return Verdicts(Weights({}, {}, (curve,), qualities=qualities), 'weights')


def test_a_verdict_that_follows_quality_is_of_plain_numbers_as_json_wants_them(verdicts):
    verdict = verdicts.judge(0.25, (7, 112), (0.6, 1.0))
    assert verdict.same is True and type(verdict.threshold) is type(verdict.confidence) is float
    assert json.loads(json.dumps(verdict._asdict()))['same'] is True
    assert verdict.threshold == pytest.approx(0.2), 'one of two is recognised, a standard score of 0'
    refused = verdicts.judge(0.25, (7, 112), (0.6, 1.0), min_quality=0.9)
    assert refused.same is None and type(refused.threshold) is float


def test_of_a_quality_that_is_not_known_no_better_verdict_is_made_than_of_a_middling_one(verdicts):
    middling = verdicts.judge(0.4, (7, 112), (0.6, 1.0))
    best = verdicts.judge(0.4, (7, 112), (1.0, 1.0))
    assert best.threshold == pytest.approx(0.3)
    for unknown in ((None, None), (1.0, None), (None, 1.0)):
        verdict = verdicts.judge(0.4, (7, 112), unknown)
        assert (verdict.threshold, verdict.confidence) == pytest.approx(middling[1:4:2])
        assert verdict.confidence == pytest.approx(probability(0.4, 0.2, 10.0, 8.0))

"""Accuracy over folds as a metric; how thresholds are chosen: tests/evaluation/test_thresholds.py."""

import pytest
from support.pairs import random_pairs, value

from rim_plugin.evaluation.metrics.accuracy import VerificationAccuracy
from rim_plugin.evaluation.thresholds import fold_accuracy


def test_unknown_choices_are_named_when_the_metric_is_made():
    with pytest.raises(ValueError, match="'best' is unknown; known: exact, insightface"):
        VerificationAccuracy('best')


def test_figures_of_accuracy():
    data = random_pairs(2)
    for thresholds in ('exact', 'insightface'):
        metric, output = VerificationAccuracy(thresholds), fold_accuracy(**data, thresholds=thresholds)
        assert value(metric, data) == pytest.approx(output.accuracy.mean(), abs=1e-15)
        figures = metric.figures('accuracy')
        if thresholds == 'exact':
            assert figures.pop('fold_thresholds') == output.threshold.tolist()
            assert figures.pop('fold_accuracies') == output.accuracy.tolist()
            assert figures.pop('accuracy_std') == output.accuracy.std()
        assert figures == {'accuracy': output.accuracy.mean()}


def test_a_fold_that_accepts_no_pair_has_no_threshold_in_json():
    metric = VerificationAccuracy()
    metric.update({'scores': [0.1, 0.2, 0.3, 0.4, 0.9, 0.1], 'issame': [1, 0, 0, 0, 1, 0], 'folds': [0, 0, 0, 0, 1, 1]})
    assert metric.figures('accuracy')['fold_thresholds'] == [0.9, None]

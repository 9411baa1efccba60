"""The model card: what was measured, by every metric that there is."""

import pytest
import torch
from support.facts import FACTS

from rim_plugin.calibration_values import Calibration
from rim_plugin.evaluation import metric
from rim_plugin.evaluation.metric import PairMetric, register_metric
from rim_plugin.tools.card import model_card
from rim_plugin.weights_file import Weights

PROTOCOL = {
    'pair_list': 'pairs.txt',
    'probe_side': 'second',
    'pairs': 6,
    'gallery_size': 224,
    'embedding': 'face alone',
}
RESULTS = {
    'full': {'protocol': {**PROTOCOL, 'query_size': None}, 'figures': {'auc': 1.0, 'eer': 0.0, 'rank_1': 0.5}},
    'small': {'protocol': {**PROTOCOL, 'query_size': 8}, 'figures': {'auc': 0.75, 'eer': 0.25}},
}
CALIBRATIONS = (Calibration(8, 0.2, 10.0, 6), Calibration(112, 0.5, 40.0, 6))


def weights(**facts):
    networks, tensors = {'fhn': {'type': 'FHN'}}, {'fhn.a': torch.zeros(20_000)}
    return Weights(networks, tensors, CALIBRATIONS, {**FACTS, **facts}, 'f' * 64)


def rows(card):
    """The table of what was measured: a list of cells for each of its rows."""
    lines = card[card.index('## Measured') :].splitlines()
    return [line.strip('| ').split(' | ') for line in lines if line.startswith('|')]


def test_columns_are_what_all_results_have():
    head, _, full, small = rows(model_card(weights(results=RESULTS), 'x'))
    assert head == ['pairs', 'probe, pixels', 'AUC', 'EER', 'threshold']
    assert full == ['full', 'full', '1.0000', '0.0000', '0.500']
    assert small == ['small', '8', '0.7500', '0.2500', '0.200']


def test_a_new_metric_is_a_column(monkeypatch):
    monkeypatch.setattr(metric, 'METRICS', dict(metric.METRICS))
    monkeypatch.setattr(metric.METRIC_REGISTRY, '_obj_map', dict(metric.METRIC_REGISTRY._obj_map))

    @register_metric('calculate_hope')
    class Hope(PairMetric):
        title, digits, standard = 'hope', 1, {'hope': {}}

    results = {name: {**each, 'figures': {**each['figures'], 'hope': 0.9}} for name, each in RESULTS.items()}
    table = rows(model_card(weights(results=results), 'x'))
    assert 'hope' in table[0] and '0.9' in table[2]


def test_without_results_it_says_so():
    assert 'Verification was not measured, and there are no thresholds.' in model_card(weights(), 'x')


@pytest.mark.parametrize(
    'facts, words',
    [
        ({}, '| recogniser | of one training |'),
        ({'recognisers': 2}, '| recogniser | mean of 2 trainings |'),
        ({}, '| iterations of the options | 30 (fhn 10, student 20), 4 faces each |'),
        ({'phases': None}, '| iterations of the options | 30, 4 faces each |'),
        ({}, '| taught by | no teacher |'),
        ({'teacher': 't.pth'}, '| taught by | `t.pth`, which is not needed with these |'),
        ({}, '| began as | random weights |'),
        ({'starts_from_teacher': True}, "| began as | copies of the teacher's weights |"),
        ({}, '| networks | FHN (0.02 million values) |'),
    ],
)
def test_the_training_is_described(facts, words):
    assert words in model_card(weights(**facts), 'x')


def test_notes_go_in_as_they_are():
    card = model_card(weights(), 'x', 'Faces of *nobody*.')
    assert card.startswith('# x\n') and '\n\nFaces of *nobody*.\n\n## Measured' in card
    assert '\n\n\n' not in model_card(weights(), 'x')

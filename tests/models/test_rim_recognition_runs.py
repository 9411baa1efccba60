"""Whole runs through all phases of RIM, each in processes of their own: killed and resumed, distributed."""

import json

import numpy as np
import pytest
import torch
import yaml
from support.runs import (
    assert_equal_but_rounding,
    final_weights,
    kill_and_resume,
    train,
    train_in_two_processes,
    write_options,
)

pytestmark = pytest.mark.slow
TEACHER = {'type': 'MobileFaceNet'}
HRN = {'type': 'HRN', 'student': TEACHER, 'assistant': TEACHER, 'norm_eval': True}
ITERATIONS = 8
PAIRS = {'name': 'pairs', 'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}
TRAIN = {
    'total_iter': ITERATIONS,
    'phases': {'fhn': 2, 'student': 2, 'assistant': 2, 'joint': 2},
    'start_from_teacher': True,  # blocks of a teacher with random weights are large
    'distill_opt': {'type': 'DistillationLoss', 'loss_weight': 1e-6},
    'residual_opt': {'type': 'ResidualDistillationLoss', 'loss_weight': 1e-6},
    'embedding_opt': {'type': 'DistillationLoss', 'target': 'embedding', 'distance': 'cosine'},
    'contrast_opt': {
        'type': 'ContrastiveDistillationLoss',
        'loss_weight': 0.1,
        'temperature': 1,
        'same_person': 0.99999,
        'queue_size': 5,
    },
}


def options_of_all_phases(folder, teacher, batch_size=2, head='teacher', val_freq=2, **changes):
    folder.mkdir(exist_ok=True)
    path = write_options(
        folder,
        batch_size,
        {'network_t': TEACHER, 'network_r': {**HRN, 'head': head}},
        {'pretrain_network_t': teacher},
        **{**TRAIN, **changes},
    )
    options = yaml.safe_load(path.read_text())
    options['datasets']['val_pairs'] = PAIRS
    options['val']['val_freq'] = val_freq
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    return str(path)


def verifications(folder):
    """Thresholds of the folds and the area under the curve, of all validations on pairs."""
    files = sorted((folder / 'experiments/tiny/visualization/pairs').glob('*.json'))
    figures = [json.loads(file.read_text())['figures'] for file in files]
    return [[*each['fold_thresholds'], each['auc']] for each in figures]


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory, teacher):
    folder = tmp_path_factory.mktemp('unbroken')
    output = train(folder, options_of_all_phases(folder, teacher, val_freq=4))
    assert [f'Phase {name} begins' in output for name in ('student', 'assistant', 'joint')] == [True] * 3
    return folder


@pytest.mark.parametrize('iteration', [4, 5, 6])  # a checkpoint every second: inside a phase, and where one begins
def test_killed_and_resumed_across_phases_ends_with_the_same_weights(unbroken, teacher, tmp_path, iteration):
    kill_and_resume(tmp_path, options_of_all_phases(tmp_path, teacher, val_freq=4), iteration)
    expected, found = final_weights(unbroken, ITERATIONS), final_weights(tmp_path, ITERATIONS)
    assert {file for file, _, _ in expected} == {f'net_{label}_{ITERATIONS}.pth' for label in ('g', 'd', 'r', 'fhn')}
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


def test_two_processes_equal_one_in_every_phase(teacher, tmp_path):
    calm = {f'optim_{label}': {'type': 'SGD', 'lr': 1e-3} for label in 'gidsa'}  # no division of rounding by rounding
    one, two = tmp_path / 'one', tmp_path / 'two'
    train(one, options_of_all_phases(one, teacher, 2, 'own', **calm))
    train_in_two_processes(two, options_of_all_phases(two, teacher, 1, 'own', **calm))
    expected = final_weights(one, ITERATIONS)
    first = {
        (file.replace('_2.', f'_{ITERATIONS}.'), *key): value for (file, *key), value in final_weights(one, 2).items()
    }
    assert {key[0] for key in expected if not torch.equal(expected[key], first[key])} == {key[0] for key in expected}
    assert_equal_but_rounding(expected, final_weights(two, ITERATIONS))
    assert len(verifications(one)) == ITERATIONS // 2
    np.testing.assert_allclose(verifications(two), verifications(one), atol=1e-4)

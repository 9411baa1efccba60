"""Validation on faces: which value is best, metrics by their names, the files that are written."""

import logging

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.tiny_rim import Faces
from support.toy_metrics import toys  # noqa: F401

from rim_plugin.evaluation.metrics.psnr import PSNR
from rim_plugin.models.validation import Validation
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import ValOptions

from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel


class TwoRounds(SRModel):
    """A model whose metrics are what a test says, in every round of validation anew."""

    def __init__(self, folder, metrics):
        opt = {'name': 'run', 'num_gpu': 0, 'is_train': True, 'path': {'visualization': str(folder)}}
        BaseModel.__init__(self, {**opt, 'val': {'metrics': metrics}})
        self.validator = Validation(self, convert({'save_img': False, 'metrics': metrics}, ValOptions))

    def best(self, step, iteration):
        self.validator.faces(Faces(4), step, iteration, None, False)
        return {name: (each['val'], each['iter']) for name, each in self.best_metric_results['faces'].items()}


def noisy(amount):
    """A step that gives the truth with noise: all that measures it gets worse with the amount."""

    def step(batch):
        noise = torch.randn(batch['gt'].shape, generator=torch.Generator().manual_seed(0))
        shift = torch.randn(batch['landmarks'].shape, generator=torch.Generator().manual_seed(1))
        return {**batch, 'sr': batch['gt'] + amount * noise, 'estimated_landmarks': batch['landmarks'] + amount * shift}

    return step


@pytest.mark.usefixtures('toys')
@pytest.mark.parametrize(
    'metric, lower',
    [
        ({'type': 'calculate_nme'}, True),
        ({'type': 'calculate_nme', 'better': 'higher'}, False),
        ({'type': 'calculate_psnr', 'crop_border': 0}, False),
        ({'type': 'calculate_psnr', 'crop_border': 0, 'better': 'lower'}, True),
        ({'type': 'toy_distance'}, True),
        ({'type': 'toy_function'}, False),  # of a function BasicSR assumes that higher is better
        ({'type': 'toy_function', 'better': 'lower'}, True),
    ],
)
def test_the_metric_knows_which_value_is_best_unless_the_options_say(tmp_path, metric, lower):
    model = TwoRounds(tmp_path, {'m': dict(metric)})
    found = {}
    for iteration, amount in ((1, 0.2), (2, 0.05), (3, 0.1)):
        best = model.best(noisy(amount), iteration)
        found[iteration] = model.metric_results['m']
    best_iteration = (min if lower else max)(found, key=found.get)
    assert best == {'m': (found[best_iteration], best_iteration)} and len(set(found.values())) == 3


@pytest.mark.parametrize(
    'name, direction',
    [
        ('calculate_eer', 'lower'),
        ('calculate_lpips', 'lower'),
        ('calculate_nme', 'lower'),
        ('calculate_niqe', 'lower'),
        ('calculate_psnr', 'higher'),
        ('calculate_ssim', 'higher'),
        ('calculate_parsing_miou', 'higher'),
        ('calculate_auc', 'higher'),
        ('calculate_identity', 'higher'),
    ],
)
def test_directions_reach_basicsrs_bookkeeping(tmp_path, name, direction):
    block = {'type': name, **({'weights': 'alexnet.pth'} if name == 'calculate_lpips' else {})}
    model = TwoRounds(tmp_path, {'m': block})
    model._initialize_best_metric_results('faces')
    record = model.best_metric_results['faces']['m']
    assert record['better'] == direction and record['val'] == float('inf' if direction == 'lower' else '-inf')


@pytest.mark.usefixtures('toys')
def test_a_metric_of_one_new_class_shows_up_in_validation(tmp_path, caplog):
    """Registered, it is validated, also with bicubic for a margin, since it needs images alone."""
    logging.getLogger('basicsr').addHandler(caplog.handler)
    caplog.set_level(logging.INFO, 'basicsr')
    model = TwoRounds(tmp_path, {'toy': {'type': 'toy_distance', 'power': 2}})
    model.best(noisy(0.1), 1)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    faces = torch.utils.data.default_collate(Faces(4).items)
    sr, bicubic = noisy(0.1)(faces)['sr'], F.interpolate(faces['lq'], (64, 64), mode='bicubic')
    values = [(image - faces['gt']).abs().pow(2).mean((1, 2, 3)).double().mean().item() for image in (sr, bicubic)]
    assert model.metric_results == {'toy': pytest.approx(values[0], rel=1e-6)}
    assert model.validator.bicubic_results == {'toy': pytest.approx(values[1], rel=1e-6)}
    line = f'SR on faces (margin over bicubic): toy {values[0]:.4f} ({values[0] - values[1]:+.4f})'
    assert line in caplog.text


def test_bicubic_interpolation_is_measured_once_a_dataset(tmp_path, monkeypatch):
    measured, measure = [], PSNR.measure

    def counted(metric, data):
        measured.append(len(data['sr']))
        return measure(metric, data)

    monkeypatch.setattr(PSNR, 'measure', counted)
    validator = TwoRounds(tmp_path, {'m': {'type': 'calculate_psnr'}}).validator
    results = []
    for dataset, images in ((faces := Faces(4), 8), (faces, 4), (Faces(4), 8)):
        del measured[:]
        results.append(validator.faces(dataset, noisy(0.1), 1, None, False))
        assert sum(measured) == images
    assert results[0].bicubic == results[1].bicubic == results[2].bicubic != {}


def test_every_face_is_written_in_tests_the_sheet_alone_in_training(tmp_path):
    for is_train, names in ((True, set()), (False, {f'{i}_run.png' for i in range(4)})):
        model = TwoRounds(tmp_path / str(is_train), {})
        model.opt['is_train'] = is_train
        model.validator.faces(Faces(4), noisy(0), 7, None, True)
        folder = tmp_path / str(is_train) / 'faces'
        assert {path.name for path in folder.iterdir()} == {'faces_7.png'} | names
    written = cv2.imread(str(folder / '2_run.png'))
    expected = (Faces(4)[2]['gt'] * 255).round().byte().permute(1, 2, 0).numpy()[..., ::-1]
    assert np.array_equal(written, expected)

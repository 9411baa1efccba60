"""A tiny RIM for the tests of the tools: its RIMModel, its training's files, and the weights file packed from them."""

from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from support import tiny_recognition
from support.tiny_rim import OPTIONS, rim_model

from rim_plugin.calibration_values import Calibration, Tail
from rim_plugin.options.reading import read_options
from rim_plugin.tools.api import RIM
from rim_plugin.tools.packing import fold_statistics, trained_weights
from rim_plugin.weights_file import save_weights

from basicsr.archs import build_network

MOBILE = {'type': 'MobileFaceNet'}
ALIKE = tiny_recognition.ALIKE
RECOGNITION = {
    'network_t': ALIKE,
    'network_r': {
        'type': 'HRN',
        'student': ALIKE,
        'assistant': ALIKE,
        'head': 'own',
        'assistant_view': 'probe',
        'assistant_scale': 0.5,
    },
}
TAIL = Tail((0.0, 0.1, 0.15, 0.2, 0.25, 0.3), 0.05, -0.1)
_CURVES = {8: (0.2, 10.0), 32: (0.4, 20.0), 112: (0.5, 40.0)}
CALIBRATIONS = tuple(
    Calibration(small, *_CURVES[small], 100, large, None, TAIL)
    for small, large in combinations_with_replacement(_CURVES, 2)
)


class Tiny(NamedTuple):
    """RIMModel, its options file, the training's files of FHN and HRN, and the weights file packed from them."""

    model: object
    options: str
    fhn: str
    hrn: str
    weights: Path


@pytest.fixture(scope='session')
def teacher(tmp_path_factory):
    """File of a MobileFaceNet's weights, random ones."""
    return write_random(MOBILE, tmp_path_factory.mktemp('teacher') / 'teacher.safetensors')


@pytest.fixture(scope='session')
def tiny_teacher(tmp_path_factory):
    """File of a TinyRecogniser's weights, random ones."""
    return write_random(ALIKE, tmp_path_factory.mktemp('teacher') / 'teacher.safetensors')


def write_random(options, path):
    torch.manual_seed(1)
    save_file(build_network(dict(options)).state_dict(), path)
    return str(path)


@pytest.fixture(scope='session')
def tiny(tiny_teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp('tiny')
    model = rim_model(
        networks=RECOGNITION,
        path={'pretrain_network_t': tiny_teacher},
        distill_opt={'type': 'DistillationLoss'},
        phase='student',
        embedding_opt={'type': 'DistillationLoss', 'target': 'embedding', 'distance': 'cosine'},
    )
    model.pipeline.gallery = 'hrn'
    for net in model.trainer.ema_nets.learning.values():
        fold_statistics(net.eval())
        net.load_state_dict({key: value.half().to(value) for key, value in net.state_dict().items()})
    for name, net in (('fhn', model.pipeline.fhn), ('r', model.trainer.ema_nets.recogniser)):
        torch.save(
            {'params': model.nets.recogniser.state_dict(), 'params_ema': net.state_dict()}, folder / f'net_{name}.pth'
        )
    options = {key: OPTIONS[key] for key in ('network_g', 'network_d', 'train')}
    (folder / 'train.yml').write_text(yaml.safe_dump({**options, **RECOGNITION, 'manual_seed': 7}))
    files = [str(folder / name) for name in ('train.yml', 'net_fhn.pth', 'net_r.pth')]
    weights = trained_weights(read_options(files[0]), files[1], files[2:])
    save_weights(weights._replace(calibrations=CALIBRATIONS, sides=(4, 63)), folder / 'tiny.safetensors')
    return Tiny(model, *files, folder / 'tiny.safetensors')


@pytest.fixture(scope='session')
def rim(tiny):
    return RIM.from_pretrained(tiny.weights, 'cpu', batch=3)


def face(size, seed=0):
    """A random picture that has the detail of its side, as much in each octave, uint8 (size, size, 3)."""
    random = np.random.default_rng(seed)
    sides = [4 * 2**octave for octave in range(8) if 4 * 2**octave < size] + [size]
    octaves = [random.normal(0, 30, (side, side, 3)) for side in sides]
    enlarged = [cv2.resize(octave, (size, size), interpolation=cv2.INTER_CUBIC) for octave in octaves]
    return np.clip(128 + sum(enlarged), 0, 255).astype(np.uint8)


@pytest.fixture(scope='session')
def make_face():
    return face

"""A benchmark of two methods on three drawn faces, and results for it that nothing had to measure."""

from pathlib import Path

import numpy as np
import torch
import yaml

from rim_plugin.benchmark.settings import read_benchmark
from rim_plugin.benchmark.tables import Cell, Table

from basicsr.archs import build_network

DRAWN = {'type': 'DrawnFaceDataset', 'num_identities': 3, 'query_size': 28}
NET = {'type': 'SRCNN', 'channels': [4, 2]}
METHODS = {
    'srcnn': {'title': 'SRCNN', 'options': 'srcnn.yml'},
    'bicubic': {'title': 'Bicubic', 'options': 'bicubic.yml'},
}
TABLE = Table(
    'few',
    'A few & more',
    ['method', 'PSNR', 'time'],
    [
        [Cell('RIM <b>'), Cell('28.5', ('28.1', '28.9'), 'best', True), Cell('2.0')],
        [Cell('a_b'), Cell('27.0', ('26.0', '27.9'), 'second'), Cell('-')],
        [Cell('broken'), Cell('no weights')],
    ],
    'Bold: best.',
)


def dump(path, options):
    Path(path).write_text(yaml.safe_dump(options, sort_keys=False))


def write_options():
    """Options files of METHODS, and the weights of one, in the current folder."""
    options = {
        'model_type': 'BaselineModel',
        'scale': 8,
        'num_gpu': 0,
        'datasets': {'test': dict(DRAWN, name='drawn')},
        'val': {'save_img': False},
    }
    for name, network, path in (
        ('bicubic', {'type': 'Bicubic'}, {}),
        ('srcnn', NET, {'pretrain_network_g': 'srcnn.pth'}),
    ):
        dump(f'{name}.yml', {**options, 'name': name, 'network_g': network, 'path': path})
    torch.manual_seed(0)
    torch.save({'params': build_network(dict(NET)).state_dict()}, 'srcnn.pth')


def benchmark(**changes):
    """The benchmark of the two methods, with changes to its file."""
    options = {'name': 'small', 'output': 'out', 'pictures': 2, 'sr_sets': {'drawn': DRAWN}, 'methods': METHODS}
    dump('b.yml', {**options, **changes})
    return read_benchmark('b.yml')


def sr_result(columns, faces=3, seed=0):
    """A result of measure_images with these metrics, values in [0, 1], for ``faces`` faces."""
    rng = np.random.default_rng(seed)
    images = {column: rng.uniform(size=faces).tolist() for column in columns}
    means = {column: float(np.mean(values)) for column, values in images.items()}
    picture = rng.integers(0, 256, (16, 16, 3), np.uint8)
    arrays = {f'{face}/{title}': picture for face in range(2) for title in ('LR 28x28', 'SR', 'HR')}
    protocol = {'hash': 'abc', 'probe_size': 28, 'face_size': 224, 'images': faces, 'names': []}
    names = [f'{i}.png' for i in range(faces)]
    return {'images': {'name': names, **images}, 'means': means, 'protocol': protocol, 'arrays': arrays}


def pair_result(accuracy, seed=0, **figures):
    """A result of measure_pairs on eight pairs in two folds."""
    arrays = {
        'scores': np.random.default_rng(seed).normal(size=8) + 3 * np.tile([1, 0], 4),
        'issame': np.tile([True, False], 4),
        'folds': np.repeat([0, 1], 4),
    }
    protocol = {
        'hash': 'def',
        'query_size': 14,
        'probe_side': 'second',
        'downscaling': 'antialiased bicubic from 224 to 14 px',
    }
    figures = {'accuracy': accuracy, 'accuracy_std': 0.01, **figures}
    return {'figures': figures, 'protocol': protocol, 'arrays': arrays}


SPEED = {'parameters': 1234, 'gmacs': 0.5, 'ms_1': 2.0, 'ms_32': 1.0, 'peak_mib': 300.0}

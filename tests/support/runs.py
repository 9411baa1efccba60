"""Whole runs of BasicSR's loop for tests: options, processes of their own, and what they leave behind."""

import os
import subprocess
from copy import deepcopy

import torch
import yaml
from support.forking_python import forking_python
from support.tiny_rim import INTEGRATOR, OPTIONS

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS='1', PYTHONUNBUFFERED='1')
WIDE = {'image_size': 224, 'feature_size': 56, 'num_landmarks': 68}  # drawn faces have 224 pixels
ITERATIONS = 6


def write_options(folder, batch_size=2, networks=None, path=None, **train):
    """Options of a run of six iterations on drawn faces, with other networks, paths and train settings on demand.

    Returns the path of the file.
    """
    opt = {
        key: value for key, value in deepcopy(OPTIONS).items() if key not in ('dist', 'rank', 'world_size', 'is_train')
    }
    opt['network_g'].update(WIDE)
    opt['network_d']['integrator'] = dict(INTEGRATOR, feature_size=56)
    drawn = {'type': 'DrawnFaceDataset', 'num_identities': 4, 'query_size': 28}
    opt.update(
        networks or {},
        path=path or {},
        scale=8,
        manual_seed=3,
        logger={'print_freq': 1, 'save_checkpoint_freq': 2, 'use_tb_logger': False},
    )
    opt['datasets'] = {
        'train': {
            **drawn,
            'name': 'drawn',
            'query_size': [14, 28],
            'use_hflip': True,
            'batch_size_per_gpu': batch_size,
            'num_worker_per_gpu': 0,
        },
        'val': {**drawn, 'name': 'drawn_val', 'first_identity': 4, 'num_identities': 2},
    }
    opt['val'].update(val_freq=2, save_img=False)
    opt['train'].update({'total_iter': ITERATIONS, **train})
    path = folder / 'options.yml'
    path.write_text(yaml.safe_dump(opt, sort_keys=False))
    return path


def start(folder, *command):
    return subprocess.Popen(
        [forking_python(), '-m', *command],
        cwd=folder,
        env={**ENVIRONMENT, 'PYTHON_EXEC': forking_python()},  # torchrun's, for its processes
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def train(folder, options, *arguments):
    """A whole training in a process of its own; returns what it printed."""
    return finish(start(folder, 'rim_plugin.train', '-opt', str(options), *arguments))


def train_in_two_processes(folder, options):
    """A whole training, distributed over two processes."""
    launcher = ('torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m', 'rim_plugin.train')
    return finish(start(folder, *launcher, '-opt', str(options), '--launcher', 'pytorch'))


def kill_and_resume(folder, options, iteration):
    """A training that is killed at an iteration and then resumed to its end."""
    kill_at(start(folder, 'rim_plugin.train', '-opt', str(options)), iteration)
    assert 'Resuming training' in train(folder, options, '--auto_resume')


def finish(process):
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def final_weights(folder, iterations=ITERATIONS):
    """All tensors of the networks that a run wrote at its end, by file and name."""
    files = sorted((folder / 'experiments/tiny/models').glob(f'*_{iterations}.pth'))
    return {
        (file.name, key, name): value
        for file in files
        for key, state in torch.load(file, weights_only=True).items()
        for name, value in state.items()
    }


def assert_equal_but_rounding(expected, weights):
    """Weights of two trainings whose sums come in another order."""
    for key, value in expected.items():
        torch.testing.assert_close(value, weights[key], atol=2e-6, rtol=1e-4, msg=str(key))


def kill_at(process, iteration):
    """SIGKILL when the log tells of this iteration."""
    for line in process.stdout:
        if f'iter: {iteration:7d},' in line:
            process.kill()
    assert process.wait() == -9, 'the run ended before it was killed'


def leaves(value, name=''):
    """Leaves of nested dicts and lists by path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else None
    if items is None:
        return {name: value.numpy().tobytes() if torch.is_tensor(value) else repr(value)}
    return {path: leaf for key, item in items for path, leaf in leaves(item, f'{name}.{key}').items()}

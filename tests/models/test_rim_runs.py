"""Whole runs of RIM through BasicSR's loop, each in processes of their own: killed and resumed, distributed, tested."""

import os
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
import yaml
from tiny_rim import INTEGRATOR, OPTIONS, PATHS

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS='1', PYTHONUNBUFFERED='1')
WIDE = {'image_size': 224, 'work_size': 56, 'num_landmarks': 68}  # drawn faces have 224 pixels
ITERATIONS = 6


def write_options(folder, batch_size=2, **train):
    """Options of a run of six iterations on drawn faces; returns the file's path."""
    opt = {key: value for key, value in deepcopy(OPTIONS).items()
           if key not in ('dist', 'rank', 'world_size', 'is_train')}
    opt['network_g'].update(WIDE)
    opt['network_d']['integrator'] = dict(INTEGRATOR, work_size=56)
    drawn = {'type': 'DrawnFaceDataset', 'num_identities': 4, 'query_size': 28}
    opt.update(scale=8, manual_seed=3, logger={'print_freq': 1, 'save_checkpoint_freq': 2, 'use_tb_logger': False})
    opt['datasets'] = {'train': {**drawn, 'name': 'drawn', 'query_size': [14, 28], 'use_hflip': True,
                                 'batch_size_per_gpu': batch_size, 'num_worker_per_gpu': 0},
                       'val': {**drawn, 'name': 'drawn_val', 'first_identity': 4, 'num_identities': 2}}
    opt['val'].update(val_freq=2, save_img=False)
    opt['train'].update(total_iter=ITERATIONS, **train)
    path = folder / 'options.yml'
    path.write_text(yaml.safe_dump(opt))
    return path


def start(folder, *command):
    return subprocess.Popen([sys.executable, '-m', *command], cwd=folder, env=ENVIRONMENT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process):
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def networks(folder):
    """All tensors of the run's end by file and name."""
    models = folder / 'experiments' / 'tiny' / 'models'
    return {(label, key, name): value for label in ('g', 'd', 'fhn')
            for key, state in torch.load(models / f'net_{label}_{ITERATIONS}.pth', weights_only=True).items()
            for name, value in state.items()}


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp('unbroken')
    finish(start(folder, 'rim_plugin.train', '-opt', str(write_options(folder))))
    return folder


def test_killed_and_resumed_ends_with_the_same_weights(unbroken, tmp_path):
    options = str(write_options(tmp_path))
    process = start(tmp_path, 'rim_plugin.train', '-opt', options)
    for line in process.stdout:
        if 'iter:       5' in line:
            process.kill()
    assert process.wait() == -9
    assert 'Resuming training' in finish(start(tmp_path, 'rim_plugin.train', '-opt', options, '--auto_resume'))
    expected, found = networks(unbroken), networks(tmp_path)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())
    states = [torch.load(folder / f'experiments/tiny/training_states/{ITERATIONS}.state', weights_only=True)
              for folder in (unbroken, tmp_path)]
    assert states[0]['carried'] == states[1]['carried']


def test_two_processes_equal_one_on_the_same_global_batch(tmp_path):
    calm = {f'optim_{label}': {'type': 'SGD', 'lr': 1e-3} for label in 'gid'}  # RMSprop divides rounding by rounding
    one, two = tmp_path / 'one', tmp_path / 'two'
    one.mkdir(), two.mkdir()
    finish(start(one, 'rim_plugin.train', '-opt', str(write_options(one, 2, **calm))))
    finish(start(two, 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m', 'rim_plugin.train', '-opt',
                 str(write_options(two, 1, **calm)), '--launcher', 'pytorch'))
    expected, found = networks(one), networks(two)
    for key, value in expected.items():
        torch.testing.assert_close(value, found[key], atol=2e-6, rtol=1e-4, msg=str(key))


def test_basicsrs_test_runs_the_saved_fhn(unbroken, tmp_path):
    opt = yaml.safe_load((unbroken / 'options.yml').read_text())
    models = unbroken / 'experiments' / 'tiny' / 'models'
    opt['datasets'] = {'test': dict(opt['datasets']['val'], name='drawn_test')}
    opt.update(model_type='SRModel', network_g={'type': 'FHN', 'generator': {**PATHS, **WIDE},
                                                'integrator': dict(INTEGRATOR, work_size=56)})
    opt['path'] = {'pretrain_network_g': str(models / f'net_fhn_{ITERATIONS}.pth'), 'param_key_g': 'params_ema'}
    opt['val'] = {'save_img': True, 'suffix': None, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}}
    for key in ('train', 'network_d', 'logger'):
        opt.pop(key)
    path = tmp_path / 'test.yml'
    path.write_text(yaml.safe_dump(opt))
    assert 'psnr' in finish(start(tmp_path, 'rim_plugin.test', '-opt', str(path)))
    assert len(list((tmp_path / 'results').rglob('*.png'))) == 2

"""Whole runs of BasicSR's loop with a tiny network: killed, interrupted, distributed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.forking_python import forking_python
from support.runs import ENVIRONMENT, leaves
from support.tiny_training import write_options

pytestmark = pytest.mark.slow
TRAINING = str(Path(__file__).parents[1] / 'support/tiny_training.py')


def train(root, options, *arguments, check=True, python=None, **environment):
    """Run a whole training; returns what it printed."""
    done = subprocess.run(
        [python or forking_python(), TRAINING, str(root), '-opt', options, *arguments],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def start(root, options, *arguments, **environment):
    """Start a training in a process of its own."""
    return subprocess.Popen(
        [forking_python(), TRAINING, str(root), '-opt', options, *arguments],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process, text):
    """Read the output of ``process`` until a line holds ``text``."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f'{text!r} was never printed')


def content(root, name='20'):
    """Weights (with EMA) of a run's end and the whole training state but its options and their seal, bit for bit."""
    folder = root / 'experiments' / 'tiny'
    contents = {
        file: torch.load(folder / file, weights_only=True)
        for file in (f'models/net_g_{name}.pth', f'training_states/{name}.state')
    }
    state = contents[f'training_states/{name}.state']
    assert state.pop('options')['name'] == 'tiny' and len(state.pop('sha256')) == 64
    return {file: leaves(value) for file, value in contents.items()}


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Root of a run of 20 iterations that was left alone, in a process that is no fork."""
    root = tmp_path_factory.mktemp('unbroken')
    train(root, write_options(root / 'o.yml'), python=sys.executable, TINY_FED=str(root / 'fed'))
    return root


def test_killed_at_random_moments_equals_unbroken(unbroken, tmp_path):
    options, chance = write_options(tmp_path / 'o.yml'), random.Random(0)
    for _ in range(3):
        process = start(tmp_path, options, '--auto_resume', TINY_SLEEP='0.02')
        wait_for(process, 'done ')
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
    train(tmp_path, options, '--auto_resume')
    assert content(tmp_path) == content(unbroken)


@pytest.mark.parametrize('number, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_saves_and_resume_equals_unbroken(unbroken, tmp_path, number, code):
    options = write_options(tmp_path / 'o.yml', logger__save_checkpoint_freq=20)
    process = start(tmp_path, options, TINY_SLEEP='0.05')
    wait_for(process, 'done 7')
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code and '--auto_resume' in output and 'Traceback' not in output
    assert [name for name in os.listdir(tmp_path / 'experiments/tiny/training_states') if name != '20.state']
    train(tmp_path, options, '--auto_resume')
    assert content(tmp_path) == content(unbroken)


def test_workers_and_prefetching_change_nothing(unbroken, tmp_path):
    options = write_options(
        tmp_path / 'o.yml',
        datasets__train__num_worker_per_gpu=2,
        train__total_iter=8,
        datasets__train__prefetch_mode='cpu',
        datasets__train__persistent_workers=True,
    )
    train(tmp_path, options, TINY_FED=str(tmp_path / 'fed'))
    assert content(tmp_path, '8')['models/net_g_8.pth'] == content(unbroken, '8')['models/net_g_8.pth']
    fed = (tmp_path / 'fed.0').read_text().splitlines()
    assert fed == (unbroken / 'fed.0').read_text().splitlines()[: len(fed)] and len(fed) == 8


def test_two_processes_equal_one(tmp_path):
    net = {'type': 'TinyNet', 'dropout': 0.0, 'norm': False}  # BatchNorm and dropout differ by process
    one, two = tmp_path / 'one', tmp_path / 'two'
    one.mkdir(), two.mkdir()
    train(one, write_options(one / 'o.yml', network_g=net), TINY_FED=str(one / 'fed'))
    options = write_options(two / 'o.yml', network_g=net, datasets__train__batch_size_per_gpu=2)
    command = [forking_python(), '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone', TRAINING]
    done = subprocess.run(
        [*command, str(two), '-opt', options, '--launcher', 'pytorch'],
        timeout=120,
        env={**ENVIRONMENT, 'TINY_FED': str(two / 'fed'), 'PYTHON_EXEC': forking_python()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fed = [
        [sorted(line.split()[:-1]) for line in (root / f'fed.{rank}').read_text().splitlines()]
        for root, rank in ((one, 0), (two, 0), (two, 1))
    ]
    assert fed[0] == [sorted(a + b) for a, b in zip(fed[1], fed[2])]
    weights = [torch.load(root / 'experiments/tiny/models/net_g_20.pth', weights_only=True) for root in (one, two)]
    for key in ('params', 'params_ema'):
        for name, value in weights[0][key].items():
            torch.testing.assert_close(weights[1][key][name], value, rtol=1e-4, atol=1e-5)


def test_nan_stops_the_run(tmp_path):
    options = write_options(tmp_path / 'o.yml', datasets__train__poisoned=3)
    done = train(tmp_path, options, check=False)
    assert done.returncode == 1
    assert 'Error: iteration' in done.stderr and 'l_pix is nan' in done.stderr and 'Traceback' not in done.stderr
    states = os.listdir(tmp_path / 'experiments/tiny/training_states')
    assert f'{max(int(name[:-6]) for name in states)}.state' in done.stderr if states else 'none' in done.stderr


def test_small_dataset_reaches_total_iter(tmp_path):
    # of 7 images, 1 batch of 4 an epoch; BasicSR counts 2
    done = train(tmp_path, write_options(tmp_path / 'o.yml', datasets__train__length=7))
    assert 'done 20' in done.stdout
    done = train(tmp_path, write_options(tmp_path / 'o.yml', datasets__train__length=3), check=False)
    assert 'fewer than one batch' in done.stderr and 'Traceback' not in done.stderr


CHANGED = {
    'manual_seed': 8,
    'datasets__train__batch_size_per_gpu': 2,
    'datasets__train__length': 30,
    'train__optim_g': {'type': 'Adam', 'lr': 2e-3},
    'train__scheduler': {'type': 'StepLR', 'step_size': 4, 'gamma': 0.25},
    'train__pixel_opt': {'type': 'MSELoss', 'loss_weight': 2},
    'train__ema_decay': 0,
    'train__total_iter': 12,
    'val__metrics': {'ssim': {'type': 'calculate_ssim', 'crop_border': 0}},
    'logger__save_checkpoint_freq': 4,
}


def test_every_key_that_changed_is_told_once_and_takes_effect(tmp_path):
    train(tmp_path, write_options(tmp_path / 'o.yml', train__total_iter=8))
    done = train(tmp_path, write_options(tmp_path / 'o.yml', **CHANGED), '--auto_resume')
    told = [line.partition('Changed since the training state: ')[2] for line in done.stderr.splitlines()]
    keys = sorted(line.partition(':')[0] for line in told if line)
    assert keys == [
        *('datasets.train.batch_size_per_gpu', 'datasets.train.length', 'logger.save_checkpoint_freq', 'manual_seed'),
        *('train.ema_decay', 'train.optim_g.lr', 'train.optim_g.momentum', 'train.optim_g.type'),
        *('train.pixel_opt.loss_weight', 'train.pixel_opt.type', 'train.scheduler.gamma'),
        *('train.scheduler.milestones', 'train.scheduler.step_size', 'train.scheduler.type', 'train.total_iter'),
        *('val.metrics.psnr', 'val.metrics.ssim'),
    ]
    assert [line.partition(':')[0] for line in told if 'not applied' in line] == ['manual_seed']
    assert 'optimizer of 0, Adam, begins without memory' in done.stderr and 'done 12' in done.stdout
    folder = tmp_path / 'experiments/tiny'
    state = torch.load(folder / 'training_states/12.state', weights_only=True)
    (group,) = state['optimizers'][0]['param_groups']
    assert group['initial_lr'] == 2e-3 and group['lr'] == pytest.approx(2e-3 * 0.25**2) and 'betas' in group
    assert list(torch.load(folder / 'models/net_g_12.pth', weights_only=True)) == ['params']
    assert state['manual_seed'] == 7 and 'ssim' in state['carried']['best_metric_results']['b']


def test_networks_that_changed_end_the_resumption_in_one_line(tmp_path):
    train(tmp_path, write_options(tmp_path / 'o.yml', train__total_iter=4))
    before = sorted((tmp_path / 'experiments').rglob('*.state'))
    options = write_options(tmp_path / 'o.yml', network_g={'type': 'TinyNet', 'width': 8})
    done = train(tmp_path, options, '--auto_resume', check=False)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'network_g.width: absent -> 8: take that back' in done.stderr.splitlines()[-1]
    assert sorted((tmp_path / 'experiments').rglob('*.state')) == before

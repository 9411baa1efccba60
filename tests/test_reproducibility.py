"""Data order, seeded items and finite losses; then whole runs: killed, interrupted and distributed."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.tiny_training import write_options

from rim_plugin.reproducibility import (
    RUN,
    SampleIndex,
    SeededDataset,
    check_finite,
    epoch_order,
    plain,
    rng_state,
    seeded,
    set_rng_state,
)

TRAINING = [sys.executable, os.path.join(os.path.dirname(__file__), 'support', 'tiny_training.py')]
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS='1', PYTHONUNBUFFERED='1')


def train(root, options, *arguments, check=True, **environment):
    """Run a whole training; returns what it printed."""
    done = subprocess.run(
        [*TRAINING, str(root), '-opt', options, *arguments],
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
        [*TRAINING, str(root), '-opt', options, *arguments],
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


def flat(value, name=''):
    """Leaves of nested dicts and lists by path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else None
    if items is None:
        return {name: value.numpy().tobytes() if torch.is_tensor(value) else repr(value)}
    return {path: leaf for key, item in items for path, leaf in flat(item, f'{name}.{key}').items()}


def content(root, name='20'):
    """Weights (with EMA) of a run's end and the whole training state, bit for bit."""
    folder = root / 'experiments' / 'tiny'
    return {
        file: flat(torch.load(folder / file, weights_only=True))
        for file in (f'models/net_g_{name}.pth', f'training_states/{name}.state')
    }


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Root of a run of 20 iterations that was left alone."""
    root = tmp_path_factory.mktemp('unbroken')
    train(root, write_options(root / 'o.yml'), TINY_FED=str(root / 'fed'))
    return root


class TestOrder:
    def test_every_item_once_and_seed_and_epoch_matter(self):
        order = epoch_order(10, 2, seed=1, epoch=3)
        assert sorted(order) == sorted(list(range(10)) * 2)
        assert [index.position for index in order] == list(range(20)) and {index.epoch for index in order} == {3}
        assert order == epoch_order(10, 2, seed=1, epoch=3)
        assert order != epoch_order(10, 2, seed=2, epoch=3) and order != epoch_order(10, 2, seed=1, epoch=4)

    @pytest.mark.parametrize('world_size', [2, 3])
    def test_ranks_share_the_order_of_one_process(self, world_size):
        whole = epoch_order(11, 1, 0, 0)
        ranks = [epoch_order(11, 1, 0, 0, rank, world_size) for rank in range(world_size)]
        together = [index for step in zip(*ranks) for index in step]
        assert together == whole[: len(together)] and len(whole) - len(together) < world_size
        assert [index.position for index in together] == list(range(len(together)))

    def test_skip(self):
        assert epoch_order(10, 1, 0, 0, 1, 2, skip=2) == epoch_order(10, 1, 0, 0, 1, 2)[2:]

    def test_index_survives_the_way_to_a_worker(self):
        index = pickle.loads(pickle.dumps(SampleIndex(5, 2, 17)))
        assert (index, index.epoch, index.position) == (5, 2, 17)


class Draws(torch.utils.data.Dataset):
    """Items of random numbers from all three generators."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), torch.rand(()).item()


class TestSeeds:
    def test_items_follow_from_seed_epoch_and_position_only(self):
        items = SeededDataset(Draws(), seed=3)
        first = items[SampleIndex(0, 1, 2)]
        random.random(), np.random.rand(), torch.rand(())
        assert items[SampleIndex(0, 1, 2)] == first
        reseeded = SeededDataset(Draws(), seed=4)[SampleIndex(0, 1, 2)]
        for other in (items[SampleIndex(0, 1, 3)], items[SampleIndex(0, 2, 2)], reseeded):
            assert all(a != b for a, b in zip(first, other))

    def test_the_global_generators_do_not_notice(self):
        before = flat(rng_state())
        SeededDataset(Draws(), 3)[SampleIndex(0, 0, 0)]
        assert flat(rng_state()) == before

    def test_states_come_back(self, tmp_path):
        torch.save(rng_state(), tmp_path / 'state')
        expected = Draws()[0]
        set_rng_state(torch.load(tmp_path / 'state', weights_only=True))
        assert Draws()[0] == expected

    def test_numbers_are_not_merely_added(self):
        with seeded(1, 2):
            first = random.random()
        with seeded(2, 1):
            assert random.random() != first

    def test_plain(self, tmp_path):
        torch.save(plain({'a': [np.float64(1.5)], 'b': np.arange(2)}), tmp_path / 'x')
        loaded = torch.load(tmp_path / 'x', weights_only=True)
        assert loaded['a'] == [1.5] and loaded['b'].tolist() == [0, 1]


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_check_finite_names_iteration_term_and_checkpoint(tmp_path, monkeypatch, bad):
    for name in ('90.state', '100.state', 'x.state'):
        (tmp_path / name).touch()
    model = SimpleNamespace(opt={'path': {'training_states': str(tmp_path)}})
    monkeypatch.setattr(RUN, 'iteration', 123)
    check_finite(model, {'l_pix': torch.tensor(1.0)})
    with pytest.raises(FloatingPointError, match=r'iteration 123: l_mmd is (nan|inf).*100\.state'):
        check_finite(model, {'l_pix': torch.tensor(1.0), 'l_mmd': torch.tensor(bad)})


class TestRuns:
    def test_killed_at_random_moments_equals_unbroken(self, unbroken, tmp_path):
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
    def test_signal_saves_and_resume_equals_unbroken(self, unbroken, tmp_path, number, code):
        options = write_options(tmp_path / 'o.yml', logger__save_checkpoint_freq=20)
        process = start(tmp_path, options, TINY_SLEEP='0.05')
        wait_for(process, 'done 7')
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == code and '--auto_resume' in output and 'Traceback' not in output
        assert [name for name in os.listdir(tmp_path / 'experiments/tiny/training_states') if name != '20.state']
        train(tmp_path, options, '--auto_resume')
        assert content(tmp_path) == content(unbroken)

    def test_workers_and_prefetching_change_nothing(self, unbroken, tmp_path):
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

    def test_two_processes_equal_one(self, tmp_path):
        net = {'type': 'TinyNet', 'dropout': 0.0, 'norm': False}  # BatchNorm and dropout differ by process
        one, two = tmp_path / 'one', tmp_path / 'two'
        one.mkdir(), two.mkdir()
        train(one, write_options(one / 'o.yml', network_g=net), TINY_FED=str(one / 'fed'))
        options = write_options(two / 'o.yml', network_g=net, datasets__train__batch_size_per_gpu=2)
        command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone', *TRAINING[1:]]
        done = subprocess.run(
            [*command, str(two), '-opt', options, '--launcher', 'pytorch'],
            timeout=120,
            env={**ENVIRONMENT, 'TINY_FED': str(two / 'fed')},
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

    def test_nan_stops_the_run(self, tmp_path):
        options = write_options(tmp_path / 'o.yml', datasets__train__poisoned=3)
        done = train(tmp_path, options, check=False)
        assert done.returncode == 1
        assert 'Error: iteration' in done.stderr and 'l_pix is nan' in done.stderr and 'Traceback' not in done.stderr
        states = os.listdir(tmp_path / 'experiments/tiny/training_states')
        assert f'{max(int(name[:-6]) for name in states)}.state' in done.stderr if states else 'none' in done.stderr

    def test_small_dataset_reaches_total_iter(self, tmp_path):
        # of 7 images, 1 batch of 4 an epoch; BasicSR counts 2
        done = train(tmp_path, write_options(tmp_path / 'o.yml', datasets__train__length=7))
        assert 'done 20' in done.stdout
        done = train(tmp_path, write_options(tmp_path / 'o.yml', datasets__train__length=3), check=False)
        assert 'fewer than one batch' in done.stderr and 'Traceback' not in done.stderr

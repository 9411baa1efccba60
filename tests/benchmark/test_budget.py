"""What a training took, from its logs."""

from pathlib import Path

import pytest
from support.benchmarks import DRAWN, NET, benchmark, dump

from rim_plugin.benchmark.budget import training_budget

LINE = '2026-01-01 {},000 INFO: {}\n'.format
OPTIONS = {
    'name': 'run',
    'network_g': NET,
    'train': {'total_iter': 7},
    'datasets': {'train': {**DRAWN, 'batch_size_per_gpu': 4}},
}


@pytest.fixture
def method(folder):
    """A method with a training in ``experiments/run`` and no logs."""
    Path('experiments/run/models').mkdir(parents=True)
    Path('experiments/run/models/net_g_latest.pth').touch()
    dump('run.yml', OPTIONS)
    return benchmark(methods={'run': {'options': 'run.yml'}}).methods[0]


def write_log(name, *lines):
    Path(f'experiments/run/train_{name}.log').write_text(''.join(LINE(*line) for line in lines))


def test_runs_of_an_interrupted_training_are_summed_from_start_to_end(method):
    write_log('a', ('09:00:00', 'before'), ('10:00:00', 'Start training from'), ('10:00:40', 'Stopped'))
    write_log('b', ('11:00:00', 'Start training from'), ('11:00:21', 'End of training.'), ('11:09:00', 'validation'))
    assert training_budget(method) == (7, 4, 61)


def test_a_training_over_midnight(method):
    Path('experiments/run/train_a.log').write_text(
        '2026-01-01 10:00:00,000 INFO: Start training from\n2026-01-03 10:00:09,000 INFO: End of training.\n'
    )
    assert training_budget(method).seconds == 2 * 24 * 3600 + 9


def test_options_are_those_of_the_run_whatever_the_file_says_today(method):
    write_log('a', ('10:00:00', 'Start training from'), ('10:00:40', 'End of training.'))
    dump('experiments/run/options.yml', {**OPTIONS, 'train': {'total_iter': 9}})
    assert training_budget(method).iterations == 9


def test_no_budget_without_logs_or_of_weights_from_elsewhere(method):
    assert training_budget(method) is None
    write_log('a', ('10:00:00', 'Start training from'), ('10:00:40', 'End of training.'))
    assert training_budget(method) is not None
    assert training_budget(benchmark().methods[0]) is None  # options for tests
    block = {'options': 'run.yml', 'weights': {'g': 'srcnn.pth'}}
    assert training_budget(benchmark(methods={'run': block}).methods[0]) is None
    Path('experiments/run/models/net_g_latest.pth').unlink()
    assert training_budget(method) is None

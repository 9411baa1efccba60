"""Faces a second of trainings: rows, what becomes of failures and of time that runs out, the table."""

import time

import pytest
import torch

from rim_plugin import cli
from rim_plugin.benchmark import gpu_speed
from rim_plugin.benchmark.gpu_speed import CAPTURED, TODAY, TRAININGS, Row, Timed, Training, peak, rows, table
from rim_plugin.options.conversion import convert
from rim_plugin.options.reading import read_options
from rim_plugin.options.schema import RIMTrain

CPU = torch.device('cpu')
CASE = Training('small', 'fhn_small.yml', modes=(TODAY,), batches=(1, 2))


class FakeTimed:
    gflop = 2000.0

    def __init__(self, training, mode, device):
        pass

    def faces_per_second(self, batch, seconds):
        if batch == 2:
            raise RuntimeError('out of memory')
        return 100.0


def test_rows_go_on_where_a_case_fails(monkeypatch):
    monkeypatch.setattr(gpu_speed, 'Timed', FakeTimed)
    lines = []
    found = rows([CASE], CPU, 1.0, time.monotonic() + 60, lines.append)
    assert found == [Row('small', TODAY, 1, 100.0, 200.0), Row('small', TODAY, 2, None, None, 'out of memory')]
    assert lines[0] == f'small; {TODAY}; batch 1: 100 faces/s, 200.0 TFLOP/s' and 'out of memory' in lines[1]


def test_no_case_begins_after_the_deadline(monkeypatch):
    monkeypatch.setattr(gpu_speed, 'Timed', FakeTimed)
    found = rows([CASE], CPU, 1.0, time.monotonic() - 1, lambda line: None)
    assert [row.note for row in found] == ['no time left'] * 2


def test_the_table_compares_with_single_precision_as_it_is():
    found = [Row('a', TODAY, 8, 100.0, 1.0), Row('a', CAPTURED, 8, 1250.0, 50.0), Row('b', CAPTURED, 8, 9.0, 1.0)]
    lines = table([*found, Row('b', TODAY, 16, None, None, 'no time left')], 200.0).splitlines()
    assert f'| a | 8 | {CAPTURED} | 1,250 | 12.5 | 50.0 | 25.0% |' in lines
    assert f'| b | 8 | {CAPTURED} | 9 |  | 1.0 | 0.5% |' in lines
    assert f'| b | 16 | {TODAY} | no time left |  |  |  |' in lines


def test_peak_counts_two_for_a_multiplication_and_addition(monkeypatch):
    monkeypatch.setattr(gpu_speed, '_seconds', lambda run, device: 2.0)
    assert peak(CPU, side=4, repeats=3) == pytest.approx(2 * 4**3 * 3 / 2 / 1e12)


@pytest.mark.parametrize('training', TRAININGS, ids=lambda each: each.name)
def test_changes_of_the_options_are_there(training):
    for mode in training.modes:
        options = read_options(f'options/{training.file}', (*training.forced, *gpu_speed.MODES[mode]))
        train = convert(options['train'], RIMTrain, path='train')
        assert (train.amp, train.captured) == ('none' if mode == TODAY else 'bf16', 'captured' in mode)


@pytest.mark.slow
def test_a_training_is_timed_with_its_arithmetic(monkeypatch):
    monkeypatch.setattr(gpu_speed, 'WARM_UPS', 1)
    timed = Timed(CASE, TODAY, CPU)
    assert timed.gflop == pytest.approx(3 * 0.63, rel=0.15)  # of a face; backward takes twice as much
    assert timed.faces_per_second(1, 0.0) > 0


def test_without_a_gpu_it_says_so(capsys):
    if torch.cuda.is_available():
        pytest.skip('there is one')
    with pytest.raises(SystemExit, match='Error: benchmark_gpu needs a GPU, and there is none here'):
        cli.benchmark_gpu([])

"""Timing of cases by turns: faces, shares of the ceiling, ratios."""

import pytest
import torch
from torch import nn

from rim_plugin.benchmark import speed
from rim_plugin.benchmark.speed import Case, gflop, inference_rows, timed


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where a case says so."""

    class Clock:
        now = 0.0

        def passes(self, seconds):
            def run():
                self.now += seconds

            return run

    clock = Clock()
    monkeypatch.setattr(speed.time, 'perf_counter', lambda: clock.now)
    return clock


def test_rows_say_time_a_face_share_of_the_ceiling_and_times_the_reference(clock):
    cases = [Case('slow', clock.passes(8.0), 4, 2.0), Case('quick', clock.passes(1.0), 2, 1.0)]
    rows = timed('section', cases, 1, 'slow', Case('ceiling', clock.passes(2.0), 1, 4.0))
    slow, quick = rows
    assert slow == ('section', 'slow', pytest.approx(2000), pytest.approx(0.125), pytest.approx(1))
    assert quick == ('section', 'quick', pytest.approx(500), pytest.approx(0.5), pytest.approx(4))


def test_the_least_of_all_rounds_counts_and_the_first_run_does_not(clock):
    durations = iter([100.0, 5.0, 3.0, 4.0])

    def run():
        clock.now += next(durations)

    (row,) = timed('section', [Case('case', run, 1, 1.0)], 3, 'case')
    assert row.milliseconds == pytest.approx(3000) and row.share is None


def test_cases_take_turns(clock):
    order = []
    cases = [Case(name, lambda name=name: order.append(name), 1, 1.0) for name in 'ab']
    with pytest.raises(ZeroDivisionError):  # no time passes
        timed('section', cases, 2, 'a', Case('c', lambda: order.append('c'), 1, 1.0))
    assert ''.join(order) == 'cab' * 3


def test_a_case_that_is_far_slower_than_the_reference_is_timed_once(clock):
    order = []

    def case(name, seconds):
        passes = clock.passes(seconds)
        return Case(name, lambda: (order.append(name), passes()), 1, 1.0)

    cases = [case('a', 1.0), case('slow', 3.1), case('b', 3.0)]
    timed('section', cases, 3, 'a', case('ceiling', 4.0))
    assert [order.count(each.name) for each in cases] == [4, 2, 4]  # the first run is not timed
    assert order.count('ceiling') == 4


def test_arithmetic_counts_two_for_a_multiplication_and_addition():
    assert gflop(nn.Conv2d(3, 8, 5, padding=2), torch.rand(2, 3, 10, 10)) == 2 * 2 * 100 * 8 * 3 * 25 / 1e9


@pytest.mark.slow
def test_a_small_network_is_faster_than_a_large_one():
    networks = {
        'small': {'type': 'SubPixelResNet', 'channels': 4, 'blocks': 1},
        speed.REFERENCE: {'type': 'SubPixelResNet', 'channels': 64, 'blocks': 16},
    }
    small, large = inference_rows(networks, 2, 2)
    assert small.times > 1.2 and large.times == pytest.approx(1)
    assert 0 < large.share < 2 and small.section == 'inference, batch 2'


@pytest.mark.slow
def test_training_rows_of_a_model_of_either_kind(tmp_path):
    files = {}
    for name, source in (('ours', 'fhn_small'), (speed.REFERENCE, 'baselines/subpixel_resnet')):
        path = tmp_path / f'{name}.yml'
        base = speed.ROOT / f'options/{source}.yml'
        path.write_text(f'_base_: {base}\ndatasets: {{train: {{batch_size_per_gpu: 2}}}}\n')
        files[name] = str(path)
    rows = speed.training_rows(files, 1)
    assert [row.name for row in rows] == ['ours', speed.REFERENCE]
    assert all(row.milliseconds > 0 and row.share > 0 for row in rows)

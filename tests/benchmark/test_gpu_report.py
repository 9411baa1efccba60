"""Profiles: which kernels take the time, and for which part of it there is none."""

import pytest
import torch

from rim_plugin.benchmark import gpu_report
from rim_plugin.benchmark.gpu_report import idle_share, kernel_table


def test_idle_is_what_no_kernel_covers():
    assert idle_share([(0, 2), (1, 3), (5, 6), (5.5, 5.7), (9, 10)]) == pytest.approx(1 - 5 / 10)
    assert idle_share([(4, 8)]) == 0


def test_kernels_are_summed_by_name():
    lines = kernel_table([('conv', (0.0, 3000.0)), ('add', (3000.0, 4000.0)), ('conv', (6000.0, 8000.0))]).splitlines()
    assert lines[0] == f'3 kernels in {gpu_report.STEPS} steps; idle 25%'
    assert lines[-2:] == ['| conv | 2 | 5.00 | 83% |', '| add | 1 | 1.00 | 17% |']
    assert kernel_table([]) == 'The profiler sees no kernels here.\n'


def test_the_report_has_the_table_and_both_profiles(monkeypatch):
    monkeypatch.setattr(gpu_report, 'peak', lambda device: 100.0)
    monkeypatch.setattr(gpu_report, 'rows', lambda trainings, *rest: [])
    monkeypatch.setattr(gpu_report, 'profiled', lambda training, mode, batch, device: f'profile {mode}, {batch}\n')
    lines = []
    with torch.backends.cudnn.flags():
        text = gpu_report.measure(torch.device('cpu'), 1.0, 1.0, lines.append)
    assert text.startswith('bf16 peak: 100 TFLOP / s')
    assert text.endswith('profile as it is, fp32, 32\n\nprofile captured, bf16, 32\n') and len(lines) == 3

"""BasicSR without a GPU."""

import platform
import subprocess
import sys

import pytest
import torch

from rim_plugin.errors import OptionsError

from basicsr.utils import dist_util


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library')
def test_freed_tensors_are_not_fetched_from_the_system_again():
    program = """
import resource, torch
from rim_plugin.compat.devices import keep_memory

SIZE = 9 << 20  # 36 MiB: what is larger than 32 MiB the C library asks the system for each time

def faults():
    for _ in range(5):
        torch.ones(SIZE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):  # the heap may still grow once or twice
        torch.ones(SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults()
keep_memory()
print(plain, faults())
"""
    run = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    plain, kept = map(int, run.stdout.split())
    assert kept < 0.05 * plain


@pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without a GPU')
def test_a_launcher_that_cannot_work_is_refused_in_words(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(OptionsError, match='start the command with torchrun'):
        dist_util._init_dist_pytorch('nccl')
    with pytest.raises(OptionsError, match='no GPU on this node'):
        dist_util._init_dist_slurm('nccl')

"""Freed memory goes back to the system."""

import platform
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library')
def test_memory_between_blocks_in_use_goes_back():
    program = """
from rim_plugin.memory import give_back

def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096

blocks = [bytes(100_000) for _ in range(1000)]
blocks = blocks[::20]
before = resident()
give_back()
print(before - resident())
"""
    run = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 50_000_000

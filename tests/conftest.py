"""What all tests share: the plugin imported once, and the unpacked real faces."""

import gc
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL_FACES = ROOT / 'datasets' / 'raw'

# Compiled modules, and tests whose assertions pytest has rewritten, are kept with pytest's cache, also where the
# environment keeps none: compiling them is half of what a process does before its first test.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(ROOT / '.pytest_cache' / 'bytecode')
    os.environ['PYTHONPYCACHEPREFIX'] = sys.pycache_prefix
    os.environ.pop('PYTHONDONTWRITEBYTECODE', None)


def pytest_addoption(parser):
    parser.addoption('--kills', type=int, default=12, help='of tiny trainings, in the slow tests (12)')
    parser.addoption('--mutations', type=int, default=10, help='of every options file, in the slow tests (10)')


def pytest_configure(config):
    """Import the package, before BasicSR, in processes that run tests: with ``-n`` in pytest-xdist's workers alone."""
    if config.getoption('numprocesses', None) and not hasattr(config, 'workerinput'):
        import yapf  # noqa: F401  mmengine's: its first import writes a file of which two workers would read half

        return
    gc.disable()  # until all is imported, none of which is ever garbage: a sixth of the time that this takes
    config.pluginmanager.import_plugin('support.tiny_weights')
    import torch

    torch.set_num_threads(1)  # two pytest-xdist processes on two cores; more threads than cores are far slower


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(scope='session')
def real_faces():
    """Folder with the unpacked ``helen``, ``celeba``, ``lfw`` and ``faces128``; skips where it is absent."""
    if not all((REAL_FACES / name).is_dir() for name in ('helen', 'faces128')):
        pytest.skip(f'real faces are not unpacked in {REAL_FACES.relative_to(REAL_FACES.parents[1])} (see README)')
    return REAL_FACES

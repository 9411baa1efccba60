"""What all tests share: the plugin imported once, and the unpacked real faces."""

import gc
from pathlib import Path

import pytest

REAL_FACES = Path(__file__).parent.parent / 'datasets' / 'raw'


def pytest_addoption(parser):
    parser.addoption('--kills', type=int, default=12, help='of tiny trainings, in the slow tests (12)')
    parser.addoption('--mutations', type=int, default=10, help='of every options file, in the slow tests (10)')


def pytest_configure(config):
    """Import the package, before BasicSR, in processes that run tests: with ``-n`` in pytest-xdist's workers alone."""
    if config.getoption('numprocesses', None) and not hasattr(config, 'workerinput'):
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

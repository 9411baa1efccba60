"""What all tests share: the plugin imported once, and the unpacked real faces."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import rim_plugin  # noqa: F401  comes before BasicSR, which it patches

from basicsr.archs import build_network

pytest_plugins = ['support.tiny_weights']
torch.set_num_threads(1)  # two pytest-xdist processes on two cores; more threads than cores are far slower
REAL_FACES = Path(__file__).parent.parent / 'datasets' / 'raw'


@pytest.fixture(scope='session')
def real_faces():
    """Folder with the unpacked ``helen``, ``celeba`` and ``lfw``; skips where it is absent."""
    if not (REAL_FACES / 'helen').is_dir():
        pytest.skip(f'real faces are not unpacked in {REAL_FACES.relative_to(REAL_FACES.parents[1])} (see README)')
    return REAL_FACES


@pytest.fixture(scope='session')
def teacher(tmp_path_factory):
    """File of a MobileFaceNet's weights, random ones."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    save_file(build_network({'type': 'MobileFaceNet'}).state_dict(), path)
    return str(path)

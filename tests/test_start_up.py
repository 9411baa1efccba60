"""What is imported when: commands answer at once, inference loads neither BasicSR nor what only training needs."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Packages of others that one face needs, beside those which torch loads by itself.
OF_ONE_FACE = {'PIL', 'cv2', 'msgspec', 'numpy', 'safetensors'}
COMMANDS = (
    'train',
    'test',
    'hallucinate',
    'verify',
    'gallery',
    'export',
    'pack',
    'prepare',
    'benchmark',
    'info',
    'demo',
)
FACE = """
import numpy
from rim_plugin import RIM
RIM.from_pretrained(device='cpu').hallucinate(numpy.zeros((20, 20, 3), numpy.uint8))
"""
SHEETS = """
import cv2, numpy
from rim_plugin import RIM
from rim_plugin.tools.hallucinate_files import HallucinateOptions, hallucinate_files
cv2.imwrite(FILE, numpy.zeros((20, 20, 3), numpy.uint8))
hallucinate_files(RIM.from_pretrained(device='cpu'), [FILE], FOLDER, HallucinateOptions(compare=True, priors=True))
"""
CALLS = """
from rim_plugin import cli
for name, *arguments in CALLS:
    try:
        getattr(cli, name)(arguments)
    except SystemExit:
        pass
"""
LOADED = """
import json, sys
names = [name for name, module in sys.modules.items() if 'site-packages' in (getattr(module, '__file__', None) or '')]
print(json.dumps(names))
"""
# Each of these modules, imported first, gets BasicSR imported, or is imported by what patches it.
FIRST = """
import importlib, os, sys
import cv2, scipy.ndimage, skimage, torch, torchmetrics, torchvision
sys.path.insert(0, '.')
for name in NAMES:
    child = os.fork()
    if not child:
        importlib.import_module(name)
        import basicsr
        from basicsr.models.base_model import BaseModel
        os._exit(BaseModel.save_network.__wrapped__.__module__ != 'basicsr.models.base_model')
    if os.waitpid(child, 0)[1]:
        print(name)
"""


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def loaded(code: str) -> set[str]:
    """The packages of others that a fresh interpreter has loaded in the end; BasicSR's registries are a file alone."""
    names = set(json.loads(run(code + LOADED).splitlines()[-1])) - {'basicsr.utils.registry'}
    return {name.split('.')[0] for name in names if not name.startswith(('_', 'rim_plugin'))}


@pytest.mark.slow
def test_help_and_wrong_arguments_load_nothing():
    calls = [(name, argument) for name in COMMANDS for argument in ('--help', '--wrong')]
    calls += [('rim', *call) for call in calls] + [('rim', '--help'), ('rim', '--version'), ('rim', 'train', 'unknown')]
    assert loaded(f'CALLS = {calls}' + CALLS) == set()


@pytest.mark.slow
def test_the_list_of_a_gallery_loads_no_network(tmp_path):
    from support.galleries import SHA256, fill

    from rim_plugin.tools.gallery.opening import open_store

    index = tmp_path / 'index'
    with open_store(index, sha256=SHA256, make=True) as store:
        fill(store, ['Ada'])
    code = f'CALLS = [("rim", "gallery", "list", {str(index)!r})]' + CALLS
    assert run(code) == 'Ada\t1\n' and loaded(code) == {'numpy'}


@pytest.mark.parametrize(
    'argv', [['--help'], ['hallucinate', '--help'], ['hallucinate', '--wrong'], ['train', 'rim_dem']]
)
def test_rim_answers_at_once(argv):
    before = os.times()
    subprocess.run([sys.executable, '-m', 'rim_plugin', *argv], cwd=ROOT, capture_output=True)
    after = os.times()
    taken = sum(getattr(after, key) - getattr(before, key) for key in ('children_user', 'children_system'))
    assert taken < 0.4  # seconds of a core


@pytest.mark.slow
def test_one_face_loads_what_it_needs():
    assert loaded(FACE) - loaded('import torch') <= OF_ONE_FACE


@pytest.mark.slow
def test_sheets_load_no_metrics(tmp_path):
    code = f'FILE, FOLDER = {str(tmp_path / "a.png")!r}, {str(tmp_path / "out")!r}' + SHEETS
    assert loaded(code) - loaded('import torch') <= OF_ONE_FACE | {'tqdm'}
    assert {file.name for file in (tmp_path / 'out').iterdir()} == {'a.png', 'a_compare.png', 'a_priors.png'}


@pytest.mark.slow
def test_any_module_may_be_the_first():
    names = [
        'compat.loading',
        'options.arguments',
        'options.checking',
        'weights_file',
        'run_state',
        'models.networks',
        'archs.rrdbnet_x8_arch',
        'data.face_prior_dataset',
    ]
    assert run(f'NAMES = {[f"rim_plugin.{name}" for name in names]}' + FIRST) == ''


@pytest.mark.slow
def test_registering_the_networks_loads_no_optional_package():
    code = 'import rim_plugin, basicsr.archs\nbasicsr.archs.ARCH_REGISTRY.get("TimmRecogniser")\n'
    assert not loaded(code) & {'timm', 'huggingface_hub', 'onnx', 'onnxruntime', 'lpips', 'insightface'}

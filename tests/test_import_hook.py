"""How the package gets into BasicSR: registries, patches, and stand-ins for modules that are gone."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from rim_plugin import import_hook


def test_basicsr_imports():
    from basicsr.data.degradations import rgb_to_grayscale

    assert rgb_to_grayscale(torch.rand(1, 3, 2, 2), num_output_channels=1).shape == (1, 1, 2, 2)


def test_versions_compare_without_distutils(monkeypatch):
    monkeypatch.setitem(sys.modules, 'distutils', None)
    monkeypatch.setitem(sys.modules, 'distutils.version', None)
    import_hook._stub_distutils()
    from distutils.version import LooseVersion

    assert LooseVersion('0.29.1+cpu') >= LooseVersion('0.9.0')


def test_a_stand_in_of_somebody_else_is_left_alone(monkeypatch):
    theirs = types.ModuleType('functional_tensor')  # a workaround that many scripts begin with
    monkeypatch.setitem(sys.modules, 'torchvision.transforms.functional_tensor', theirs)
    import_hook._stub_functional_tensor()
    assert sys.modules['torchvision.transforms.functional_tensor'] is theirs


@pytest.mark.slow
def test_without_basicsr_its_import_says_so():
    code = """
import sys
sys.path = [path for path in sys.path if 'site-packages' not in path]
import rim_plugin
try:
    import basicsr.archs
except ModuleNotFoundError as error:
    print(error)
"""
    root = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, '-S', '-c', code], cwd=root, capture_output=True, text=True)
    assert done.stdout.startswith('BasicSR is not installed: '), done.stderr


@pytest.mark.slow
def test_registries_are_complete_before_basicsr_is_imported():
    code = """
import subprocess
import sys
import rim_plugin
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
names = [registry.get(name).__name__ for registry, name in (
    (ARCH_REGISTRY, 'FHN'), (ARCH_REGISTRY, 'MobileFaceNet'), (DATASET_REGISTRY, 'FacePriorDataset'),
    (LOSS_REGISTRY, 'HeatmapLoss'))]
assert 'basicsr' not in sys.modules and 'RIMModel' in MODEL_REGISTRY and 'basicsr' in sys.modules
import basicsr.utils.registry
assert basicsr.utils.registry.MODEL_REGISTRY is MODEL_REGISTRY
assert {'EDSR', 'TriPathGenerator', 'RRDBNetX8'} <= set(ARCH_REGISTRY.keys()) == set(dict(iter(ARCH_REGISTRY)))
print(names)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == "['FHN', 'MobileFaceNet', 'FacePriorDataset', 'HeatmapLoss']\n", done.stderr

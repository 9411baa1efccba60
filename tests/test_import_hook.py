"""How the package gets into BasicSR: registries, patches, and stand-ins for modules that are gone."""

import sys
import types

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

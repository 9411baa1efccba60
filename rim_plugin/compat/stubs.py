"""Stand-ins for two modules that BasicSR 1.4.2 imports and that newer torchvision and Python lack."""

import importlib
import importlib.util
import sys
import types
import warnings


def install() -> None:
    """Put the stand-ins into ``sys.modules``; has to come before the first ``import basicsr``."""
    _stub_functional_tensor()
    _stub_distutils()


def _stub_functional_tensor() -> None:
    """torchvision 0.17 removed ``transforms.functional_tensor``: ``import basicsr`` fails (BasicSR#663,
    Real-ESRGAN#783)."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms import functional

    stub = types.ModuleType(name, 'Stand-in for the removed torchvision module: what BasicSR takes from it.')
    vars(stub)['rgb_to_grayscale'] = functional.rgb_to_grayscale
    sys.modules[name] = stub


def _stub_distutils() -> None:
    """Python 3.12 removed ``distutils``, which BasicSR takes LooseVersion from (BasicSR#749); setuptools may bring
    it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            importlib.import_module('distutils.version')
    except ImportError:
        from packaging.version import Version

        version = types.ModuleType('distutils.version', 'Stand-in for the removed module: version comparison only.')
        vars(version)['LooseVersion'] = Version
        package = types.ModuleType('distutils', 'Stand-in for the removed package.')
        vars(package)['version'] = version
        sys.modules['distutils'], sys.modules['distutils.version'] = package, version

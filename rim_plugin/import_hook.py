"""How this package gets into BasicSR, which takes seconds to import and which inference does without.

BasicSR's registries are one small file. It is imported by itself, so that every module here can register its classes,
and a name that the registries do not know yet is looked for in this package first, then in BasicSR. BasicSR itself is
patched at the end of its own import, whoever asks for it, see :mod:`rim_plugin.compat`.
"""

import functools
import importlib
import sys
import types
import warnings
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from typing import Any

from rim_plugin.discovery import module_names

_REGISTRIES = 'basicsr.utils.registry'
# BasicSR's name of a registry: package and ending of the modules that register there, as in BasicSR itself
_PACKAGES = {
    'arch': ('archs', '_arch'),
    'dataset': ('data', '_dataset'),
    'loss': ('losses', '_loss'),
    'metric': ('evaluation.metrics', ''),
    'model': ('models', '_model'),
}


def install() -> None:
    """Complete BasicSR's registries, and patch BasicSR: now where it is being imported, as from a linked checkout
    (``scripts/link_basicsr.py``), else when it is. Where it is not installed, importing it says so."""
    registry = getattr(_import_registries(), 'Registry', None)
    if registry is None:
        sys.meta_path.insert(0, _AbsentFinder())  # before a folder of this name, as in a checkout, is taken for it
        return
    for lookup in ('get', '__contains__', '__iter__', 'keys'):
        setattr(registry, lookup, _discovering(getattr(registry, lookup)))
    if 'basicsr' in sys.modules:
        importlib.import_module('rim_plugin.compat')
    else:
        sys.meta_path.insert(0, _BasicSRFinder())


def _import_registries() -> Any:
    if _REGISTRIES not in sys.modules:
        package = find_spec('basicsr')
        spec = package and PathFinder.find_spec(
            _REGISTRIES, [f'{each}/utils' for each in package.submodule_search_locations or []]
        )
        if not spec or not spec.loader:
            return None
        sys.modules[_REGISTRIES] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_REGISTRIES])
    return sys.modules[_REGISTRIES]


def _discovering(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """A method of BasicSR's Registry that first imports what it may find: modules until the name is there, or all."""

    @functools.wraps(lookup)
    def complete(registry: Any, *names: str, **suffix: str) -> Any:
        package, ending = _PACKAGES.get(registry._name, ('', ''))
        known = registry._obj_map
        if package and not (names and names[0] in known):
            for module in [*module_names(f'rim_plugin.{package}', ending), 'basicsr']:
                importlib.import_module(module)
                if names and names[0] in known:
                    break
        return lookup(registry, *names, **suffix)

    return complete


class _AbsentFinder(MetaPathFinder):
    """Says that BasicSR is not installed."""

    def find_spec(self, name: str, *where: Any) -> None:
        if name == 'basicsr':
            message = 'BasicSR is not installed: scripts/run.sh does, or pip install basicsr'
            raise ModuleNotFoundError(message, name=name)


class _BasicSRFinder(MetaPathFinder):
    """Finds BasicSR where the other finders do."""

    def find_spec(self, name: str, *where: Any) -> ModuleSpec | None:
        if name != 'basicsr':
            return None
        specs = (finder.find_spec(name, *where) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec and spec.origin:
            spec.loader = _BasicSRLoader(name, spec.origin)
        return spec


class _BasicSRLoader(SourceFileLoader):
    def exec_module(self, module: types.ModuleType) -> None:
        _stub_functional_tensor()
        _stub_distutils()
        super().exec_module(module)
        vars(sys.modules['basicsr.utils'])['registry'] = sys.modules[_REGISTRIES]  # as if imported after its package
        importlib.import_module('rim_plugin.compat')


def _stub_functional_tensor() -> None:
    """torchvision 0.17 removed ``transforms.functional_tensor``: ``import basicsr`` fails (BasicSR#663,
    Real-ESRGAN#783)."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or find_spec(name) is not None:
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
        sys.modules['distutils'] = types.ModuleType('distutils', 'Stand-in for the removed package.')
        sys.modules['distutils.version'] = version

"""Finds the modules of a package by file name, as BasicSR does, so that a new file registers itself."""

import functools
import importlib
import pkgutil
from types import ModuleType


@functools.cache  # BasicSR's registries are asked some hundred times for each options file
def module_names(package: str, ending: str = '') -> tuple[str, ...]:
    """Full names of the modules of ``package`` whose names end with ``ending``, in alphabetical order."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__, f'{package}.')
    return tuple(sorted(module.name for module in modules if module.name.endswith(ending)))


def import_modules(package: ModuleType) -> None:
    """Import every module of ``package``."""
    for name in module_names(package.__name__):
        importlib.import_module(name)

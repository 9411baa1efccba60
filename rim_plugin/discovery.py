"""Finds the modules of a package by file name, as BasicSR does, so that a new file registers itself."""

import importlib
import pkgutil
from types import ModuleType


def module_names(package: str, ending: str = '') -> list[str]:
    """Full names of the modules of ``package`` whose names end with ``ending``, in alphabetical order."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__, f'{package}.')
    return sorted(module.name for module in modules if module.name.endswith(ending))


def import_modules(package: ModuleType) -> None:
    """Import every module of ``package``."""
    for name in module_names(package.__name__):
        importlib.import_module(name)

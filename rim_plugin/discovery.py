"""Imports the modules of a package by file name, as BasicSR does, so that a new file registers itself."""

import importlib
import pkgutil
from types import ModuleType


def import_modules(package: ModuleType, suffix: str = '') -> list[ModuleType]:
    """Import every module of ``package`` whose name ends with ``suffix``.

    Args:
        package: an imported package, e.g. ``rim_plugin.archs``.
        suffix: ``_arch``, ``_loss``, ``_dataset``, ``_model``; empty for all.

    Returns:
        The modules, in alphabetical order.
    """
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.name.endswith(suffix))
    return [importlib.import_module(f'{package.__name__}.{name}') for name in names]

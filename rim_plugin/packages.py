"""Packages that only some options need."""

import importlib
from types import ModuleType

from rim_plugin.errors import MissingPackage


def import_package(name: str, user: str, install: str = '') -> ModuleType:
    """An optional package by its name.

    Args:
        name: of the package.
        user: what needs it, for the message.
        install: what pip installs; empty for the package alone.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackage(f'{user} needs the package {name} ({error}): pip install {install or name}') from None

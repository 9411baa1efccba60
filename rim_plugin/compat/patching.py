"""Replacing a function of BasicSR everywhere it is known by name."""

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


def wrapped(original: Function, patch: Function) -> Function:
    """``patch`` in place of ``original``, which it is called with before the caller's arguments."""

    @functools.wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return patch(original, *args, **kwargs)

    return replacement


def replace(module: ModuleType, name: str, patch: Function) -> None:
    """Replace ``module.name`` by ``patch(original, ...)``, also where other loaded modules of BasicSR imported it.

    Args:
        module: where BasicSR defines it.
        name: its name there.
        patch: takes the original, then the original's arguments.
    """
    original = getattr(module, name)
    replacement = wrapped(original, patch)
    for other in list(sys.modules.values()):
        if _is_basicsr(other) and vars(other).get(name) is original:
            setattr(other, name, replacement)


def replace_method(cls: type, name: str, patch: Function) -> None:
    """Replace the method ``cls.name`` by ``patch(original, self, ...)``."""
    setattr(cls, name, wrapped(getattr(cls, name), patch))


def _is_basicsr(module: object) -> bool:
    # __main__ is BasicSR's train.py in a checkout of it
    name = getattr(module, '__name__', '')
    return name == 'basicsr' or name.startswith('basicsr.') or name == '__main__'

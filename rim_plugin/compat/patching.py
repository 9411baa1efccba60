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


def replaces(owner: ModuleType | type, name: str) -> Callable[[Function], Function]:
    """Decorator: the function, called with the original before its arguments, takes the place of ``owner.name``.

    A function of a module is also replaced where other loaded modules of BasicSR imported it.

    Args:
        owner: module or class where BasicSR defines it.
        name: its name there.
    """

    def replace(patch: Function) -> Function:
        original = getattr(owner, name)
        replacement = wrapped(original, patch)
        for holder in [owner, *filter(_is_basicsr, list(sys.modules.values()))]:
            if vars(holder).get(name) is original:
                setattr(holder, name, replacement)
        return patch

    return replace


def _is_basicsr(module: object) -> bool:
    # __main__ is BasicSR's train.py in a checkout of it
    name = getattr(module, '__name__', '')
    return name == 'basicsr' or name.startswith('basicsr.') or name == '__main__'

"""Replacing a function of BasicSR everywhere it is known by name."""

import functools
import sys


def replace(module, name, make):
    """Replace ``module.name`` by ``make(original)``, also where other loaded modules of BasicSR imported it.

    Args:
        module (module): where BasicSR defines it.
        name (str): its name there.
        make (callable): takes the original, returns the replacement.
    """
    original = getattr(module, name)
    replacement = functools.wraps(original)(make(original))
    for other in list(sys.modules.values()):
        if _is_basicsr(other) and vars(other).get(name) is original:
            setattr(other, name, replacement)


def replace_method(cls, name, make):
    """Replace the method ``cls.name`` by ``make(original)``."""
    original = getattr(cls, name)
    setattr(cls, name, functools.wraps(original)(make(original)))


def _is_basicsr(module):
    # __main__ is BasicSR's train.py in a checkout of it
    name = getattr(module, '__name__', '')
    return name == 'basicsr' or name.startswith('basicsr.') or name == '__main__'

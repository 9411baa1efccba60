"""Lets BasicSR 1.4.2 be built on Python 3.13 and later; scripts/run.sh puts this folder on that build's PYTHONPATH.

Its setup.py runs a file by ``exec`` and then looks for a variable of it in ``locals()``: from Python 3.13 on (PEP 667)
``exec`` in a function fills a copy of the local variables that nobody sees. Here it fills the function's own.
"""

import builtins
import sys
from typing import Any

_exec = builtins.exec


def _exec_in_place(code: Any, *namespaces: Any, **others: Any) -> None:
    caller = sys._getframe(1)
    _exec(code, *(namespaces or (caller.f_globals, caller.f_locals)), **others)


if sys.version_info >= (3, 13):
    builtins.exec = _exec_in_place

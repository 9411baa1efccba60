"""Every change to BasicSR 1.4.2 that today's torch, a CPU and an exact resume need. No fork, no vendored copy.

One small function a patch; each says why and, where there is one, which upstream thread asks for it. Patches replace
functions where BasicSR defines them and wherever a loaded module of BasicSR holds the same object, so that they also
work when ``rim_plugin`` is imported from inside a BasicSR checkout (``scripts/link_basicsr.py``), half way through the
import of ``basicsr.models`` and before ``basicsr.train`` exists.
"""

import importlib

from rim_plugin.compat import stubs

_PATCH_MODULES = ('devices', 'loading', 'checkpoints', 'training', 'launch')
_applied = False


def apply() -> None:
    """Make BasicSR importable, import it and patch it. Calling it again does nothing.

    Raises:
        ImportError: BasicSR is not installed (run ``scripts/run.sh``, or ``pip install basicsr``).
    """
    global _applied
    if _applied:
        return
    stubs.install()
    import basicsr  # noqa: F401  needs the stubs

    for name in _PATCH_MODULES:
        importlib.import_module(f'rim_plugin.compat.{name}').patch()
    _applied = True

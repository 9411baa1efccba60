"""Every change to BasicSR 1.4.2 that today's torch, a CPU and an exact resume need. No fork, no vendored copy.

Importing this package patches BasicSR. One small function a patch; each says why and, where there is one, which
upstream thread asks for it. Patches replace functions where BasicSR defines them and wherever a loaded module of
BasicSR holds the same object, so that they also work when ``rim_plugin`` is imported from inside a BasicSR checkout
(``scripts/link_basicsr.py``), half way through the import of ``basicsr.models`` and before ``basicsr.train`` exists.

What these modules import from the rest of ``rim_plugin`` imports BasicSR within functions only, or is itself imported
within one: whoever imports such a module first comes here, through BasicSR, before it is complete.
"""

from rim_plugin.compat import checkpoints, devices, launch, loading, resuming, training  # noqa: F401

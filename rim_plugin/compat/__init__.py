"""Every change to BasicSR 1.4.2 that today's torch, a CPU and an exact resume need. No fork, no vendored copy.

Importing this package patches BasicSR. One small function a patch; each says why and, where there is one, which
upstream thread asks for it. Patches replace functions where BasicSR defines them and wherever a loaded module of
BasicSR holds the same object, so that they also work when ``rim_plugin`` is imported from inside a BasicSR checkout
(``scripts/link_basicsr.py``), half way through the import of ``basicsr.models`` and before ``basicsr.train`` exists.

What is imported here from the rest of ``rim_plugin`` imports BasicSR only within functions: whoever imported such a
module first would otherwise come here, through BasicSR, before it is complete.
"""

from rim_plugin.compat import checkpoints, devices, launch, loading, training  # noqa: F401

import basicsr  # noqa: F401  before any module here, for the same reason

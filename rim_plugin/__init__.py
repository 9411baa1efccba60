"""Resolution Invariant Model (RIM) for BasicSR.

Importing this package makes BasicSR's registries know everything in it by name, and patches BasicSR. Neither BasicSR
nor torch is imported before something needs it.
"""

from typing import Any

from rim_plugin import import_hook

__version__ = '0.1.0'

import_hook.install()


def __getattr__(name: str) -> Any:
    """``rim_plugin.RIM``, ``load_detector`` and ``represent``, with which torch is imported."""
    if name == 'RIM':
        from rim_plugin.tools.api import RIM

        return RIM
    if name == 'load_detector':
        from rim_plugin.tools.detection import load_detector

        return load_detector
    if name == 'represent':
        from rim_plugin.tools.represent import represent

        return represent
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

"""Resolution Invariant Model (RIM) for BasicSR: importing this package registers everything in BasicSR's registries."""

from typing import Any

__version__ = '0.1.0'

from rim_plugin import compat

compat.apply()

from rim_plugin import archs, data, evaluation, losses, models  # noqa: F401


def __getattr__(name: str) -> Any:
    """``rim_plugin.RIM``, which training does without."""
    if name == 'RIM':
        from rim_plugin.tools.api import RIM

        return RIM
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

"""Resolution Invariant Model (RIM) for BasicSR: importing this package registers everything in BasicSR's registries."""

__version__ = '0.1.0'

from rim_plugin import compat  # noqa: E402  first: BasicSR 1.4.2 does not import on today's torchvision without it

compat.apply()

from rim_plugin import archs, data, losses, metrics, models  # noqa: E402,F401


def __getattr__(name):
    """``rim_plugin.RIM``, which training does without."""
    if name == 'RIM':
        from rim_plugin.tools.api import RIM
        return RIM
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

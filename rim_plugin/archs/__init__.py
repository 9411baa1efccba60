"""RIM's networks, registered in BasicSR's registry when this package is imported."""

import sys

from rim_plugin.discovery import import_modules

import_modules(sys.modules[__name__], '_arch')

"""RIM's metrics, one a file, registered when this package is imported."""

import sys

from rim_plugin.discovery import import_modules

import_modules(sys.modules[__name__])

"""The phases of RIM's training, one a file: a new file with a class of :class:`Phase` is a new phase."""

import sys

from rim_plugin.discovery import import_modules

import_modules(sys.modules[__name__])

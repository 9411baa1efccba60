"""RIM's datasets, which BasicSR's registry finds here by name, see :mod:`rim_plugin.import_hook`."""

"""``python -m rim_plugin``: the command ``rim``, as launchers of several processes want it."""

from rim_plugin.cli import rim

if __name__ == '__main__':
    rim()

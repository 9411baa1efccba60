"""``python -m rim_plugin.test -opt FILE``: BasicSR's test of trained networks with everything of rim_plugin registered.

``results/`` is made in the folder in which the command is called.
"""

import os

import rim_plugin  # noqa: F401  patches BasicSR and registers

from basicsr.test import test_pipeline


def main() -> None:
    """As ``sys.argv`` says."""
    test_pipeline(os.getcwd())


if __name__ == '__main__':
    main()

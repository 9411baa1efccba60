"""``python -m rim_plugin.train -opt FILE``: BasicSR's training with everything of rim_plugin registered.

``experiments/`` is made in the folder in which the command is called.
"""

import os

import rim_plugin  # noqa: F401  patches BasicSR and registers

from basicsr.train import train_pipeline


def main() -> None:
    """As ``sys.argv`` says."""
    train_pipeline(os.getcwd())


if __name__ == '__main__':
    main()

"""``python basicsr/train.py -opt FILE``, as in a checkout of BasicSR; ``experiments/`` lies beside ``basicsr/``."""

import os

import rim_plugin  # noqa: F401  patches BasicSR and registers

from basicsr.train import train_pipeline

if __name__ == '__main__':
    train_pipeline(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

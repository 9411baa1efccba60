"""``python basicsr/test.py -opt FILE``, as in a checkout of BasicSR; ``results/`` lies beside ``basicsr/``."""

import os

import rim_plugin  # noqa: F401  patches BasicSR and registers

from basicsr.test import test_pipeline

if __name__ == '__main__':
    test_pipeline(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

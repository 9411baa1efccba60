"""Distribution ``rim-plugin``, which pyproject.toml describes; ``scripts/run.sh`` makes an environment with pinned versions."""

import shutil
from pathlib import Path

from setuptools import setup

shutil.rmtree(
    Path(__file__).parent / 'build' / 'lib', ignore_errors=True
)  # an earlier version's modules would be packed

setup()

"""Distribution ``rim-plugin``, described by pyproject.toml; ``scripts/run.sh`` makes its environment."""

import shutil
from pathlib import Path

from setuptools import setup

shutil.rmtree(
    Path(__file__).parent / 'build' / 'lib', ignore_errors=True
)  # an earlier version's modules would be packed

setup()

"""Distribution ``rim-plugin``, described by pyproject.toml; ``scripts/run.sh`` makes its environment."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHARED = ('options', 'weights')  # see rim_plugin/shipped.py

shutil.rmtree(ROOT / 'build' / 'lib', ignore_errors=True)  # an earlier version's modules would be packed


class BuildWithFiles(build_py):
    """Packs the options files and the weights into the package; an editable installation finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in SHARED:
                shutil.copytree(ROOT / name, Path(self.build_lib, 'rim_plugin', 'share', name), dirs_exist_ok=True)


setup(cmdclass={'build_py': BuildWithFiles})

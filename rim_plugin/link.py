"""Makes an existing checkout of BasicSR train RIM: one file that BasicSR's own discovery of models picks up."""

import os
import subprocess
import sys
from pathlib import Path

from rim_plugin.errors import OptionsError

NAME = Path('basicsr', 'models', 'rim_plugin_model.py')
CONTENT = '''"""Registers rim_plugin. Made by its scripts/link_basicsr.py, whose --remove takes this file out again."""

import rim_plugin  # noqa: F401
'''
_MARKS = (Path('basicsr', 'train.py'), Path('basicsr', 'models', 'base_model.py'))
_REMEDIES = {
    'functional_tensor': 'this BasicSR is older than the installed torchvision. Either change, in '
    "{path}/basicsr/data/degradations.py, 'torchvision.transforms.functional_tensor' to "
    "'torchvision.transforms.functional', or train from {path} with: "
    'python -m rim_plugin.train -opt FILE',
    'distutils': 'this BasicSR is older than the installed Python. Either pip install setuptools, or train from {path} '
    'with: python -m rim_plugin.train -opt FILE',
    'basicsr.version': 'its version file is made by: cd {path} && python setup.py egg_info',
    "No module named 'rim_plugin'": 'rim_plugin is not installed for {python}: pip install it there',
}


def link(path: str) -> Path:
    """Add the file to the checkout at ``path``. Doing it again changes nothing.

    Returns:
        The file.

    Raises:
        OptionsError: not a BasicSR checkout, or another file of that name is there.
    """
    target = _target(path)
    if not target.exists():
        target.write_text(CONTENT, encoding='utf-8')
    elif not _is_ours(target):
        raise OptionsError(f'{target} is there already and was not made by this script; rename it first')
    return target


def unlink(path: str) -> None:
    """Undo :func:`link`; nothing happens where there is no such file.

    Raises:
        OptionsError: not a BasicSR checkout, or the file is not ours.
    """
    target = _target(path)
    if target.exists():
        if not _is_ours(target):
            raise OptionsError(f'{target} was not made by this script; it is left there')
        target.unlink()


def import_problem(path: str) -> str | None:
    """What keeps the checkout from importing together with rim_plugin, and the remedy; None where it imports.

    Args:
        path: the checkout; its own package is imported, in a process of its own.
    """
    folders = [os.path.abspath(path), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(folders))
    code = "import basicsr; from basicsr.utils.registry import MODEL_REGISTRY; assert 'RIMModel' in MODEL_REGISTRY"
    done = subprocess.run([sys.executable, '-c', code], cwd=path, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    error = (done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]
    remedy = next((text for word, text in _REMEDIES.items() if word in error), 'see its own requirements')
    return f'{error} -- {remedy.format(path=path, python=sys.executable)}'


def _target(path: str) -> Path:
    if not all(Path(path, mark).is_file() for mark in _MARKS):
        raise OptionsError(f'{path}: not a checkout of BasicSR (it has no {_MARKS[0]} with {_MARKS[1]})')
    return Path(path, NAME)


def _is_ours(target: Path) -> bool:
    return target.read_text(encoding='utf-8', errors='replace') == CONTENT

"""Programs of scripts/ as modules."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'scripts'


def load_script(name):
    """The module of ``scripts/NAME.py``, which may import others of the folder."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        spec.loader.exec_module(module)
    return module

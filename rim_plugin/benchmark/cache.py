"""Results of measurements, kept by the content of all that they depend on.

joblib.Memory keys a result by a function's source and arguments, diskcache by whatever it is given. Neither looks into
the files that an argument names, which is what most of this module is for, and both unpickle what they find.
"""

import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np

from rim_plugin.environment import installed_versions
from rim_plugin.files import update_digest, write_atomically

_PACKAGE = Path(__file__).parents[1]
_NOT_MEASURING = ('benchmark', 'cli', 'losses', 'models', 'tools')  # folders on which no measured value depends,
_BUT_MEASURING = ('benchmark/measure.py', 'models/networks.py')  # but for these files
_LIBRARIES = (
    'basicsr',
    'lpips',
    'numpy',
    'onnxruntime',
    'scikit-image',
    'torch',
    'torch-fidelity',
    'torchmetrics',
    'torchvision',
)


def content_key(*parts: Any) -> str:
    """A short name for ``parts`` (JSON values), the code that measures, and the content of every file they name."""
    digest = hashlib.sha256(code_version().encode())
    digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
    for path in sorted(set(_paths(parts))):
        digest.update(_content(path, _state(path)).encode())
    return digest.hexdigest()[:24]


@cache
def code_version() -> str:
    """SHA-256 of the modules, and of the versions of the libraries, on which a measured value depends."""
    versions = [cv2.__version__, installed_versions(_LIBRARIES)]
    digest = hashlib.sha256(json.dumps(versions).encode())
    for file in measuring_modules():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def measuring_modules() -> list[Path]:
    """The package's modules but those of :data:`_NOT_MEASURING`: a new folder counts until it is named there."""
    files = sorted(_PACKAGE.rglob('*.py'))
    kept = [file for file in files if file.relative_to(_PACKAGE).parts[0] not in _NOT_MEASURING]
    return [*kept, *(_PACKAGE / name for name in _BUT_MEASURING)]


def _paths(value: Any) -> Iterable[str]:
    """Texts in nested JSON values that are files or folders."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _paths(item)]
    path = os.path.expanduser(value) if isinstance(value, str) else ''
    return [path] if path and os.path.exists(path) else []


def _state(path: str) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of change: what shows that a file has to be read again."""
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _files(Path(path)))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob('*') if file.is_file() and file.name != 'lock.mdb')


@cache
def _content(path: str, state: tuple[tuple[str, int, int], ...]) -> str:
    """SHA-256 of a file's, or all of a folder's, names and bytes; ``state`` is what the cached answer holds for."""
    digest = hashlib.sha256()
    for file in _files(Path(path)):
        digest.update(file.relative_to(Path(path).parent).as_posix().encode())
        update_digest(digest, file)
    return digest.hexdigest()


class Cache:
    """Results in a folder: a JSON file each, with its arrays beside it.

    Args:
        folder: made when the first result comes.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def get(self, key: str) -> dict[str, Any] | None:
        """The result, with ``arrays`` as a dict of ndarray; None where there is none, or it is damaged."""
        path = self.folder / f'{key}.json'
        try:
            values = json.loads(path.read_text(encoding='utf-8'))
            with np.load(path.with_suffix('.npz'), allow_pickle=False) as arrays:
                return {**values, 'arrays': dict(arrays)}
        except (FileNotFoundError, EOFError, ValueError, BadZipFile, zlib.error):
            return None

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep a result: JSON values, and ``arrays``. It is there whole or not at all: the JSON file comes last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        values = dict(result)
        arrays = io.BytesIO()
        np.savez_compressed(arrays, **values.pop('arrays'))
        write_atomically(self.folder / f'{key}.npz', arrays.getvalue())
        write_atomically(self.folder / f'{key}.json', json.dumps(values, indent=1) + '\n')

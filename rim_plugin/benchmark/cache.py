"""Results of measurements, kept by the content of all that they depend on."""

import hashlib
import json
import os
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch

from rim_plugin.files import write_atomically

_PACKAGE = Path(__file__).parents[1]
_CODE = ('archs', 'compat', 'data', 'evaluation', 'models', 'pipeline.py', 'benchmark/measure.py')
_LIBRARIES = (torch.__version__, np.__version__, cv2.__version__, version('basicsr'))


def content_key(*parts):
    """A short name for ``parts`` (JSON values), the code that measures, and the content of every file they name."""
    digest = hashlib.sha256(code_version().encode())
    digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
    for path in sorted(set(_paths(parts))):
        digest.update(_content(path, *_state(path)).encode())
    return digest.hexdigest()[:24]


@lru_cache(maxsize=1)
def code_version():
    """SHA-256 of the modules, and the versions of the libraries, on which a measured value depends."""
    digest = hashlib.sha256(str(_LIBRARIES).encode())
    for place in _CODE:
        files = sorted((_PACKAGE / place).glob('*.py')) or [_PACKAGE / place]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _paths(value):
    """Texts in nested JSON values that are files or folders."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _paths(item)]
    path = os.path.expanduser(value) if isinstance(value, str) else None
    return [path] if path and os.path.exists(path) else []


def _state(path):
    """Sizes and times of change: what tells that a file has to be read again."""
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _files(path))


def _files(path):
    path = Path(path)
    return (
        [path]
        if path.is_file()
        else sorted(file for file in path.rglob('*') if file.is_file() and file.name != 'lock.mdb')
    )


@cache
def _content(path, *_state_of_files):
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(file.relative_to(Path(path).parent).as_posix().encode())
        with open(file, 'rb') as stream:
            digest.update(
                hashlib.file_digest(stream, 'sha256').digest()
                if hasattr(hashlib, 'file_digest')
                else hashlib.sha256(stream.read()).digest()
            )
    return digest.hexdigest()


class Cache:
    """Results in a folder: a JSON file each, with arrays beside it.

    Args:
        folder (str | Path): made when the first result comes.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def get(self, key):
        """The result (dict, with ``arrays`` as a dict of ndarray), or None."""
        path = self.folder / f'{key}.json'
        if not path.is_file():
            return None
        result = json.loads(path.read_text())
        with np.load(self.folder / f'{key}.npz', allow_pickle=False) as arrays:
            return {**result, 'arrays': dict(arrays)}

    def put(self, key, result):
        """Keep a result: JSON values, and ``arrays``. It is there whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f'.{key}.npz'
        with open(draft, 'wb') as stream:
            np.savez_compressed(stream, **result['arrays'])
        os.replace(draft, self.folder / f'{key}.npz')
        values = {name: value for name, value in result.items() if name != 'arrays'}
        write_atomically(self.folder / f'{key}.json', json.dumps(values, indent=1) + '\n')

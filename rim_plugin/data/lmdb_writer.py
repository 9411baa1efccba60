"""Writing encoded images in BasicSR's LMDB layout, and the same as a folder of files.

Both hold the same encoded bytes under the same keys and end with the same ``meta_info.txt``, written last: a store
without it is unfinished.
"""

import errno
import io
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from zlib import crc32

import lmdb
from PIL import Image

from rim_plugin.files import write_atomically

META_INFO = 'meta_info.txt'
_EXTENSIONS = {'JPEG': 'jpg', 'PNG': 'png'}
# BasicSR's reader wants ASCII keys and takes a name's key to end at its first dot; LMDB allows 511 bytes.
_KEY = re.compile(r'[!-\-/-~]{1,511}')
_PENDING_BYTES = 4 * 2**20

_Self = TypeVar('_Self', bound='ImageWriter')


def _extension_and_shape(encoded: bytes) -> tuple[str, tuple[int, int, int]]:
    """('jpg', (h, w, c)) from the header of an encoded image."""
    with Image.open(io.BytesIO(encoded)) as image:
        return _EXTENSIONS[str(image.format)], (image.height, image.width, len(image.getbands()))


class ImageWriter(ABC):
    """A context manager that stores encoded images and writes ``meta_info.txt`` when its block ends without exception.

    Args:
        path: the folder; made if absent, continued otherwise.
        level: the compression level (PNG) or quality (JPEG) to note in ``meta_info.txt``.
    """

    def __init__(self, path: str | os.PathLike[str], level: int = 1) -> None:
        self.path = Path(path)
        self.level = level

    def __enter__(self: _Self) -> _Self:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / META_INFO).unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.flush()
        if kind is None:
            headers = ((key, *_extension_and_shape(encoded), crc32(encoded)) for key, encoded in self._items())
            lines = [
                f'{key}.{extension} ({h},{w},{c}) {self.level} {crc:08x}\n'
                for key, extension, (h, w, c), crc in headers
            ]
            write_atomically(self.path / META_INFO, ''.join(lines))

    @abstractmethod
    def keys(self) -> set[str]:
        """The keys of the images that are on disk."""

    @abstractmethod
    def flush(self) -> None:
        """Bring what was given to disk."""

    @abstractmethod
    def _put(self, key: str, encoded: bytes) -> None: ...

    @abstractmethod
    def _items(self) -> Iterable[tuple[str, bytes]]:
        """Keys and images in the order of ``meta_info.txt``."""

    def put(self, key: str, encoded: bytes) -> None:
        """Store the bytes of a JPEG or PNG file under ``key``, replacing what was there.

        Raises:
            ValueError: ``key`` is not printable ASCII without dots and blanks, or is longer than 511 bytes.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(
                f'The key {key!r} must be 1 to 511 printable ASCII characters, no dot and no blank: '
                "BasicSR's reader takes no other."
            )
        self._put(key, bytes(encoded))


class LmdbWriter(ImageWriter):
    """Writes images to an LMDB as BasicSR reads it; the map grows as needed, and a stopped write can be taken up.

    On disk: a folder ``NAME.lmdb`` with ``data.mdb`` and ``meta_info.txt``, whose lines are ``key.ext (h,w,c) level
    CRC-32`` in the order of the keys; BasicSR reads the first word. As a context manager it commits what it was given
    in any case, and writes ``meta_info.txt`` only when its block ended without an exception.

    Args:
        path: the folder, ending in ``.lmdb``; made if absent, continued otherwise.
        level: the compression level (PNG) or quality (JPEG) to note in ``meta_info.txt``.
        map_size: bytes to begin with; doubled whenever the map is full.

    Raises:
        ValueError: ``path`` does not end in ``.lmdb``.
    """

    def __init__(self, path: str | os.PathLike[str], level: int = 1, map_size: int = 64 * 2**20) -> None:
        super().__init__(path, level)
        if self.path.suffix != '.lmdb':
            raise ValueError(f"BasicSR takes a folder for an LMDB only if its name ends in '.lmdb': {path}")
        self._map_size = map_size
        self._pending: dict[str, bytes] = {}

    def __enter__(self) -> 'LmdbWriter':
        super().__enter__()
        self._env = lmdb.open(str(self.path), map_size=self._map_size)
        return self

    def __exit__(self, *error: Any) -> None:
        with closing(self._env):
            super().__exit__(*error)

    def keys(self) -> set[str]:
        with self._env.begin() as transaction:
            return {key.decode() for key in transaction.cursor().iternext(values=False)}

    def _items(self) -> Iterator[tuple[str, bytes]]:
        with self._env.begin() as transaction:
            for key, encoded in transaction.cursor():
                yield key.decode(), encoded

    def _put(self, key: str, encoded: bytes) -> None:
        self._pending[key] = encoded
        if sum(map(len, self._pending.values())) > _PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Commit what is pending; on a full map, double it and commit again."""
        while self._pending:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, encoded in self._pending.items():
                        transaction.put(key.encode('ascii'), encoded)
                self._pending = {}
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()['map_size'])
            except lmdb.Error as error:
                wanted, self._pending = sum(map(len, self._pending.values())), {}
                if shutil.disk_usage(self.path).free < wanted:  # of which LMDB says "Input/output error"
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from None
                raise lmdb.Error(f'{self.path}: {error}') from None


class FolderWriter(ImageWriter):
    """The same as a folder: each image a file ``key.ext``, so that key and bytes equal those of :class:`LmdbWriter`."""

    def __enter__(self) -> 'FolderWriter':
        for leftover in self.path.rglob('*.tmp'):
            leftover.unlink()
        return super().__enter__()

    def flush(self) -> None:
        """Nothing is ever pending."""

    def _files(self) -> list[tuple[str, Path]]:
        files = {
            p.relative_to(self.path).with_suffix('').as_posix(): p
            for extension in _EXTENSIONS.values()
            for p in self.path.rglob(f'*.{extension}')
        }
        return sorted(files.items())

    def keys(self) -> set[str]:
        return {key for key, _ in self._files()}

    def _items(self) -> Iterator[tuple[str, bytes]]:
        return ((key, path.read_bytes()) for key, path in self._files())

    def _put(self, key: str, encoded: bytes) -> None:
        path = self.path / f'{key}.{_extension_and_shape(encoded)[0]}'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encoded)

"""Files that are there whole or not at all, a lock for those who change one at the same time, and metadata.

What commands need before they need networks: a library is imported where it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filelock import FileLock


_DRAFTS = '.*-*.tmp*'


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write bytes into, which takes the place of ``path`` when the block ends without an exception.

    A reader finds the old file or the new one, whole. Several may write at once. A file that is replaced keeps its
    permissions, a link to it stays a link.

    Raises:
        OSError: the disk is full, or the folder cannot be written to; names the file.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f'.{os.getpid()}-{threading.get_native_id()}.tmp')  # BasicSR passes over hidden names
    try:
        with open(draft, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    except OSError as error:
        if error.filename is None:  # of a full disk Python does not say which
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise
    finally:
        draft.unlink(missing_ok=True)


def remove_drafts(folder: Path, age: float = 3600, below: bool = True) -> None:
    """Remove what killed processes left of :func:`atomic_file` in a folder.

    Args:
        folder: may be absent.
        age: seconds; younger drafts may be those of a process on another machine.
        below: in its sub-folders, too.
    """
    for draft in folder.rglob(_DRAFTS) if below else folder.glob(_DRAFTS):
        process = draft.name[1:].partition('-')[0]
        with suppress(FileNotFoundError):  # another process may remove it, too
            if process.isdecimal() and time.time() - draft.stat().st_mtime >= age and not _is_alive(int(process)):
                draft.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a text or bytes to ``path``, see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Others who change the file ``path`` under this lock wait until the block ends; makes its folder.

    The lock is a hidden file beside it, which stays there; that of a killed process is open to the next one.

    Raises:
        OSError: the folder cannot be written to.
    """
    with lock_of(path):
        yield


def lock_of(path: str | os.PathLike[str]) -> FileLock:
    """The lock of :func:`locked`, not yet held; makes the folder.

    Raises:
        OSError: the folder cannot be made.
    """
    from filelock import FileLock

    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(target.with_name(f'.{target.name}.lock'))


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    update_digest(digest, path)
    return digest.hexdigest()


def update_digest(digest: hashlib._Hash, path: str | os.PathLike[str]) -> None:
    """Feed a file's content to a hash."""
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)


def require_folder(path: Path) -> None:
    """NotADirectoryError where ``path``, into which files are to be written, or what it is in, is a file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f'{place} is a file: name a folder to write into')


def require_writable(path: Path) -> None:
    """PermissionError where a file or folder, or the nearest one above it that is there, may not be written to: by its
    permissions, or on a disk that is for reading alone."""
    place = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not os.access(place, os.W_OK):
        raise PermissionError(f'{place} may not be written to')


def read_metadata(path: str | os.PathLike[str], name: str) -> dict[str, Any]:
    """The JSON object under ``name`` in the metadata of a ``.safetensors`` file; empty where it has none.

    Raises:
        OSError: the file may not be read, or is not there.
        ValueError: it is damaged or no such file.
    """
    from safetensors import SafetensorError, safe_open

    open(path, 'rb').close()  # safetensors calls a file that may not be read a missing one
    try:
        with safe_open(path, 'np') as file:
            return dict(json.loads((file.metadata() or {}).get(name, '{}')))
    except (SafetensorError, TypeError) as error:
        raise ValueError(str(error)) from None

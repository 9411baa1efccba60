"""Exported graphs, kept on disk by all that they depend on.

A file holds the SHA-256 of the graph and the graph: one that is damaged counts as absent. Whoever makes a graph keeps
others who want one waiting, so that none is made twice. Of old ones the least recently used go.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from rim_plugin.files import locked, write_atomically

KEPT = 32  # files, of 5 to 15 MB each for the weights of the repository
_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Where graphs are kept: ``$RIM_CACHE``, or ``rim_plugin`` in the user's folder for caches."""
    caches = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(os.environ.get('RIM_CACHE') or Path(caches, 'rim_plugin'))


def kept_graph(key: str) -> bytes | None:
    """The graph that is kept under a key; None where there is none, or a damaged one."""
    path = _path(key)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, graph = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(graph).digest() != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return graph


def kept_or_made(key: str, make: Callable[[], bytes]) -> bytes:
    """The graph of a key, made where none is kept; in a folder that cannot be written to, made each time."""
    graph = kept_graph(key)
    if graph is not None:
        return graph
    with locked(_path('graphs')) if _is_writable(cache_folder()) else nullcontext():
        graph = kept_graph(key)
        if graph is None:
            graph = make()
            with suppress(OSError):
                write_atomically(_path(key), hashlib.sha256(graph).digest() + graph)
                _remove_old()
    return graph


def _path(key: str) -> Path:
    return cache_folder() / f'{key}.graph'


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _remove_old() -> None:
    files = sorted(cache_folder().glob('[!.]*.graph'), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)

"""Pictures read ahead of the networks, and written behind them, in threads."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from PIL import Image

from rim_plugin.data.photo_files import Photo, read_photo
from rim_plugin.data.photo_writing import encode_photo
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import write_atomically

Job: TypeAlias = 'tuple[Path, Path]'  # path, target
Read: TypeAlias = 'tuple[Path, Path, Photo | UnreadableImage]'  # path, target, picture or why there is none
File: TypeAlias = 'tuple[Path, Photo]'  # to write
Item = TypeVar('Item')
_THREADS = 2  # that read, and that write: of more, some take the core that the networks have
_PICTURES_TO_WRITE = 64
_PIXELS_OF_A_PART = 4_000_000


def parts_of(jobs: Sequence[Job], most: int) -> Iterator[list[Job]]:
    """Jobs in parts of at most ``most`` pictures and, of more than one, 4 megapixels, as their headers have it."""
    part: list[Job] = []
    pixels = 0
    for job in jobs:
        size = _pixels(job[0])
        if part and (len(part) == most or pixels + size > _PIXELS_OF_A_PART):
            yield part
            part, pixels = [], 0
        part.append(job)
        pixels += size
    if part:
        yield part


def _pixels(path: Path) -> int:
    """By the header; 0 of what is no picture, which reading tells."""
    if not path.is_file():  # a pipe never comes to an end
        return 0
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except Exception:  # Pillow's readers of damaged files raise anything
        return 0


def read_ahead(parts: Iterator[list[Job]], check: Callable[[int, int], None]) -> Iterator[list[Read]]:
    """Part by part, (path, target) with the picture or why there is none; the next part is read meanwhile.

    Args:
        parts: paths and targets.
        check: see :func:`rim_plugin.data.photo_files.read_rgb`.
    """

    def read(path: Path) -> Photo | UnreadableImage:
        try:
            return read_photo(path, check)
        except UnreadableImage as error:
            return error

    with _threads() as pool:
        waiting: deque[tuple[list[Job], list[Future[Photo | UnreadableImage]]]] = deque()
        try:
            while True:
                while len(waiting) < 2 and (part := next(parts, None)):
                    waiting.append((part, [pool.submit(read, path) for path, _ in part]))
                if not waiting:
                    return
                part, futures = waiting.popleft()
                yield [(path, target, future.result()) for (path, target), future in zip(part, futures, strict=True)]
        finally:
            pool.shutdown(cancel_futures=True)


def _threads(count: int = _THREADS) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, initializer=_yield_to_networks)


def _yield_to_networks() -> None:
    """Have this thread, once it has work, wait for a core instead of taking that of the networks; Linux alone can, and
    not every sandbox lets it."""
    if sys.platform == 'linux':
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def one_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, none of which is None, one of them made ahead by a thread that has ``items`` to itself."""
    with _threads(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


class Writer:
    """Writes pictures in threads; as a context manager it ends when all are there. A bounded number waits.

    Raises:
        OSError: a picture could not be written, told with one of the next or at the end.
    """

    def __init__(self) -> None:
        self._pool, self._waiting = _threads(), deque[Future[None]]()

    def __enter__(self) -> Writer:
        return self

    def write(self, path: Path, photo: Photo) -> None:
        """Write a picture, see :func:`write_photo`, now or soon."""
        self.write_made(lambda: [(path, photo)])

    def write_made(self, make: Callable[[], Iterable[File]]) -> None:
        """Write what ``make`` gives, now or soon, in the thread that writes."""
        self._waiting.append(self._pool.submit(_write_made, make))
        while len(self._waiting) > _PICTURES_TO_WRITE:
            self._waiting.popleft().result()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._waiting:
                future.result()


def _write_made(make: Callable[[], Iterable[File]]) -> None:
    for path, photo in make():
        write_photo(path, photo)


def write_photo(path: Path, photo: Photo) -> None:
    """Write a picture in the format of the path's extension, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_photo(photo, path.suffix[1:]))

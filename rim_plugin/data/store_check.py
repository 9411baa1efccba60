"""Verifies a prepared face store face by face: what a training would meet after hours, if at all."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import lmdb
import numpy as np
from tqdm import tqdm

from rim_plugin.data.face_store import (
    SUFFIXES,
    FaceStore,
    Listed,
    lmdb_environment,
    margin_of,
    read_meta,
    read_settings,
    require_whole,
)
from rim_plugin.data.lmdb_writer import META_INFO
from rim_plugin.data.stored_image import decode_stored
from rim_plugin.data.stored_landmarks import beyond, load_landmarks
from rim_plugin.errors import OptionsError, UnreadableImage, first_words


class StoreReport(NamedTuple):
    """How many faces a store lists, and what is wrong: a line each, with the face where it is one's."""

    faces: int
    faults: list[str]


def check_store(root: str | os.PathLike[str]) -> StoreReport:
    """Read every face of a prepared store, its landmarks and parsing map.

    It does so in a process of its own, which damaged pages of an LMDB may end.

    Args:
        root: the store's folder.

    Raises:
        FileNotFoundError: there is no store, or it is unfinished.
    """
    _backend_of(Path(root))  # says what is missing before a process starts, which takes seconds
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        try:
            return pool.submit(inspect_store, Path(root)).result()
        except BrokenProcessPool:
            return StoreReport(0, [f'{root}: damaged so that reading it ends the process; prepare the faces again'])


def inspect_store(root: Path) -> StoreReport:
    """:func:`check_store` in this process."""
    backend = _backend_of(root)
    listed: dict[str, list[Listed]] = {}
    faults: list[str] = []
    for kind in ('gt', 'parsing'):
        folder = root / f'{kind}{SUFFIXES[backend]}'
        if not folder.exists():
            continue
        try:
            listed[kind] = read_meta(folder / META_INFO)
            if backend == 'lmdb':
                require_whole(folder)
            faults += _of_images(folder, kind, listed[kind])
        except (OSError, OptionsError, lmdb.Error) as error:
            faults.append(f'{folder}: {first_words(error)}')
    faces = listed.get('gt', [])
    keys = {each.key for each in faces}
    if {'gt', 'parsing'} <= listed.keys():
        faults += _not_in_step(keys, {each.key for each in listed['parsing']}, 'parsing map')
    faults += [*_of_landmarks(root, keys, faces[0].shape if faces else ()), *_of_settings(root, faces, backend)]
    return StoreReport(len(faces), list(dict.fromkeys(faults)))


def _of_images(folder: Path, kind: str, listed: list[Listed]) -> Iterator[str]:
    """What is wrong with the images of one kind."""
    stored = _Images(folder)
    keys = [each.key for each in listed]
    yield from (f'{key}: listed more than once in {folder / META_INFO}' for key in _repeated(keys))
    yield from (f'{key}: in {folder}, but not in its {META_INFO}' for key in sorted(stored.keys() - set(keys)))
    for each in tqdm(listed, unit='face', desc=kind):
        fault = _of_image(stored.read(each), kind, each)
        if fault:
            yield f'{each.key}: {kind}: {fault}'


def _of_image(encoded: bytes | None, kind: str, listed: Listed) -> str:
    """What is wrong with one image; empty for nothing."""
    if encoded is None:
        return 'listed, but not there'
    if listed.shape[2] != (channels := {'gt': 3, 'parsing': 1}[kind]):
        return f'listed with {listed.shape[2]} channels, not {channels}'
    try:
        decode_stored(encoded, kind, listed.shape, listed.crc)
    except UnreadableImage as error:
        return str(error)
    return ''


class _Images:
    """The images of one folder, an LMDB or files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = lmdb_environment(str(folder.resolve())) if folder.suffix == '.lmdb' else None

    def keys(self) -> set[str]:
        if self.environment is None:
            files = (path for path in self.folder.rglob('*.*') if path.suffix in ('.jpg', '.png'))
            return {path.relative_to(self.folder).with_suffix('').as_posix() for path in files}
        with self.environment.begin() as transaction:
            return {key.decode('ascii', 'replace') for key in transaction.cursor().iternext(values=False)}

    def read(self, listed: Listed) -> bytes | None:
        if self.environment is None:
            path = self.folder / f'{listed.key}.{listed.extension}'
            return path.read_bytes() if path.is_file() else None
        with self.environment.begin() as transaction:
            return transaction.get(listed.key.encode('ascii', 'replace')) if listed.key else None


def _of_landmarks(root: Path, keys: set[str], shape: tuple[int, ...]) -> Iterator[str]:
    wanted = _settings(root).get('num_landmarks')
    if wanted == 0:
        return
    if not (root / 'landmarks.npz').is_file():
        yield f'{root / "landmarks.npz"}: missing'
        return
    try:
        names, points = load_landmarks(root)
    except OptionsError as error:
        yield str(error)
        return
    yield from (f'{name}: landmarks: listed more than once' for name in _repeated(names))
    if shape:  # else the list of faces is not known
        yield from _not_in_step(keys, set(names), 'landmarks')
    finite = np.isfinite(points).all((1, 2))
    yield from (f'{name}: landmarks: not finite' for name, good in zip(names, finite) if not good)
    if shape:
        yield from (f'{name}: landmarks: far outside the image' for name in beyond(names, points, shape))
    if wanted is not None and points.shape[1] != wanted:
        yield f'{root / "landmarks.npz"}: {points.shape[1]} landmarks a face, prepared with {wanted}'


def _of_settings(root: Path, faces: list[Listed], backend: str) -> Iterator[str]:
    settings = _settings(root)
    if not settings:
        yield f'{root / "prepare.json"}: missing or damaged'
        return
    if settings.get('backend') != backend:
        yield f'{root / "prepare.json"}: backend {settings.get("backend")}, but the faces are in {backend}'
    size = settings.get('size')
    if not isinstance(size, int):
        yield f'{root / "prepare.json"}: size: {size}'
        return
    try:
        margin_of(root, size)
    except OptionsError as error:
        yield str(error)
    yield from (
        f'{each.key}: gt: listed as {each.shape[1]}x{each.shape[0]} pixels, prepared with --size {size}'
        for each in faces
        if each.shape[:2] != (size, size)
    )


def _settings(root: Path) -> dict[str, object]:
    try:
        return read_settings(root)
    except OptionsError:
        return {}


def _not_in_step(faces: set[str], others: set[str], what: str) -> Iterator[str]:
    yield from (f'{key}: no {what}' for key in sorted(faces - others))
    yield from (f'{key}: {what} without a face' for key in sorted(others - faces))


def _repeated(names: list[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _backend_of(root: Path) -> str:
    """Which of both a store is; FileNotFoundError where there is none."""
    backend = 'disk' if (root / 'gt' / META_INFO).is_file() else 'lmdb'
    if not (root / f'gt{SUFFIXES[backend]}' / META_INFO).is_file():
        FaceStore(root, backend)  # says what is missing
    return backend

"""The prepared face store: what rim prepare writes and the face datasets read.

A folder with::

    gt.lmdb/  or gt/             aligned faces, JPEG (or PNG) bytes, in BasicSR's layout
    parsing.lmdb/  or parsing/   parsing maps, 8-bit grey PNG whose values are the classes 0 to 10; optional
    landmarks.npz                names (N,) and points (N, L, 2) float32 in gt pixels; optional
    prepare.json                 how it was made: a run with other settings does not mix with it
    left_out.txt                 photo, reason and detail of each photo that is not in it, tab-separated

Each face has every prior or none has it. A key is the photo's path below its folder without extension, with all but
ASCII letters, digits, ``/ _ - ~`` percent-encoded, so that ``urllib.parse.unquote`` gives it back. While a store is
being written it has no ``gt*/meta_info.txt``, and ``landmarks.partial`` keeps the landmarks of the faces done so far.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import lmdb
import numpy as np

from rim_plugin.data.lmdb_writer import META_INFO
from rim_plugin.data.stored_image import decode_stored
from rim_plugin.data.stored_landmarks import beyond, read_landmarks
from rim_plugin.errors import OptionsError, UnreadableImage, first_words

SUFFIXES = {'lmdb': '.lmdb', 'disk': ''}


def face_key(name: str | os.PathLike[str]) -> str:
    """Key of a photo, given its path below its folder, with extension."""
    return quote(Path(name).with_suffix('').as_posix(), safe='/').replace('.', '%2E')


def read_settings(root: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``prepare.json`` says of the store at ``root``; empty where it is absent.

    Raises:
        OptionsError: it is damaged.
    """
    path = Path(root) / 'prepare.json'
    try:
        return dict(json.loads(path.read_text(encoding='utf-8')))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise OptionsError(f"'{path}' is damaged ({first_words(error)}); prepare the faces again") from None


def margin_of(root: Path, side: int) -> int:
    """Pixels on every side beyond the aligned window of faces of a side, as ``prepare.json`` has them.

    Raises:
        OptionsError: it has none that could be.
    """
    margin = read_settings(root).get('margin', 0)
    if type(margin) is not int or not 0 <= 2 * margin < side:
        raise OptionsError(f"'{root / 'prepare.json'}' is damaged (margin: {margin}); prepare the faces again")
    return margin


class Listed(NamedTuple):
    """A line of ``meta_info.txt``: key, extension, shape (h, w, c) and CRC-32 of an image; older lists have none."""

    key: str
    extension: str
    shape: tuple[int, ...]
    crc: int | None


def read_meta(path: Path) -> list[Listed]:
    """The images that a ``meta_info.txt`` lists, in order.

    Raises:
        OptionsError: it lists none, or a line is no ``NAME.jpg (H,W,3) QUALITY CRC``.
    """
    lines = path.read_text(encoding='ascii', errors='replace').splitlines()
    try:
        return [_listed(*line.split(' ')) for line in lines or ['']]
    except (IndexError, TypeError, ValueError):
        raise OptionsError(f"'{path}' does not list faces as NAME.jpg (H,W,3) QUALITY; prepare them again") from None


def _listed(name: str, shape: str, _quality: str = '', crc: str = '') -> Listed:
    """The words of a line."""
    height, width, channels = map(int, shape.strip('()').split(','))
    if min(height, width, channels) < 1:
        raise ValueError(shape)
    return Listed(name.split('.')[0], name.rsplit('.', 1)[1], (height, width, channels), int(crc, 16) if crc else None)


@functools.cache
def lmdb_environment(path: str) -> lmdb.Environment:
    """One environment per LMDB and process, since LMDB must not be opened twice in one."""
    return lmdb.open(path, readonly=True, lock=False, readahead=False)


def require_whole(folder: Path) -> None:
    """OptionsError where an LMDB lacks pages: reading one of these ends the process."""
    file = folder / 'data.mdb'
    try:
        environment = lmdb_environment(str(folder.resolve()))
    except lmdb.Error as error:
        raise OptionsError(f"'{file}' is no LMDB, or damaged ({first_words(error)}); prepare the faces again") from None
    needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
    if (size := file.stat().st_size) < needed:
        raise OptionsError(f"'{file}' has {size} of its {needed} bytes; copy it again, or prepare the faces again")


# An environment must not be used across a fork: a forked data worker opens its own.
os.register_at_fork(after_in_child=lmdb_environment.cache_clear)


class FaceStore:
    """Reads a prepared face store; LMDB is opened on first use, in each process by itself.

    Attributes:
        keys: the faces, in the order of ``meta_info.txt``.
        shape: (h, w, c) of the faces.
        landmarks: float32 (L, 2) in gt pixels.
        has_parsing: whether there are parsing maps.
        margin: pixels on every side beyond the aligned window; 0 where faces are that window.

    Args:
        root: the store's folder.
        backend: ``lmdb`` or ``disk``.

    Raises:
        FileNotFoundError: there is no such store, it has the other backend's form, or it is unfinished.
        OptionsError: it is damaged; the message names the file, and the face where it is one.
    """

    def __init__(self, root: str | os.PathLike[str], backend: str) -> None:
        self.root, self.backend = Path(root), backend
        meta = self._folder('gt') / META_INFO
        if not meta.is_file():
            raise FileNotFoundError(self._explain_absence())
        listed = read_meta(meta)
        self.keys, self.shape = [each.key for each in listed], listed[0].shape
        self._listed = {'gt': {each.key: each for each in listed}}
        if len(self._listed['gt']) < len(self.keys):
            raise OptionsError(f"'{meta}' lists a face more than once; rim prepare --check {self.root} names it")
        self.has_parsing = (self._folder('parsing') / META_INFO).is_file()
        if self.has_parsing:
            self._listed['parsing'] = {each.key: each for each in read_meta(self._folder('parsing') / META_INFO)}
        if backend == 'lmdb':
            for kind in ('gt', 'parsing') if self.has_parsing else ('gt',):
                require_whole(self._folder(kind))
        self.margin = margin_of(self.root, self.shape[0])
        self.landmarks = read_landmarks(self.root) if (self.root / 'landmarks.npz').is_file() else None
        if fault := self._fault_of_landmarks():
            raise OptionsError(f"'{self.root / 'landmarks.npz'}' {fault}; prepare the faces again")

    def _fault_of_landmarks(self) -> str:
        """What is wrong with the landmarks as a whole, in words; empty for nothing."""
        if not self.landmarks:
            return ''
        if absent := [key for key in self.keys if key not in self.landmarks]:
            return f"lacks the face '{absent[0]}'"
        points = np.stack([*self.landmarks.values()])
        if points.shape[1] != (wanted := read_settings(self.root).get('num_landmarks', points.shape[1])):
            return f'has {points.shape[1]} landmarks a face, prepared with {wanted}'
        far = beyond(list(self.landmarks), points, self.shape)
        return f"has landmarks of '{far[0]}' that lie far outside its image" if far else ''

    def _folder(self, kind: str) -> Path:
        return self.root / f'{kind}{SUFFIXES[self.backend]}'

    def _explain_absence(self) -> str:
        other = next(name for name in SUFFIXES if name != self.backend)
        if not self.root.is_dir():
            return f"'{self.root}': no such folder. Prepare it with rim prepare, or correct the path."
        if (self.root / f'gt{SUFFIXES[other]}' / META_INFO).is_file():
            return f"'{self.root}' holds no {self._folder('gt').name}. Set io_backend: type: {other}."
        if self._folder('gt').is_dir():
            return (
                f"'{self.root}' is unfinished. Run the rim prepare command that made it again: it "
                'goes on where it stopped.'
            )
        return f"'{self.root}' holds no {self._folder('gt').name}. Name the folder that rim prepare made."

    def read(self, kind: str, key: str) -> bytes:
        """Encoded image.

        Args:
            kind: ``gt`` or ``parsing``.
            key: one of ``keys``.

        Returns:
            The file's content.

        Raises:
            FileNotFoundError: the face is not there.
        """
        if self.backend == 'lmdb':
            with lmdb_environment(str(self._folder(kind).resolve())).begin() as transaction:
                encoded = transaction.get(key.encode('ascii'))
            if encoded is None:
                raise FileNotFoundError(f"'{self._folder(kind)}' holds no face '{key}', though its {META_INFO} does.")
            return encoded
        listed = self._listed[kind].get(key)
        path = self._folder(kind) / f'{key}.{listed.extension if listed else ""}'
        if not path.is_file():  # a pipe never comes to an end
            raise FileNotFoundError(f"'{path}' is not there")
        return path.read_bytes()

    def image(self, kind: str, key: str) -> np.ndarray:
        """Decoded image, see :func:`~rim_plugin.data.stored_image.decode_stored`; arguments as of :meth:`read`.

        Raises:
            OptionsError: it is not there or damaged; names store, face and remedy.
        """
        listed = self._listed[kind].get(key)
        try:
            return decode_stored(self.read(kind, key), kind, self.shape, listed and listed.crc)
        except (OSError, UnreadableImage, lmdb.Error) as error:
            raise OptionsError(
                f"{self.root}: the {kind} image of '{key}' cannot be used ({first_words(error)}): rim prepare --check "
                f'{self.root} tells all; remove the folder and prepare the faces again'
            ) from None

"""What every store of a gallery does, and what all of them share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np

from rim_plugin.errors import did_you_mean
from rim_plugin.names import same_name

AnyPath = str | os.PathLike[str]
EXACT = 4096  # photos up to which every embedding is compared
_RESCORED = 800  # least number of photos whose embeddings a search of many compares
ALIGNED = 'aligned'  # how faces are cut that are taken as they are
_TOLERANCE = 0.01  # of an embedding's length, which half precision and networks of other engines change a little


class GalleryError(ValueError):
    """A mistake about a gallery, in one line for the user."""


class NoSuchGallery(GalleryError):
    """There is none of that name."""


class Hit(NamedTuple):
    """A person found: rank from 1, name, cosine similarity of the person's best photo, that photo's file, side and
    quality."""

    rank: int
    name: str
    similarity: float
    file: str
    side: int
    quality: float | None = None


class Enrolled(NamedTuple):
    """A photo in the gallery.

    Attributes:
        name: whose it is.
        file: its path.
        side: of the face in pixels.
        quality: of the face, 0 to 1, see :mod:`rim_plugin.tools.quality`; None where it is not known.
    """

    name: str
    file: str
    side: int
    quality: float | None = None


class Store(Protocol):
    """A gallery: embeddings with names, made by one set of weights. Each call is one transaction.

    As a context manager it closes itself at the end.

    Every method raises :class:`GalleryError` where the store is damaged, cannot be reached or not be written.
    """

    sha256: str  # of the weights file

    def add(self, photos: Sequence[Enrolled], embeddings: np.ndarray, cut: str | None = None) -> None:
        """Enrol n photos with embeddings (n, D) of length 1; one of the same name and file is replaced.

        Args:
            photos: who is on them.
            embeddings: of their faces.
            cut: how the faces were cut, see :func:`cut_of`; None: not known.

        Raises:
            GalleryError: embeddings of another size, not finite or not of length 1, or of faces that were cut
                otherwise than the gallery's, see :func:`joined_cut`; nothing is enrolled then.
        """

    def remove(self, name: str) -> int:
        """Take a person out; returns the number of photos.

        Raises:
            GalleryError: nobody of that name is enrolled.
        """

    def people(self) -> dict[str, int]:
        """Each name, in alphabetical order, to the number of photos."""

    def size(self) -> int:
        """The number of photos."""

    def cut(self) -> str | None:
        """How all its faces were cut, see :func:`cut_of`; None: not known, or there has been none."""

    def search(self, embedding: np.ndarray, ranks: int = 5) -> list[Hit]:
        """The persons most like a face.

        Args:
            embedding: (D, ), of length 1.
            ranks: how many persons at most.

        Returns:
            Persons by falling similarity of their best photo: of all photos up to :data:`EXACT`, beyond that of those
            which the store's index finds.

        Raises:
            GalleryError: nobody is enrolled.
        """

    def close(self) -> None:
        """Free file or connection."""

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unit_rows(embeddings: np.ndarray, size: int, what: str) -> np.ndarray:
    """Embeddings as float32 (n, D), checked.

    Args:
        embeddings: (n, D).
        size: D, or 0 where any is right.
        what: whose they are, for the message.

    Raises:
        GalleryError: another D, or a row that is not finite or not of length 1.
    """
    rows = np.asarray(embeddings, np.float32)
    if rows.ndim != 2 or not rows.shape[1] or size not in (0, rows.shape[1]):
        raise GalleryError(f'{what}: embeddings {rows.shape}, and not (n, {size or "D"}): made by other weights')
    lengths = np.sqrt(np.einsum('nd,nd->n', rows, rows))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < _TOLERANCE))  # NaN, too
    if len(wrong):
        raise GalleryError(f'{what}: embedding {wrong[0]} has the length {lengths[wrong[0]]:.3g}, and not 1')
    return rows


def newest(photos: Sequence[Enrolled], embeddings: np.ndarray) -> tuple[list[Enrolled], np.ndarray]:
    """Photos and embeddings (n, D) without those that a later one of the same name and file replaces."""
    if len(photos) != len(embeddings):
        raise GalleryError(f'{len(photos)} photos with {len(embeddings)} embeddings')
    readable = [
        Enrolled(readable_text(name), readable_path(file), int(side), None if quality is None else float(quality))
        for name, file, side, quality in photos
    ]
    rows = {each[:2]: row for row, each in enumerate(readable)}
    return [readable[row] for row in rows.values()], embeddings[[*rows.values()]]


def readable_path(text: str) -> str:
    """A path that any store takes: as :func:`readable_text`, but in the form that finds the file."""
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace').replace('\0', '\\x00')


def readable_text(text: str) -> str:
    """A name that any store takes: in normal form C; bytes of a file's name that are no UTF-8, and NUL, become
    ``\\xNN``."""
    return same_name(readable_path(text))


def best_photos(found: Iterable[tuple[float, Enrolled]], ranks: int) -> list[Hit]:
    """The first ``ranks`` persons of photos that come by falling similarity; looks at no more photos than it needs."""
    hits: dict[str, Hit] = {}
    for similarity, photo in found:
        if photo.name not in hits:
            hits[photo.name] = Hit(len(hits) + 1, photo.name, similarity, *photo[1:])
            if len(hits) == ranks:
                break
    return list(hits.values())


def first_persons(found: Callable[[int], Iterable[tuple[float, Enrolled]]], photos: int, ranks: int) -> list[Hit]:
    """The first ``ranks`` persons of a gallery of ``photos``.

    Args:
        found: photos by falling similarity, of about as many of the nearest as it is told.
    """
    width = max(_RESCORED, 4 * ranks)
    while True:
        hits = best_photos(found(width), ranks)
        if len(hits) == ranks or width >= photos:
            return hits
        width *= 8  # few persons with many photos each


def check_weights(what: str, made_with: str, sha256: str | None) -> None:
    """Check that a gallery is of the weights in use; None: no face is compared.

    Raises:
        GalleryError: it is not.
    """
    if sha256 not in (None, made_with):
        raise GalleryError(
            f'{what}: made with other weights (SHA-256 {made_with[:12]}..., now {sha256[:12]}...), whose embeddings '
            'cannot be compared: name those by --weights, or enrol into a new gallery'
        )


def cut_of(detect: str | None) -> str:
    """How faces are cut, in a word.

    Args:
        detect: the detector's name, see :func:`rim_plugin.tools.detection.load_detector`; None or ``none``: pictures
            are aligned faces.

    Returns:
        :data:`ALIGNED`, or the name; of a model's file without its folder.
    """
    return ALIGNED if detect in (None, 'none') else readable_text(Path(detect).name)


def joined_cut(what: str, kept: str | None, photos: int, cut: str | None) -> str | None:
    """How the faces of a gallery are cut once others join them: known as long as it is of every face.

    Args:
        what: the gallery.
        kept: how its faces are cut; None: not known.
        photos: how many it has; any face may join none.
        cut: how the others are.

    Raises:
        GalleryError: they are cut otherwise.
    """
    if not photos:
        return cut
    if kept is None or cut is None:
        return None
    if kept != cut:
        raise GalleryError(
            f'{what}: its faces were cut by {by_option(kept)}, these by {by_option(cut)}: '
            f'enrol by {by_option(kept)}, or into a new gallery'
        )
    return kept


def by_option(cut: str) -> str:
    """A command's option that cuts faces so."""
    return f'--detect {"none" if cut == ALIGNED else cut}'


def no_such_gallery(what: str) -> NoSuchGallery:
    """What to say where there is none."""
    return NoSuchGallery(f'{what}: no such gallery; rim-gallery enrol makes one')


def nobody_enrolled(name: str, people: Iterable[str]) -> GalleryError:
    """What to say about a name that is none of the ``people``."""
    return GalleryError(f'{name}: nobody of that name is enrolled{did_you_mean(name, people)}')


def nobody_to_find() -> GalleryError:
    """What to say about a search of nobody."""
    return GalleryError('the gallery is empty: enrol somebody first')

"""A gallery of enrolled faces in one index file, and its search."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save

from rim_plugin.errors import UnreadableImage, did_you_mean
from rim_plugin.files import read_metadata, write_atomically

if TYPE_CHECKING:
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM

AnyPath = str | os.PathLike[str]


class GalleryError(ValueError):
    """A mistake about a gallery, in one line for the user."""


class Hit(NamedTuple):
    """A person found: rank from 1, name, cosine similarity of the person's best photo, that photo's file and side."""

    rank: int
    name: str
    similarity: float
    file: str
    side: int


class Enrolled(NamedTuple):
    """A photo in the gallery: whose it is, its file, and the side of the face in pixels."""

    name: str
    file: str
    side: int


class Gallery:
    """Embeddings with names, made by one set of weights.

    Args:
        sha256: of the weights file.
        photos: N photos.
        embeddings: float32 (N, D), of length 1.
    """

    def __init__(self, sha256: str, photos: Sequence[Enrolled] = (), embeddings: np.ndarray | None = None) -> None:
        self.sha256, self.photos = sha256, list(photos)
        self.embeddings = np.empty((0, 0), np.float32) if embeddings is None else embeddings
        self._most_photos = 0  # of one person; counted by the first search

    @classmethod
    def load(cls, path: AnyPath, sha256: str | None = None) -> Gallery:
        """The gallery in an index file.

        Args:
            path: the index.
            sha256: of the weights in use; None where no face is compared.

        Raises:
            GalleryError: no such file, no index, or one made with other weights.
        """
        if not Path(path).is_file():
            what = 'a folder; the gallery is a file, named first' if Path(path).is_dir() else 'no such gallery'
            raise GalleryError(f'{path}: {what}; rim-gallery enrol makes one')
        try:
            header = read_metadata(path, 'gallery')
            made_with, photos = header['sha256'], [Enrolled(*each) for each in header['photos']]
            embeddings = load_file(path)['embeddings']
        except (ValueError, KeyError, TypeError):
            raise GalleryError(
                f'{path}: damaged, or no gallery of rim-gallery: remove it, or name another file'
            ) from None
        if sha256 not in (None, made_with):
            raise GalleryError(
                f'{path}: made with other weights (SHA-256 {made_with[:12]}..., now '
                f'{sha256[:12]}...), whose embeddings cannot be compared: name those by --weights, or '
                'enrol into a new file'
            )
        return cls(made_with, photos, embeddings)

    def save(self, path: AnyPath) -> None:
        """Write the index; a reader finds the old one or the new one, whole."""
        header = json.dumps({'sha256': self.sha256, 'photos': self.photos})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({'embeddings': self.embeddings}, {'gallery': header}))

    def add(self, photos: Sequence[Enrolled], embeddings: np.ndarray) -> None:
        """Enrol photos with embeddings (n, D); one of the same name and file is replaced."""
        rows = {each[:2]: row for row, each in enumerate(photos)}  # of two that are the same, the last
        new, photos = set(rows), [photos[row] for row in rows.values()]
        kept = [index for index, each in enumerate(self.photos) if each[:2] not in new]
        old = [self.embeddings[kept]] if kept else []
        self.photos = [self.photos[index] for index in kept] + photos
        self.embeddings = np.concatenate([*old, np.asarray(embeddings, np.float32)[[*rows.values()]]])
        self._most_photos = 0

    def remove(self, name: str) -> int:
        """Take a person out; returns the number of photos.

        Raises:
            GalleryError: nobody of that name is enrolled.
        """
        kept = [index for index, each in enumerate(self.photos) if each.name != name]
        removed = len(self.photos) - len(kept)
        if not removed:
            raise GalleryError(f'{name}: nobody of that name is enrolled{did_you_mean(name, self.people())}')
        self.photos, self.embeddings = [self.photos[index] for index in kept], self.embeddings[kept]
        self._most_photos = 0
        return removed

    def people(self) -> dict[str, int]:
        """Each name, in alphabetical order, to the number of photos."""
        return dict(sorted(Counter(each.name for each in self.photos).items()))

    def search(self, embedding: np.ndarray, ranks: int = 5) -> list[Hit]:
        """The persons most like a face.

        Args:
            embedding: (D, ), of length 1.
            ranks: how many persons at most.

        Returns:
            Persons by falling similarity of their best photo.

        Raises:
            GalleryError: nobody is enrolled.
        """
        if not self.photos:
            raise GalleryError('the gallery is empty: enrol somebody first')
        self._most_photos = self._most_photos or max(self.people().values())
        count = min(ranks * self._most_photos, len(self.photos))  # as many photos hold that many persons, if there are
        best: dict[str, tuple[float, Enrolled]] = {}
        for similarity, index in zip(*_nearest(self.embeddings, embedding, count)):
            best.setdefault(self.photos[index].name, (similarity, self.photos[index]))
        return [
            Hit(rank, name, float(similarity), photo.file, photo.side)
            for rank, (name, (similarity, photo)) in enumerate(list(best.items())[:ranks], 1)
        ]


def _nearest(embeddings: np.ndarray, embedding: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Falling similarities (count, ) and rows (count, ) of the nearest embeddings."""
    similarities = embeddings @ embedding
    rows = np.argpartition(-similarities, count - 1)[:count]
    rows = rows[np.argsort(-similarities[rows], kind='stable')]
    return similarities[rows], rows


def gallery_photos(source: AnyPath) -> list[tuple[str, Path]]:
    """Who is on which photo.

    Args:
        source: a folder with a sub-folder for each person, photos directly in it being persons of their own names; or
            a text file with lines ``NAME<tab>PHOTO``, paths being relative to it.

    Returns:
        Name and photo.

    Raises:
        FileNotFoundError: no such folder or list, or a folder without photos.
        GalleryError: a line of the list is none.
    """
    from rim_plugin.data.prepare import find_photos

    source = Path(source)
    if source.is_dir():
        return [(path.parts[0] if len(path.parts) > 1 else path.stem, source / path) for path in find_photos(source)]
    if not source.is_file():
        raise FileNotFoundError(f'{source}: no such folder, nor a list of people')
    try:
        lines = source.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError:
        raise GalleryError(f'{source}: neither a folder nor a text file (UTF-8) with lines NAME<tab>PHOTO') from None
    people = []
    for number, line in enumerate(lines, 1):
        name, tab, photo = (part.strip() for part in line.partition('\t'))
        if line.strip() and not (name and photo):
            raise GalleryError(f'{source} line {number}: has to be NAME<tab>PHOTO')
        if line.strip():
            people.append((name, source.parent / photo))
    if not people:
        raise GalleryError(f'{source}: names nobody; lines are NAME<tab>PHOTO')
    return people


def enrol(gallery: Gallery, rim: RIM, source: AnyPath, detector: Detector | None = None) -> tuple[int, list[str]]:
    """Enrol all readable photos of a folder or list.

    Args:
        gallery: gets them.
        rim: embeds them.
        source: see :func:`gallery_photos`.
        detector: see :func:`rim_plugin.tools.photos.read_face`.

    Returns:
        How many were enrolled, and a line about each that was not.

    Raises:
        FileNotFoundError, GalleryError: as :func:`gallery_photos`; or not one photo can be used.
    """
    from tqdm import tqdm

    from rim_plugin.tools.photos import read_face

    people = gallery_photos(source)
    photos: list[Enrolled] = []
    embeddings, skipped = [], []
    with tqdm(total=len(people), unit='photo') as bar:
        for start in range(0, len(people), rim.batch):
            part = people[start : start + rim.batch]
            faces = []
            for name, path in part:
                try:
                    faces.append(read_face(path, detector))
                    photos.append(Enrolled(name, os.path.abspath(path), len(faces[-1])))
                except UnreadableImage as error:
                    skipped.append(str(error))
            embeddings.append(rim.embed(faces))
            bar.update(len(part))
    if not photos:
        raise GalleryError(f'{source}: not one photo can be used; the first: {skipped[0]}')
    gallery.add(photos, np.concatenate(embeddings))
    return len(photos), skipped

"""Who is on which photo, and enrolling them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from rim_plugin.errors import UnreadableImage
from rim_plugin.names import same_name
from rim_plugin.tools.gallery.store import ALIGNED, AnyPath, Enrolled, GalleryError, Store

if TYPE_CHECKING:
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM

_PART = 1024  # photos that are enrolled in one transaction


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
        photos = find_photos(source)
        return [(same_name(path.parts[0] if len(path.parts) > 1 else path.stem), source / path) for path in photos]
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
            people.append((same_name(name), source.parent / photo))
    if not people:
        raise GalleryError(f'{source}: names nobody; lines are NAME<tab>PHOTO')
    return people


Person: TypeAlias = 'tuple[str, Path]'  # name, photo


class Embedded(NamedTuple):
    """Photos that were embedded.

    Attributes:
        photos: those that could be used.
        embeddings: of each, (n, D).
        skipped: a line about each other one.
    """

    photos: list[Enrolled]
    embeddings: np.ndarray
    skipped: list[str]


def enrol(
    open_gallery: Callable[[], Store],
    rim: RIM,
    source: AnyPath,
    detector: Detector | None = None,
    min_quality: float | None = None,
    elsewhere: Callable[[Sequence[Person]], Iterator[Embedded]] | None = None,
    cut: str | None = None,
) -> tuple[int, list[str]]:
    """Enrol all readable photos of a folder or list, :data:`_PART` in a transaction: what is enrolled stays enrolled.

    Args:
        open_gallery: opens the gallery, called when the first photos are embedded: without any, none is made.
        rim: embeds them.
        source: see :func:`gallery_photos`.
        detector: see :func:`rim_plugin.tools.photos.read_faces`; photos with several faces are left out,
            unless one is much the largest.
        min_quality: see :meth:`rim_plugin.tools.api.RIM.no_face_reason`; pictures of less are left out, and those
            that are too small for any verdict.
        elsewhere: does :func:`embed_photos` with other processes, see :mod:`rim_plugin.tools.bulk`.
        cut: how the faces are cut, see :func:`rim_plugin.tools.gallery.store.cut_of`. Default: aligned where nothing
            detects them here or elsewhere, else not known.

    Returns:
        How many were enrolled, and a line about each that was not.

    Raises:
        FileNotFoundError, GalleryError: as :func:`gallery_photos`; not one photo can be used; or the gallery's faces
            are cut otherwise.
    """
    if cut is None and detector is None and elsewhere is None:
        cut = ALIGNED
    skipped: list[str] = []
    people = gallery_photos(source)
    parts = _parts(_embedded(rim, people, detector, min_quality, elsewhere), skipped)
    first = next(parts, None)
    if first is None:
        raise GalleryError(f'{source}: not one photo can be used; the first: {skipped[0]}')
    count = 0
    with open_gallery() as gallery:
        for part in chain([first], parts):
            photos = [photo for each in part for photo in each.photos]
            gallery.add(photos, np.concatenate([each.embeddings for each in part if each.photos]), cut)
            count += len(photos)
    return count, skipped


def _embedded(
    rim: RIM,
    people: Sequence[Person],
    detector: Detector | None,
    min_quality: float | None,
    elsewhere: Callable[[Sequence[Person]], Iterator[Embedded]] | None,
) -> Iterator[Embedded]:
    """Embeds photos, with a bar that moves as each is read here, or as parts come from elsewhere; see :func:`enrol`."""
    from tqdm import tqdm

    if elsewhere is None:
        yield from embed_photos(rim, tqdm(people, unit='photo'), detector, min_quality)
        return
    with tqdm(total=len(people), unit='photo') as bar:
        for each in elsewhere(people):
            bar.update(len(each.photos) + len(each.skipped))
            yield each


def _parts(embedded: Iterator[Embedded], skipped: list[str]) -> Iterator[list[Embedded]]:
    """Parts of :data:`_PART` photos or more, the last of fewer; appends to ``skipped`` a line about each photo that
    cannot be used."""
    part: list[Embedded] = []
    for each in embedded:
        skipped.extend(each.skipped)
        part.append(each)
        if _size(part) >= _PART:
            yield part
            part = []
    if _size(part):
        yield part


def _size(part: list[Embedded]) -> int:
    return sum(len(each.photos) for each in part)


def embed_photos(
    rim: RIM, people: Iterable[Person], detector: Detector | None, min_quality: float | None = None
) -> Iterator[Embedded]:
    """Embed the faces of photos, batch by batch.

    Args:
        rim: embeds them.
        people: see :func:`gallery_photos`.
        detector, min_quality: see :func:`enrol`.
    """
    for batch in in_batches(people, rim.batch):
        skipped: list[str] = []
        yield _examined(rim, *readable_faces(batch, detector, skipped), min_quality, skipped)


def in_batches(people: Iterable[Person], size: int) -> Iterator[Iterator[Person]]:
    """Batches, whose persons are taken one by one: a bar around ``people`` moves with each photo that is read."""
    coming = iter(people)
    for first in coming:
        yield chain([first], islice(coming, size - 1))


def readable_faces(
    batch: Iterable[Person], detector: Detector | None, skipped: list[str]
) -> tuple[list[Enrolled], list[np.ndarray]]:
    """Photos that can be used, and their faces; appends to ``skipped`` a line about each other one."""
    from rim_plugin.tools.photo_faces import only_face
    from rim_plugin.tools.photos import read_faces

    photos, faces = [], []
    for name, path in batch:
        try:
            faces.append(only_face(path, read_faces(path, detector)))
            photos.append(Enrolled(name, os.path.abspath(path), len(faces[-1])))
        except UnreadableImage as error:
            skipped.append(str(error))
    return photos, faces


def _examined(
    rim: RIM, photos: list[Enrolled], faces: list[np.ndarray], min_quality: float | None, skipped: list[str]
) -> Embedded:
    """The photos but those that are hardly faces, or too small; appends to ``skipped`` a line about each of these."""
    examined = rim.examine(faces)
    photos = [photo._replace(side=each.side, quality=each.quality) for photo, each in zip(photos, examined)]
    reasons = [
        rim.verdicts.too_small_reason(photo.side) or rim.no_face_reason(photo.side, photo.quality, min_quality)
        for photo in photos
    ]
    skipped.extend(f'{photo.file}: {reason}' for photo, reason in zip(photos, reasons) if reason)
    kept = [row for row, reason in enumerate(reasons) if not reason]
    embeddings = np.array([each.embedding for each in examined], np.float32)
    return Embedded([photos[row] for row in kept], embeddings[kept], skipped)

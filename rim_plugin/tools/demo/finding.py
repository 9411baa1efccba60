"""Two photos to a verdict, and a gallery of people to search: pictures in, what the page says out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.api import RIM, Verification
from rim_plugin.tools.demo.enlarging import faces_of
from rim_plugin.tools.gallery.identification import Identified, identify
from rim_plugin.tools.gallery.opening import open_store
from rim_plugin.tools.gallery.store import Enrolled, Store

_LARGEST = 224  # pixels of a face that is compared


class Answer(NamedTuple):
    """The answer to a search, and the enrolled faces of its hits, uint8 (q, q, 3) each."""

    identified: Identified
    faces: list[np.ndarray]


def largest_face(picture: np.ndarray, detector: Detector | None) -> np.ndarray:
    """The largest face of a picture, aligned, uint8 (q, q, 3), q at most 224.

    Raises:
        PhotoError: there is none.
    """
    return faces_of(picture, detector, _LARGEST)[0].image


def verdict_title(verdict: Verification) -> str:
    """The verdict in two words."""
    return 'No verdict' if verdict.same is None else 'Same person' if verdict.same else 'Different persons'


def describe_verdict(verdict: Verification) -> str:
    """The reasons of a verdict in one line of plain words."""
    sizes = f'faces of {verdict.sizes[0]} and {verdict.sizes[1]} pixels'
    if verdict.confidence is None or verdict.threshold is None:
        return f'{verdict.reason}: similarity {verdict.similarity:.2f} for {sizes}.'
    percent = 'more than 99' if verdict.confidence > 0.99 else f'{100 * verdict.confidence:.0f}'
    relation = 'reaches' if verdict.same else 'is below'
    return (
        f'Confidence {percent}%: similarity {verdict.similarity:.2f} {relation} the threshold '
        f'{verdict.threshold:.2f} for {sizes}.'
    )


def describe_answer(answer: Identified) -> str:
    """The answer to a search in one line of plain words."""
    if answer.reason:
        return f'No answer: {answer.reason}.'
    best = answer.hits[0]
    if answer.nobody:
        return f'Nobody in the gallery; most alike is {best.name}, similarity {best.similarity:.2f}.'
    return f'This is {answer.name}. Of people who are not in the gallery {answer.fpir:.0%} would be named, too.'


class People:
    """A gallery in a folder of its own: the faces that were added, and their embeddings.

    Args:
        rim: embeds the faces.
        folder: is made.
    """

    def __init__(self, rim: RIM, folder: str | os.PathLike[str]) -> None:
        self.rim, self.folder = rim, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, faces: list[np.ndarray]) -> None:
        """Enrol the faces of a person, aligned, uint8 (q, q, 3).

        Raises:
            ValueError: the name is empty.
        """
        name = ' '.join(name.split())
        if not name:
            raise ValueError('Give the person a name first')
        examined = self.rim.examine(faces)
        with self._open() as gallery:
            count = sum(gallery.people().values())
            files = [self.folder / f'{count + number}.png' for number in range(len(faces))]
            for file, face in zip(files, faces):
                Image.fromarray(face).save(file)
            photos = [Enrolled(name, str(file), each.side, each.quality) for file, each in zip(files, examined)]
            gallery.add(photos, np.array([each.embedding for each in examined]))

    def names(self) -> dict[str, int]:
        """Each name to the number of pictures."""
        with self._open() as gallery:
            return gallery.people()

    def search(self, face: np.ndarray, ranks: int = 3) -> Answer:
        """Who a face, uint8 (q, q, 3), is.

        Raises:
            GalleryError: nobody is enrolled.
        """
        with self._open() as gallery:
            identified = identify(self.rim, gallery, face, ranks=ranks)
        return Answer(identified, [read_rgb(hit.file) for hit in identified.hits])

    def _open(self) -> Store:
        return open_store(self.folder / 'people.rim', sha256=self.rim.weights.sha256, make=True)


def thumbnail(face: np.ndarray, side: int = 224) -> np.ndarray:
    """A face for display, uint8 (side, side, 3)."""
    return cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)

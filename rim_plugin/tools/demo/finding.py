"""Two photos to a verdict, and a gallery of people to search: pictures in, what the page says out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.api import RIM, Verification
from rim_plugin.tools.demo.enlarging import ALIGNED, faces_of
from rim_plugin.tools.gallery.opening import open_store
from rim_plugin.tools.gallery.store import Enrolled, Store
from rim_plugin.tools.hallucinate_files import write_png


class Match(NamedTuple):
    """A person found: name, the verdict on the two faces, and the enrolled face, uint8 (q, q, 3)."""

    name: str
    verdict: Verification
    face: np.ndarray


def largest_face(picture: np.ndarray, detector: Detector) -> np.ndarray:
    """The largest face of a picture, aligned, uint8 (q, q, 3), q at most 224.

    Raises:
        PhotoError: there is none.
    """
    return faces_of(picture, detector, ALIGNED)[0].image


def describe_verdict(verdict: Verification) -> str:
    """The verdict in one line of plain words."""
    percent = 'more than 99' if verdict.confidence > 0.99 else f'{verdict.confidence:.0%}'[:-1]
    relation = 'at or above' if verdict.same else 'below'
    return (
        f'Confidence {percent}%: similarity {verdict.similarity:.2f} is {relation} the threshold '
        f'{verdict.threshold:.2f} for faces of {verdict.sizes[0]} and {verdict.sizes[1]} pixels.'
    )


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
        embeddings = self.rim.embed(faces)
        with self._open() as gallery:
            count = sum(gallery.people().values())
            files = [self.folder / f'{count + number}.png' for number in range(len(faces))]
            for file, face in zip(files, faces):
                write_png(file, face)
            gallery.add([Enrolled(name, str(file), len(face)) for file, face in zip(files, faces)], embeddings)

    def names(self) -> dict[str, int]:
        """Each name to the number of pictures."""
        with self._open() as gallery:
            return gallery.people()

    def search(self, face: np.ndarray, ranks: int = 3) -> list[Match]:
        """The persons most like a face, uint8 (q, q, 3).

        Raises:
            GalleryError: nobody is enrolled.
        """
        with self._open() as gallery:
            hits = gallery.search(self.rim.embed(face), ranks)
        return [
            Match(hit.name, self.rim.judge(hit.similarity, (len(face), hit.side)), read_rgb(hit.file)) for hit in hits
        ]

    def _open(self) -> Store:
        return open_store(self.folder / 'people.rim', sha256=self.rim.weights.sha256, make=True)


def thumbnail(face: np.ndarray, side: int = 224) -> np.ndarray:
    """A face for display, uint8 (side, side, 3)."""
    return cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)

"""All faces of a photo, for comparing and enrolling: how many there are, and which is meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.detect import Detector, detect_faces
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.photos import cut_face, read_face

if TYPE_CHECKING:
    from rim_plugin.tools.api import RIM, Verification

_RIVAL = 0.5  # of the largest face's side: a face of that size and more may be the one that is meant


def read_faces(path: str | os.PathLike[str], detector: Detector | None = None) -> list[np.ndarray]:
    """An aligned face from a file, or the faces of a photo, the largest first.

    Args:
        path: the picture.
        detector: see :func:`rim_plugin.tools.cascade.load_detector`; None where the picture is an aligned face.

    Returns:
        At least one, uint8 (q, q, 3), RGB; of a photo at most 224 pixels.

    Raises:
        UnreadableImage: no picture, not square, or without a face.
    """
    if detector is None:
        return [read_face(path)]
    image = read_rgb(path)
    faces = []
    for points in detect_faces(detector, image):
        try:
            faces.append((np.ptp(points, 0).sum(), cut_face(image, points, 2 * FACE_SIZE).image))
        except ValueError:  # five points within four pixels: nothing to see
            continue
    if not faces:
        raise UnreadableImage(f'{path}: no face found; is it a photo of a face, upright?')
    return [face for _, face in sorted(faces, key=lambda each: -each[0])]


def only_face(path: str | os.PathLike[str], faces: Sequence[np.ndarray]) -> np.ndarray:
    """The largest of a photo's faces, where the others are much smaller.

    Raises:
        UnreadableImage: it cannot be told who is meant.
    """
    if len(faces) > 1 and len(faces[1]) >= _RIVAL * len(faces[0]):
        raise UnreadableImage(f'{path}: {len(faces)} faces found; cut out the one that is meant')
    return faces[0]


def compare_photos(
    rim: RIM,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    all_faces: bool = False,
    min_quality: float | None = None,
) -> list[tuple[tuple[int, int], Verification]]:
    """Compare the faces of two photos.

    Args:
        rim: judges them.
        first, second: see :func:`read_faces`.
        all_faces: every face of the one with every face of the other, instead of the first of each.
        min_quality: see :meth:`rim_plugin.tools.api.RIM.no_face_reason`.

    Returns:
        Numbers of the two faces, from 1, and what they are to each other.
    """
    if not all_faces:
        return [((1, 1), rim.verify(first[0], second[0], min_quality))]
    embeddings, qualities = (list(function([*first, *second])) for function in (rim.embed, rim.quality))
    sides, results = rim.sides([*first, *second]), []
    for a, b in product(range(len(first)), range(len(second))):
        c = len(first) + b
        similarity = float(embeddings[a] @ embeddings[c])
        results.append(
            ((a + 1, b + 1), rim.judge(similarity, (sides[a], sides[c]), (qualities[a], qualities[c]), min_quality))
        )
    return results

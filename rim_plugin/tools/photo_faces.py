"""All faces of a photo, for comparing and enrolling: how many there are, and which is meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from rim_plugin.errors import UnreadableImage

if TYPE_CHECKING:
    from rim_plugin.tools.api import RIM, Verification

_RIVAL = 0.5  # of the largest face's side: a face of that size and more may be the one that is meant


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
        first, second: see :func:`rim_plugin.tools.photos.read_faces`.
        all_faces: every face of the one with every face of the other, instead of the first of each.
        min_quality: see :meth:`rim_plugin.tools.api.RIM.no_face_reason`.

    Returns:
        Numbers of the two faces, from 1, and what they are to each other.
    """
    if not all_faces:
        return [((1, 1), rim.verify(first[0], second[0], min_quality))]
    faces, results = rim.examine([*first, *second]), []
    for (row, a), (column, b) in product(enumerate(faces[: len(first)], 1), enumerate(faces[len(first) :], 1)):
        similarity = float(a.embedding @ b.embedding)
        verdict = rim.judge(similarity, (a.side, b.side), (a.quality, b.quality), min_quality)
        results.append(((row, column), verdict))
    return results

"""The faces of a photo with their embeddings, as users of DeepFace and insightface expect them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import AnyPicture, as_rgb
from rim_plugin.tools.api import RIM
from rim_plugin.tools.detection import load_detector
from rim_plugin.tools.photos import find_faces


class Representation(NamedTuple):
    """A face of a photo.

    Attributes:
        embedding: float32 (D, ), of length 1; the product of two is their similarity.
        box: float64 (4, ), left, top, right, bottom in pixels of the photo.
        points: float64 (5, 2), left eye, right eye, nose, left and right mouth corner in pixels of the photo.
        score: how sure the detector is, 0 to 1; NaN of one that does not say, and of an aligned face.
        side: pixels of the aligned face in the photo.
    """

    embedding: np.ndarray
    box: np.ndarray
    points: np.ndarray
    score: float
    side: int


def represent(rim: RIM, picture: AnyPicture, detector: Detector | None = None) -> list[Representation]:
    """The faces of a photo, from left to right, but those in doubt.

    Args:
        rim: with a recogniser.
        picture: a path, uint8 RGB (H, W, 3), or one of Pillow's.
        detector: see :func:`rim_plugin.tools.detection.load_detector`. Default: ``auto``.

    Raises:
        UnreadableImage: the path's picture cannot be read.
        ValueError: no picture, or the weights have no recogniser.
    """
    detector = detector or load_detector('auto')
    faces = [face for face in find_faces(as_rgb(picture), detector, 2 * FACE_SIZE) if not face.doubt]
    embeddings = rim.embed([face.image for face in faces])
    return [
        Representation(embedding, face.box, face.points, face.score, round(face.side))
        for embedding, face in zip(embeddings, faces)
    ]

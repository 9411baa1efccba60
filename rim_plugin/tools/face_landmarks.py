"""RIM's landmark path on faces of photos: where their five points are, and how sure it is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from rim_plugin.data.alignment import align_face, alignment_template, warp_points
from rim_plugin.data.landmarks import five_points
from rim_plugin.tools.api import RIM, landmark_network

_SIZE = 56  # pixels of the aligned faces in which landmarks are found
SMALLEST_PHOTO = 24  # pixels; a smaller square picture has room for nothing but an aligned face
_ALIGNED = 0.27  # certainty that aligned faces have, 19 of 20 from .29 on; of whole photos 19 of 20 have .26 at most


class Seen(NamedTuple):
    """What the landmark path sees of a face.

    Attributes:
        points: float64 (5, 2), left eye, right eye, nose, left and right mouth corner in pixels of the photo.
        peaks: (L, ), heights of the landmarks' heatmaps.
    """

    points: np.ndarray
    peaks: np.ndarray

    @property
    def certainty(self) -> float:
        """Mean of the lowest three tenths of the peaks: in what only resembles a face some landmarks have none."""
        return certainty(self.peaks)


def certainty(peaks: np.ndarray) -> float:
    """Of landmarks whose heatmaps have these peaks (L, ), see :class:`Seen`."""
    return float(np.sort(peaks)[: max(len(peaks) * 3 // 10, 1)].mean())


def has_landmarks(rim: RIM) -> bool:
    """Whether the weights have a landmark path."""
    try:
        return rim.priors(np.zeros((8, 8, 3), np.uint8), parsing=False).landmarks is not None
    except ValueError:
        return False


def see_landmarks(rim: RIM, photo: np.ndarray, starts: Sequence[np.ndarray]) -> list[Seen]:
    """Landmarks of the faces that lie about where five points each say.

    Args:
        rim: with a hallucination network.
        photo: uint8 (H, W, 3), RGB.
        starts: (5, 2) each, the points of a detector.

    Returns:
        One for each face; none where the weights have no landmark path.

    Raises:
        ValueError: the points lie within four pixels.
    """
    faces = [align_face(photo, points, _SIZE) for points in starts]
    priors = rim.priors([face for face, _ in faces], parsing=False)
    return [
        Seen(_in_photo(each.landmarks, matrix, rim.image_size), each.peaks)
        for each, (_, matrix) in zip(priors, faces)
        if each.landmarks is not None and each.peaks is not None
    ]


def certainties(rim: RIM, faces: Sequence[np.ndarray]) -> list[float]:
    """Of the landmarks of aligned faces, uint8 (q, q, 3) each; NaN where the weights have no landmark path."""
    small = [align_face(face, alignment_template(len(face)), _SIZE)[0] for face in faces]
    return [math.nan if each.peaks is None else certainty(each.peaks) for each in rim.priors(small, parsing=False)]


def hardly_aligned(pictures: Sequence[np.ndarray]) -> list[bool]:
    """Whether pictures that are said to be aligned faces, uint8 (q, q, 3) each, hardly look like some.

    Smaller ones than photos with a face are taken at the word.
    """
    doubtful = [len(picture) >= SMALLEST_PHOTO for picture in pictures]
    looked_at = [picture for picture, asked in zip(pictures, doubtful) if asked]
    seen = iter(certainties(landmark_network(), looked_at) if looked_at else ())
    return [asked and next(seen) < _ALIGNED for asked in doubtful]


def _in_photo(landmarks: np.ndarray, matrix: np.ndarray, image_size: int) -> np.ndarray:
    landmarks = (landmarks + 0.5) * (_SIZE / image_size) - 0.5
    return warp_points(five_points(landmarks), cv2.invertAffineTransform(matrix)).astype(float)

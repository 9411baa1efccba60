"""RIM's landmark path on faces of photos: where their five points are, and how sure it is."""

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
        return float(np.sort(self.peaks)[: max(len(self.peaks) * 3 // 10, 1)].mean())


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
    return see_each(rim, [(photo, points) for points in starts])


def see_each(rim: RIM, starts: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Seen]:
    """:func:`see_landmarks` of faces of several photos: of each its photo and where the points are."""
    faces = [align_face(photo, points, _SIZE) for photo, points in starts]
    priors = rim.priors([face for face, _ in faces], parsing=False)
    return [
        Seen(_in_photo(each.landmarks, matrix, rim.image_size), each.peaks)
        for each, (_, matrix) in zip(priors, faces)
        if each.landmarks is not None and each.peaks is not None
    ]


def see_aligned(rim: RIM, picture: np.ndarray) -> Seen:
    """Landmarks of a picture, uint8 (q, q, 3), that is looked at as an aligned face; ``rim`` has a landmark path."""
    return see_landmarks(rim, picture, [alignment_template(len(picture))])[0]


def hardly_aligned(picture: np.ndarray) -> bool:
    """Whether a picture that is said to be an aligned face, uint8 (q, q, 3), hardly looks like one.

    A smaller one than photos with a face is taken at the word.
    """
    return len(picture) >= SMALLEST_PHOTO and see_aligned(landmark_network(), picture).certainty < _ALIGNED


def _in_photo(landmarks: np.ndarray, matrix: np.ndarray, image_size: int) -> np.ndarray:
    landmarks = (landmarks + 0.5) * (_SIZE / image_size) - 0.5
    return warp_points(five_points(landmarks), cv2.invertAffineTransform(matrix)).astype(float)

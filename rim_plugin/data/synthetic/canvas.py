"""An antialiased canvas: drawn at twice the size, then averaged down."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import ArrayLike

_ZOOM = 2
_SHIFT = 4  # fractional bits of the points that cv2 takes
LIT = 255


def mix(first: ArrayLike, second: ArrayLike, weight: float) -> np.ndarray:
    """Colour between two: ``weight`` (0 to 1) of the second."""
    return np.asarray(first, float) * (1 - weight) + np.asarray(second, float) * weight


def _fixed_point(points: ArrayLike, zoom: int = _ZOOM) -> np.ndarray:
    """Picture points (N, 2) to cv2's fixed-point points on a canvas ``zoom`` times as large, pixel centres kept."""
    return np.rint(((np.asarray(points) + 0.5) * zoom - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _colour(colour: ArrayLike, shading: int) -> tuple[float, ...]:
    return (*np.clip(colour, 0, 255).tolist(), shading)


class Canvas:
    """RGB picture with a fourth channel, the shading weight: how much of the light and the skin's grain a pixel takes.

    Points and radii are given in pixels of the picture, colours as RGB in 0 to 255, shading weights in 0 (unlit) to
    255.

    Args:
        picture: uint8 (size, size, 4), what is drawn upon.
    """

    def __init__(self, picture: np.ndarray) -> None:
        self._size = len(picture)
        self._image = cv2.resize(picture, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_NEAREST)

    def fill(self, points: np.ndarray, colour: ArrayLike, shading: int = LIT) -> None:
        """Fill a polygon (N, 2)."""
        cv2.fillPoly(self._image, [_fixed_point(points)], _colour(colour, shading), cv2.LINE_AA, _SHIFT)

    def stroke(
        self, curves: Sequence[np.ndarray] | np.ndarray, colour: ArrayLike, width: float = 1, shading: int = LIT
    ) -> None:
        """Draw curves (N, 2); ``width`` counts half pixels of the picture."""
        points = _fixed_point(np.concatenate(curves))  # at once: curves come by the hundred
        ends = np.cumsum([len(curve) for curve in curves]).tolist()
        lines = [points[start:end] for start, end in zip([0, *ends], ends)]
        thickness = max(1, round(width))
        cv2.polylines(self._image, lines, False, _colour(colour, shading), thickness, cv2.LINE_AA, _SHIFT)

    def dot(self, centre: ArrayLike, radius: float, colour: ArrayLike, shading: int = LIT) -> None:
        """A disc."""
        x, y = _fixed_point(centre).tolist()
        fixed_radius = round(radius * _ZOOM * (1 << _SHIFT))
        cv2.circle(self._image, (x, y), fixed_radius, _colour(colour, shading), -1, cv2.LINE_AA, _SHIFT)

    @contextmanager
    def inside(self, polygon: np.ndarray, soft: float = 0.0) -> Iterator[None]:
        """What is drawn in the block shows only inside ``polygon`` (N, 2), fading over ``soft`` pixels at its edge."""
        before = self._image.copy()
        yield
        outside = np.full(before.shape[:2], 255, np.uint8)
        cv2.fillPoly(outside, [_fixed_point(polygon)], 0, cv2.LINE_8, _SHIFT)
        if soft:
            weight = cv2.GaussianBlur(outside, (0, 0), soft * _ZOOM).astype(np.float32) / 255
            self._image = cv2.blendLinear(before, self._image, weight, 1 - weight)
        else:
            cv2.copyTo(before, outside, self._image)

    def finish(self) -> np.ndarray:
        """The picture and its shading weights, uint8 (size, size, 4)."""
        return cv2.resize(self._image, (self._size, self._size), interpolation=cv2.INTER_AREA)


def fill_classes(size: int, layers: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Parsing map uint8 (size, size) from (polygon (N, 2), class) pairs, painted in order.

    A pixel has the class at its centre: cv2 also fills every pixel that an edge touches, so the map is drawn at three
    times the size and read at the pixels' centres.
    """
    parsing = np.zeros((3 * size, 3 * size), np.uint8)
    for polygon, number in layers:
        cv2.fillPoly(parsing, [_fixed_point(polygon, 3)], number, cv2.LINE_8, _SHIFT)
    return np.ascontiguousarray(parsing[1::3, 1::3])

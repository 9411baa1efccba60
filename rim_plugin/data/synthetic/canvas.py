"""An antialiased canvas: drawn at twice the size, then averaged down."""

from collections.abc import Iterable, Sequence
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import ArrayLike

_SHIFT = 4  # fractional bits of the points that cv2 takes
LIT = 255


def mix(first: ArrayLike, second: ArrayLike, weight: float) -> np.ndarray:
    """Colour between two: ``weight`` (0 to 1) of the second."""
    return np.asarray(first, float) * (1 - weight) + np.asarray(second, float) * weight


def _fixed_point(points: ArrayLike, zoom: int) -> np.ndarray:
    """Picture points (N, 2) to cv2's fixed-point points on a canvas ``zoom`` times as large, pixel centres kept."""
    return np.rint(((np.asarray(points) + 0.5) * zoom - 0.5) * (1 << _SHIFT)).astype(np.int32)


class Canvas:
    """RGB picture with a fourth channel, the shading weight: how much of the light and the skin's grain a pixel takes.

    Points, radii and polygons are given in pixels of the picture, colours as RGB in 0 to 255, shading weights in 0
    (unlit) to 255.

    Args:
        image: uint8 (2 * size, 2 * size, 4), drawn upon in place.
        offset: (2,) picture point of the image's upper left corner.
    """

    zoom = 2

    def __init__(self, image: np.ndarray, offset: ArrayLike = (0.0, 0.0)) -> None:
        self.image, self.offset = image, np.asarray(offset)

    @staticmethod
    def _colour(colour: ArrayLike, shading: int) -> tuple[float, ...]:
        return (*np.clip(colour, 0, 255).tolist(), shading)

    def fill(self, points: np.ndarray, colour: ArrayLike, shading: int = LIT) -> None:
        """Fill a polygon (N, 2)."""
        polygon = _fixed_point(points - self.offset, self.zoom)
        cv2.fillPoly(self.image, [polygon], self._colour(colour, shading), cv2.LINE_AA, _SHIFT)

    def stroke(
        self,
        curves: Sequence[np.ndarray],
        colour: ArrayLike,
        width: float = 1,
        shading: int = LIT,
        closed: bool = False,
    ) -> None:
        """Draw curves (N, 2); ``width`` counts half pixels of the picture."""
        ends = np.cumsum([len(curve) for curve in curves])
        points = _fixed_point(np.concatenate(curves) - self.offset, self.zoom)  # at once: curves come by the hundred
        lines = [points[end - len(curve) : end] for curve, end in zip(curves, ends)]
        thickness = max(1, round(width))
        cv2.polylines(self.image, lines, closed, self._colour(colour, shading), thickness, cv2.LINE_AA, _SHIFT)

    def dot(self, centre: ArrayLike, radius: float, colour: ArrayLike, shading: int = LIT) -> None:
        """A disc."""
        x, y = _fixed_point(np.asarray(centre) - self.offset, self.zoom).tolist()
        fixed_radius = round(radius * self.zoom * (1 << _SHIFT))
        cv2.circle(self.image, (x, y), fixed_radius, self._colour(colour, shading), -1, cv2.LINE_AA, _SHIFT)

    def inside(self, polygon: np.ndarray, soft: float = 0.0) -> 'Window':
        """A :class:`Window` that shows only inside ``polygon`` (N, 2), fading over ``soft`` pixels at its edge."""
        return Window(self, polygon, soft)

    def finish(self) -> np.ndarray:
        """The picture and its shading weights, uint8 (size, size, 4)."""
        size = self.image.shape[0] // self.zoom
        return cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)


class Window(Canvas):
    """Context manager: a copy of part of a canvas, pasted back through a polygon's mask at the end."""

    def __init__(self, canvas: Canvas, polygon: np.ndarray, soft: float) -> None:
        margin, limit = 2 * soft + 1, canvas.image.shape[1::-1]
        edges = polygon.min(axis=0) - margin, polygon.max(axis=0) + margin
        (left, top), (right, bottom) = (
            np.clip(np.rint((edge - canvas.offset) * self.zoom).astype(int), 0, limit) for edge in edges
        )
        self.target, self.soft = canvas.image[top:bottom, left:right], soft
        super().__init__(self.target.copy(), canvas.offset + np.array([left, top]) / self.zoom)
        self.mask = np.zeros(self.target.shape[:2], np.uint8)
        if self.mask.size:
            cv2.fillPoly(self.mask, [_fixed_point(polygon - self.offset, self.zoom)], 255, cv2.LINE_8, _SHIFT)

    def flood(self, colour: ArrayLike) -> None:
        """Fill the whole window."""
        self.image[:] = self._colour(colour, LIT)

    def __enter__(self) -> 'Window':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is not None or not self.mask.size:
            return
        if not self.soft:
            cv2.copyTo(self.image, self.mask, self.target)
            return
        alpha = cv2.GaussianBlur(self.mask, (0, 0), self.soft * self.zoom).astype(np.float32) / 255
        self.target[:] = cv2.blendLinear(self.image, self.target, alpha, 1 - alpha)


def fill_classes(size: int, layers: Iterable[tuple[np.ndarray, int]]) -> np.ndarray:
    """Parsing map uint8 (size, size) from (polygon (N, 2), class) pairs, painted in order.

    A pixel has the class at its centre: cv2 also fills every pixel that an edge touches, so the map is drawn at three
    times the size and read at the pixels' centres.
    """
    parsing = np.zeros((3 * size, 3 * size), np.uint8)
    for polygon, number in layers:
        cv2.fillPoly(parsing, [_fixed_point(polygon, 3)], number, cv2.LINE_8, _SHIFT)
    return np.ascontiguousarray(parsing[1::3, 1::3])

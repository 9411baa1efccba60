"""An antialiased canvas: drawn at twice the size, then averaged down."""

import cv2
import numpy as np

_FINE = 16  # cv2 takes points with 4 fractional bits
_SHIFT = 4


def mix(first, second, share):
    """Colour between two: ``share`` (0..1) of the second."""
    return np.asarray(first, float) * (1 - share) + np.asarray(second, float) * share


def fixed(points, zoom):
    """Picture points (N, 2) to cv2's fixed-point points on a canvas ``zoom`` times as large, pixel centres kept."""
    return np.rint(((np.asarray(points) + 0.5) * zoom - 0.5) * _FINE).astype(np.int32)


class Canvas:
    """RGB picture with a fourth channel, ``matter``: how much of the light and the skin's grain a pixel takes.

    Args:
        image (ndarray): uint8 (2 * size, 2 * size, 4), drawn upon in place.
        offset (ndarray): (2,) picture point of the image's upper left corner.
    """

    zoom = 2

    def __init__(self, image, offset=np.zeros(2)):
        self.image, self.offset = image, offset

    @staticmethod
    def _colour(colour, matter):
        return (*np.clip(colour, 0, 255).tolist(), matter)

    def fill(self, points, colour, matter=255):
        """Fill a polygon (N, 2) of picture points with an RGB colour."""
        points = fixed(points - self.offset, self.zoom)
        cv2.fillPoly(self.image, [points], self._colour(colour, matter), cv2.LINE_AA, _SHIFT)

    def stroke(self, curves, colour, width=1, matter=255, closed=False):
        """Draw a list of curves (N, 2); ``width`` counts half pixels of the picture."""
        ends = np.cumsum([len(curve) for curve in curves])
        points = fixed(np.concatenate(curves) - self.offset, self.zoom)  # one conversion: curves come by the hundred
        lines = [points[end - len(curve) : end] for curve, end in zip(curves, ends)]
        cv2.polylines(
            self.image, lines, closed, self._colour(colour, matter), max(1, round(width)), cv2.LINE_AA, _SHIFT
        )

    def dot(self, centre, radius, colour, matter=255):
        """A disc; ``radius`` in picture pixels."""
        x, y = fixed(centre - self.offset, self.zoom).tolist()
        radius = round(radius * self.zoom * _FINE)
        cv2.circle(self.image, (x, y), radius, self._colour(colour, matter), -1, cv2.LINE_AA, _SHIFT)

    def inside(self, polygon, soft=0.0):
        """A :class:`Window` that shows only inside ``polygon`` (N, 2), fading over ``soft`` pixels at its edge."""
        return Window(self, polygon, soft)

    def finish(self):
        """uint8 (size, size, 4): the picture."""
        size = self.image.shape[0] // self.zoom
        return cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)


class Window(Canvas):
    """Context manager: a copy of part of a canvas, pasted back through a polygon's mask at the end."""

    def __init__(self, canvas, polygon, soft):
        margin = 2 * soft + 1
        limit = canvas.image.shape[1], canvas.image.shape[0]
        low, high = (
            (edge - canvas.offset) * self.zoom for edge in (polygon.min(axis=0) - margin, polygon.max(axis=0) + margin)
        )
        (left, top), (right, bottom) = (np.clip(np.rint(edge).astype(int), 0, limit) for edge in (low, high))
        self.target, self.soft = canvas.image[top:bottom, left:right], soft
        super().__init__(self.target.copy(), canvas.offset + np.array([left, top]) / self.zoom)
        self.mask = np.zeros(self.target.shape[:2], np.uint8)
        if self.mask.size:
            cv2.fillPoly(self.mask, [fixed(polygon - self.offset, self.zoom)], 255, cv2.LINE_8, _SHIFT)

    def flood(self, colour):
        """Fill the whole window."""
        self.image[:] = self._colour(colour, 255)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None or not self.mask.size:
            return
        if not self.soft:
            cv2.copyTo(self.image, self.mask, self.target)
            return
        share = cv2.GaussianBlur(self.mask, (0, 0), self.soft * self.zoom).astype(np.float32) / 255
        self.target[:] = cv2.blendLinear(self.image, self.target, share, 1 - share)


def fill_classes(size, layers):
    """Parsing map uint8 (size, size) from (polygon (N, 2), class) pairs, painted in order.

    A pixel has the class at its centre: cv2 also fills every pixel that an edge touches, so the map is drawn at three
    times the size and read at the pixels' centres.
    """
    parsing = np.zeros((3 * size, 3 * size), np.uint8)
    for polygon, number in layers:
        cv2.fillPoly(parsing, [fixed(polygon, 3)], number, cv2.LINE_8, _SHIFT)
    return np.ascontiguousarray(parsing[1::3, 1::3])

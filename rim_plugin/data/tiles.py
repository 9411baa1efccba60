"""Large pictures tile by tile."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import cv2
import numpy as np

from rim_plugin.data.found import Found

_OVERLAP = 0.25  # of a tile's side; a face that is larger than that is found in the whole photo
_SAME = 0.3  # intersection over union of two boxes from which they are of one face
_NEAR = 2  # pixels from a cut within which a box is a part of a face


def tile_starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin that cover a line evenly.

    Args:
        length: of the line, pixels.
        side: of a tile, pixels.
        overlap: pixels that neighbours share at least, below ``side``.
    """
    if length <= side:
        return [0]
    count = math.ceil((length - overlap) / (side - overlap))
    return [round(number * (length - side) / (count - 1)) for number in range(count)]


def enlarge_by_tiles(
    pixels: np.ndarray, scale: int, side: int, border: int, enlarge: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A picture ``scale`` times as large, of tiles of one size that are enlarged one by one.

    Args:
        pixels: (H, W, C).
        scale: how many times as large.
        side: of the square tiles, pixels.
        border: pixels around each tile that ``enlarge`` sees, too; beyond the picture its edge is repeated.
        enlarge: from (h, w, C), a tile with its border, to (scale * h, scale * w, C).
    """
    height, width, channels = pixels.shape
    result = np.empty((scale * height, scale * width, channels), pixels.dtype)
    for top, left in product(range(0, height, side), range(0, width, side)):
        rows, columns = (
            np.arange(start - border, start + side + border).clip(0, length - 1)
            for start, length in ((top, height), (left, width))
        )
        inner = enlarge(pixels[rows[:, None], columns])[scale * border :, scale * border :]
        place = result[scale * top : scale * (top + side), scale * left : scale * (left + side)]
        place[:] = inner[: place.shape[0], : place.shape[1]]
    return result


class TiledDetector:
    """A detector that reduces photos before it looks, for faces that would vanish so: it sees a large photo as a whole
    and, at full resolution, in overlapping tiles.

    Args:
        detector: the faces of a photo, uint8 (H, W, 3), RGB.
        side: of the square tiles, pixels; a photo that is no larger is seen as a whole only.
    """

    def __init__(self, detector: Callable[[np.ndarray], list[Found]], side: int) -> None:
        self.whole, self._side = detector, side

    def __call__(self, photo: np.ndarray) -> list[Found]:
        """The faces of a photo, uint8 (H, W, 3), RGB, each once."""
        found = self.whole(photo)
        if max(photo.shape[:2]) <= self._side:
            return found
        overlap = round(_OVERLAP * self._side)
        starts = [tile_starts(length, self._side, overlap) for length in photo.shape[:2]]
        return each_once([*found, *(each for top, left in product(*starts) for each in self._tile(photo, top, left))])

    def _tile(self, photo: np.ndarray, top: int, left: int) -> list[Found]:
        """The whole faces of a tile, in the photo's pixels."""
        tile = photo[top : top + self._side, left : left + self._side]
        found = self.whole(np.ascontiguousarray(tile))
        moved = [each._replace(points=each.points + (left, top), box=each.box + (left, top) * 2) for each in found]
        height, width = photo.shape[:2]
        least = [edge + _NEAR if edge else -math.inf for edge in (left, top)]
        ends = zip((left, top), (width, height))
        most = [start + self._side - _NEAR if start + self._side < end else math.inf for start, end in ends]
        return [each for each in moved if (each.box[:2] >= least).all() and (each.box[2:] <= most).all()]


def untiled(detector: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    """A detector that sees every photo as a whole only."""
    return detector.whole if isinstance(detector, TiledDetector) else detector


def each_once(found: list[Found]) -> list[Found]:
    """Of several finds of one face that of which the detector is surest."""
    boxes: Any = [(*each.box[:2], *(each.box[2:] - each.box[:2])) for each in found]
    scores = [float(np.nan_to_num(each.score, nan=1.0)) for each in found]
    return [found[number] for number in sorted(cv2.dnn.NMSBoxes(boxes, scores, 0, _SAME))]

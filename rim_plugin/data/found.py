"""Faces that a detector has found, or that a picture is known to be."""

import math
from typing import NamedTuple

import numpy as np

from rim_plugin.data.alignment import alignment_template


class Found(NamedTuple):
    """A face that a detector sees.

    Attributes:
        points: float64 (5, 2), left eye, right eye, nose, left and right mouth corner as seen in the picture, x and y
            in its pixels.
        score: how sure the detector is, 0 to 1; NaN of one that does not say.
        box: float64 (4, ), left, top, right, bottom, in the same pixels.
        certainty: of its landmarks: how high the lowest three tenths of their heatmaps' peaks are, about .4 in a clear
            face; NaN where they were not looked for.
        doubt: why this may be no face, a few words; empty where nothing speaks against it.
    """

    points: np.ndarray
    score: float
    box: np.ndarray
    certainty: float = math.nan
    doubt: str = ''


def found_by_points(points: np.ndarray, score: float = math.nan) -> Found:
    """A face of which only the points (5, 2) are known: its box lies about them, as wide as an aligned face."""
    middle, half = points.mean(0), 1.45 * np.ptp(points, axis=0).max()
    return Found(points, score, np.concatenate([middle - half, middle + half]))


def whole_picture(side: int) -> Found:
    """The face that a whole aligned picture of ``side`` pixels is."""
    return Found(alignment_template(side), math.nan, np.array([-0.5, -0.5, side - 0.5, side - 0.5]))

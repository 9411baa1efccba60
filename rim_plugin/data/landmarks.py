"""Landmark schemes (5, 68 and 194 points) and the 11 parsing classes: what is left, what is right, where the eyes are.

"Left" and "right" are those of the picture, not of the person, throughout.
"""

from typing import TypeVar

import numpy as np
from torch import Tensor

PARSING_CLASSES = (
    'background',
    'skin',
    'left brow',
    'right brow',
    'left eye',
    'right eye',
    'nose',
    'upper lip',
    'inner mouth',
    'lower lip',
    'hair',
)
# Class c of an image is class PARSING_FLIP[c] of its mirror image.
PARSING_FLIP = np.array([0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10])
PARSING_PALETTE = np.array(
    [
        (0, 0, 0),
        (224, 172, 105),
        (120, 60, 20),
        (160, 90, 40),
        (40, 120, 220),
        (80, 160, 250),
        (240, 120, 120),
        (200, 30, 60),
        (120, 0, 20),
        (220, 70, 100),
        (70, 50, 120),
    ],
    np.uint8,
)

# Left eye, right eye, nose tip, left and right mouth corner: indices whose mean is the point.
_FIVE_POINTS = {
    5: ((0,), (1,), (2,), (3,), (4,)),
    68: (range(36, 42), range(42, 48), (30,), (48,), (54,)),
    194: (range(134, 154), range(114, 134), range(41, 58), (58,), (72,)),
}


def _swapped(*ranges):
    """Index pairs (first, last) that a mirror image runs through backwards: a contour on the axis of the face."""
    return [(i, first + last - i) for first, last in ranges for i in range(first, last + 1)]


def _exchanged(*pairs):
    """Two groups of ``count`` points, drawn as each other's mirror image, that a mirror image exchanges in order."""
    return [pair for a, b, count in pairs for i in range(count) for pair in ((a + i, b + i), (b + i, a + i))]


# 68 points: jaw, brows, bridge (each its own mirror), nostrils, eyes (upper and lower lid), outer and inner lips.
_EYES_68 = [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
_FLIP_PAIRS = {
    5: [(0, 1), (1, 0), (2, 2), (3, 4), (4, 3)],
    68: _swapped((0, 16), (17, 26), (31, 35), (48, 54), (55, 59), (60, 64), (65, 67))
    + [(i, i) for i in range(27, 31)]
    + _EYES_68
    + [(b, a) for a, b in _EYES_68],
    194: _swapped((0, 40), (41, 57), (58, 72), (73, 85), (86, 100), (101, 113))
    + _exchanged((114, 134, 20), (154, 174, 20)),
}


def _check_scheme(num_landmarks):
    if num_landmarks not in _FIVE_POINTS:
        raise ValueError(
            f'No landmark scheme has {num_landmarks} points. Known are 5 (eyes, nose, mouth corners), '
            '68 (300-W) and 194 (Helen).'
        )


def five_points(points):
    """Reduce an annotation to the five points by which faces are aligned.

    Args:
        points (ndarray): (L, 2) x and y in pixels, L = 5, 68 or 194.

    Returns:
        ndarray: float64, (5, 2), the left eye, right eye, nose, left and right mouth corner as seen in the picture.

    Raises:
        ValueError: no scheme has L points.
    """
    points = np.asarray(points, np.float64)
    _check_scheme(len(points))
    return np.stack([points[list(indices)].mean(0) for indices in _FIVE_POINTS[len(points)]])


_Points = TypeVar('_Points', np.ndarray, Tensor)


def eye_centres(points: _Points) -> tuple[_Points, _Points]:
    """Centres of the left and of the right eye as seen in the picture, (..., 2) each.

    Args:
        points: (..., L, 2) x and y, L = 5, 68 or 194.

    Raises:
        ValueError: no scheme has L points.
    """
    _check_scheme(points.shape[-2])
    left, right, *_ = _FIVE_POINTS[points.shape[-2]]
    return points[..., list(left), :].mean(-2), points[..., list(right), :].mean(-2)


def flip_permutation(num_landmarks):
    """Permutation by which a mirror image's landmarks keep their meaning.

    Args:
        num_landmarks (int): L = 5, 68 or 194.

    Returns:
        ndarray: int64, (L, ), its own inverse, such that ``flipped[i] = mirrored(points[perm[i]])``.

    Raises:
        ValueError: no scheme has L points.
    """
    _check_scheme(num_landmarks)
    permutation = np.full(num_landmarks, -1)
    for target, source in _FLIP_PAIRS[num_landmarks]:
        permutation[target] = source
    return permutation

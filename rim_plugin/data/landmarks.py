"""Landmark schemes (5, 68 and 194 points) and the 11 parsing classes: what is left, what is right, where the eyes are.

"Left" and "right" are those of the picture, not of the person, throughout.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import torch

Points = TypeVar('Points', np.ndarray, 'torch.Tensor')

_PARSING = {  # name and colour of each class
    'background': (0, 0, 0),
    'skin': (224, 172, 105),
    'left brow': (120, 60, 20),
    'right brow': (160, 90, 40),
    'left eye': (40, 120, 220),
    'right eye': (80, 160, 250),
    'nose': (240, 120, 120),
    'upper lip': (200, 30, 60),
    'inner mouth': (120, 0, 20),
    'lower lip': (220, 70, 100),
    'hair': (70, 50, 120),
}
PARSING_CLASSES, PARSING_PALETTE = tuple(_PARSING), np.array(list(_PARSING.values()), np.uint8)
# Class c of an image is class PARSING_FLIP[c] of its mirror image.
PARSING_FLIP = np.array([0, 1, 3, 2, 5, 4, 6, 7, 8, 9, 10])

# Landmarks whose mean is the left eye, right eye, nose tip, left and right mouth corner, by number of landmarks.
_FIVE_POINTS = {
    5: tuple(slice(i, i + 1) for i in range(5)),
    68: (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55)),
    194: (slice(134, 154), slice(114, 134), slice(41, 58), slice(58, 59), slice(72, 73)),
}
EYE_POINTS = {count: parts[:2] for count, parts in _FIVE_POINTS.items()}
_MOUTH_POINTS = {5: slice(3, 5), 68: slice(48, 68), 194: slice(58, 114)}
# Landmarks of each component of a face, by number of landmarks.
COMPONENT_POINTS = {
    count: {'left_eye': left, 'right_eye': right, 'mouth': _MOUTH_POINTS[count]}
    for count, (left, right) in EYE_POINTS.items()
}


def _swapped(*ranges: tuple[int, int]) -> list[tuple[int, int]]:
    """Index pairs (first, last) that a mirror image runs through backwards: a contour on the axis of the face."""
    return [(i, first + last - i) for first, last in ranges for i in range(first, last + 1)]


def _exchanged(*pairs: tuple[int, int, int]) -> list[tuple[int, int]]:
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


def _check_scheme(num_landmarks: int) -> None:
    if num_landmarks not in EYE_POINTS:
        raise ValueError(
            f'No landmark scheme has {num_landmarks} points. Known are 5 (eyes, nose, mouth corners), '
            '68 (300-W) and 194 (Helen).'
        )


def eye_centres(points: Points) -> tuple[Points, Points]:
    """Centres of the left and of the right eye.

    Args:
        points: (..., L, 2), x and y, L = 5, 68 or 194.

    Returns:
        Two arrays or tensors (..., 2).

    Raises:
        ValueError: no scheme has L points.
    """
    _check_scheme(points.shape[-2])
    left, right = EYE_POINTS[points.shape[-2]]
    return points[..., left, :].mean(-2), points[..., right, :].mean(-2)


def component_points(points: Points, name: str) -> Points:
    """The landmarks of a component of the face.

    Args:
        points: (..., L, 2), x and y, L = 5, 68 or 194.
        name: ``left_eye``, ``right_eye`` or ``mouth``.

    Returns:
        (..., n, 2).

    Raises:
        ValueError: no scheme has L points.
    """
    _check_scheme(points.shape[-2])
    return points[..., COMPONENT_POINTS[points.shape[-2]][name], :]


def five_points(points: ArrayLike) -> np.ndarray:
    """Reduce an annotation to the five points by which faces are aligned.

    Args:
        points: (L, 2), x and y in pixels, L = 5, 68 or 194.

    Returns:
        float64 (5, 2): the left eye, right eye, nose, left and right mouth corner as seen in the picture.

    Raises:
        ValueError: no scheme has L points.
    """
    points = np.asarray(points, np.float64)
    _check_scheme(len(points))
    return np.stack([points[part].mean(0) for part in _FIVE_POINTS[len(points)]])


def flip_permutation(num_landmarks: int) -> np.ndarray:
    """Permutation by which a mirror image's landmarks keep their meaning.

    Args:
        num_landmarks: L = 5, 68 or 194.

    Returns:
        int64 (L,), its own inverse, such that ``flipped[i] = mirrored(points[perm[i]])``.

    Raises:
        ValueError: no scheme has L points.
    """
    _check_scheme(num_landmarks)
    _, sources = zip(*sorted(_FLIP_PAIRS[num_landmarks]))
    return np.array(sources)

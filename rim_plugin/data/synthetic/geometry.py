"""The 3-D points of a drawn face and the camera that puts them on the picture.

Model axes: x to the right of the picture, y down, z towards the viewer; the origin lies between the eyes and the unit
is half the distance between them. The 68 points follow the order and the meaning of iBUG's 300-W scheme.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.landmarks import EYE_POINTS, five_points
from rim_plugin.data.synthetic.people import FaceShape, Person, Shot

PICTURE = 224  # px, the side of a drawn face
JAW, LEFT_BROW, RIGHT_BROW = slice(0, 17), slice(17, 22), slice(22, 27)
RIDGE, NOSE_BASE, MOUTH = slice(27, 31), slice(31, 36), slice(48, 68)
LEFT_EYE, RIGHT_EYE = EYE_POINTS[68]
_CAMERA = 16.0  # distance of the camera in model units, for a mild perspective
_MIRROR_EYE = [3, 2, 1, 0, 5, 4]


@lru_cache(maxsize=64)
def _spline_matrix(count: int, steps: int, closed: bool) -> np.ndarray:
    """(samples, count) weights of a Catmull-Rom spline through ``count`` knots, ``steps`` samples from knot to knot."""
    pieces = count if closed else count - 1
    place = np.arange(pieces * steps + (not closed)) / steps
    piece = np.minimum(place.astype(int), pieces - 1)
    t = place - piece
    weights = np.stack([-(t**3) + 2 * t**2 - t, 3 * t**3 - 5 * t**2 + 2, -3 * t**3 + 4 * t**2 + t, t**3 - t**2]) / 2
    matrix = np.zeros((len(place), count))
    for offset, weight in zip(range(-1, 3), weights):
        knots = (piece + offset) % count if closed else np.clip(piece + offset, 0, count - 1)
        np.add.at(matrix, (np.arange(len(place)), knots), weight)
    return matrix


def spline(points: np.ndarray, steps: int = 6, closed: bool = False) -> np.ndarray:
    """Smooth curve through ``points`` (K, D): ((K - 1) * steps + 1, D), or (K * steps, D) where closed."""
    return _spline_matrix(len(points), steps, closed) @ points


def place(*coordinates: ArrayLike) -> np.ndarray:
    """(N, D) points from D coordinates; a number holds for all points."""
    return np.stack(np.broadcast_arrays(*coordinates), axis=-1).astype(float)


def mirrored(points: np.ndarray, side: int = -1) -> np.ndarray:
    """Model points (N, 2 or 3) on the right of the face (side 1), or their mirror images on its left (-1)."""
    return points * ((side, 1, 1)[: points.shape[1]])


def symmetric(right: np.ndarray, *middle: np.ndarray) -> np.ndarray:
    """A curve from the left over the middle to the right, whose right end is ``right`` (N, 2 or 3)."""
    return np.concatenate([mirrored(right)[::-1], *middle, right])


def _jaw(shape: FaceShape, gap: float) -> np.ndarray:
    """(17, 3) jaw from ear to ear, evenly spaced along the contour."""
    drop = 0.32 * gap
    low = shape.chin_y + drop
    cheek = 0.54 * shape.jaw + 0.46 * shape.chin
    x = shape.width * np.array([shape.chin, cheek, shape.jaw, 0.94, 0.985, 1]) + (0, 0.1, 0, 0, 0, 0)
    right = place(x, [low - 0.2, 2.55 + 0.6 * (low - 2.8), 2.55 + drop * 0.6, 1.75, 0.9, 0.1])
    outline = spline(symmetric(right, np.array([[0.0, low]])), 8)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
    even = np.linspace(0, length[-1], 17)
    x, y = (np.interp(even, length, outline[:, axis]) for axis in (0, 1))
    depth = np.clip((y - 0.1) / (low - 0.1), 0, 1)
    return place(x, y, -1.2 + 1.5 * depth**1.5)


def _brow(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(5, 3) left brow, from its outer to its inner end."""
    side = np.linspace(-1, 1, 5)
    y = shape.brow_y - 0.06 + shape.brow_arch * np.array([0.27, 0.04, -0.06, -0.02, 0.1])
    y = y - shot.brow_raise * 1.5 + side * (shape.brow_tilt + 1.2 * shot.frown)
    x = -1.16 * shape.spacing + side * shape.brow_half + (side + 1) * 0.5 * shot.frown
    return place(x, y, [-0.3, -0.05, 0.08, 0.18, 0.2])


def _eye(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(6, 3) left eye, from its outer corner over the upper lid."""
    half, height = shape.eye_half, shape.eye_open * (1 - 0.2 * min(shot.smile, 1))
    lower = 0.4 * height - 0.05 * shot.smile * height
    upper = -0.6 * height * (1 - shot.blink) + (lower - 0.02) * shot.blink
    x = half * np.array([-1, -0.4, 0.36, 1, 0.36, -0.4])
    y = np.array([0, upper, upper, 0.05, lower, lower])
    y = y + shape.eye_tilt * x / half
    return place(x - shape.spacing, y, [-0.18, 0.02, 0.06, 0.02, 0.04, 0.0])


def _nose(shape: FaceShape) -> np.ndarray:
    """(9, 3) bridge from top to tip, then the base from left to right."""
    half, low, tip = shape.nose_half, shape.nose_y, shape.nose_z
    bridge = place(0, np.linspace(-0.06, low * 0.74, 4), np.linspace(0.32, tip, 4))
    side = np.array([-1, -0.5, 0, 0.5, 1])
    base = place(side * half, low - 0.12 * np.abs(side) ** 1.5, tip - 0.28 - 0.22 * np.abs(side))
    return np.concatenate([bridge, base])


def _mouth(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(20, 3) outer lip (12) and inner lip (8), both clockwise from the left corner."""
    gap, up, low = shot.gap, shape.upper_lip * (1 - 0.25 * min(shot.smile, 1)), shape.lower_lip
    across = np.array(
        [-1, -0.62, -0.24, 0, 0.24, 0.62, 1, 0.64, 0.28, 0, -0.28, -0.64, -0.9, -0.26, 0, 0.26, 0.9, 0.26, 0, -0.26]
    )
    y = np.concatenate(
        [
            up * np.array([0, -0.74, -1.08, -0.86, -1.08, -0.74, 0]) - 0.2 * gap * np.array([0, 0.7, 1, 1, 1, 0.7, 0]),
            low * np.array([0.78, 1.05, 1.1, 1.05, 0.78]) + gap * np.array([0.55, 0.8, 0.85, 0.8, 0.55]),
            np.array([0, -0.2, -0.2, -0.2, 0]) * gap + np.array([0, -0.01, 0.012, -0.01, 0]),
            np.array([0.8, 0.85, 0.8]) * gap + 0.015,
        ]
    )
    y = y + shape.mouth_y + 0.04 * shot.smile - 0.17 * shot.smile * across**2
    half = shape.mouth_half * (1 + 0.17 * shot.smile - 0.12 * max(0.0, gap - 0.35))
    return place(half * across, y, 0.58 - 0.42 * across**2)


def face_points(person: Person, shot: Shot) -> np.ndarray:
    """The 68 points in model space, float64 (68, 3)."""
    shape, brow, eye = person.shape, _brow(person.shape, shot), _eye(person.shape, shot)
    eyes = [eye, mirrored(eye)[_MIRROR_EYE]]
    points = np.concatenate(
        [_jaw(shape, shot.gap), brow, mirrored(brow)[::-1], _nose(shape), *eyes, _mouth(shape, shot)]
    )
    points[:, :2] += person.asymmetry * np.where(np.arange(68) < JAW.stop, 1.5, 1)[:, None]
    return points


class View:
    """Camera of one shot: turns the head, then aligns the five points to the ArcFace template as face crops are.

    Attributes:
        landmarks: float64 (68, 2), in pixels of the 224 px picture (an integer is a pixel's centre).
        unit: pixels per model unit.
    """

    def __init__(self, person: Person, shot: Shot) -> None:
        cy, sy, cp, sp = np.cos(shot.yaw), np.sin(shot.yaw), np.cos(shot.pitch), np.sin(shot.pitch)
        self._turn = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        points = face_points(person, shot)
        flat = self._flat(points)
        flat[JAW, 0] = self._silhouette(points[JAW], flat[JAW, 0])
        self._scale, self._origin = self._align(flat, shot)
        self.unit = abs(self._scale)
        self.landmarks = self._to_picture(flat)

    def _flat(self, points: np.ndarray) -> np.ndarray:
        turned = points @ self._turn.T
        return turned[:, :2] * (_CAMERA / (_CAMERA - turned[:, 2:]))

    def _silhouette(self, jaw: np.ndarray, flat_x: np.ndarray) -> np.ndarray:
        """The far side of a turned face ends at the cheek, which hides the jaw behind it."""
        cheek = self._flat(jaw * (0.94, 1, 0) + (0, 0, -0.3))[:, 0]
        return np.where(np.arange(17) < 8, np.minimum(flat_x, cheek), np.maximum(flat_x, cheek))

    @staticmethod
    def _align(flat: np.ndarray, shot: Shot) -> tuple[complex, complex]:
        """Least-squares similarity onto the template, as a complex factor and offset, with the shot's jitter."""
        source, target = (
            points[:, 0] + 1j * points[:, 1] for points in (five_points(flat), alignment_template(PICTURE))
        )
        centred = source - source.mean()
        scale = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred).real
        scale *= shot.zoom * np.exp(1j * shot.roll)
        return scale, target.mean() + complex(*shot.shift) - scale * source.mean()

    def _to_picture(self, flat: np.ndarray) -> np.ndarray:
        placed = (flat[:, 0] + 1j * flat[:, 1]) * self._scale + self._origin
        return place(placed.real, placed.imag)

    def project(self, points: ArrayLike, side: int = 1) -> np.ndarray:
        """Model points (N, 3) to picture points (N, 2); with side -1 the points' mirror images."""
        return self._to_picture(self._flat(mirrored(np.asarray(points, float), side)))

    def billboard(self, centre: ArrayLike, offsets: np.ndarray) -> np.ndarray:
        """Flat outline (N, 2) around a model point, always facing the camera: for the skull and the hair's outline."""
        return self._to_picture(self._flat(np.asarray(centre, float)[None]) + offsets)

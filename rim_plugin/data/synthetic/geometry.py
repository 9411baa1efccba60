"""The 3-D points of a drawn face and the camera that puts them on the picture.

Model axes: x to the right of the picture, y down, z towards the viewer; the origin lies between the eyes and the unit
is half the distance between them. The 68 points follow the order and the meaning of iBUG's 300-W scheme.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicHermiteSpline

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
def _spline_matrix(count: int, steps: int) -> np.ndarray:
    """(samples, count) weights of a Catmull-Rom spline through ``count`` knots."""
    knots = np.eye(count)
    curve = CubicHermiteSpline(np.arange(count), knots, np.gradient(knots, axis=0))
    return curve(np.linspace(0, count - 1, (count - 1) * steps + 1))


def spline(points: np.ndarray, steps: int = 5) -> np.ndarray:
    """Smooth curve through ``points`` (K, D), ``steps`` samples from knot to knot: ((K - 1) * steps + 1, D)."""
    return _spline_matrix(len(points), steps) @ points


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
    low = shape.chin_y + 0.32 * gap
    x = shape.width * np.array([shape.chin, 0.54 * shape.jaw + 0.46 * shape.chin + 0.04, shape.jaw, 0.94, 0.985, 1])
    right = place(x, [low - 0.2, 2.55 + 0.6 * (low - 2.8), 2.55 + 0.2 * gap, 1.75, 0.9, 0.1])
    outline = spline(symmetric(right, place([0.0], low)), 8)
    length = np.insert(np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1)), 0, 0)
    x, y = (np.interp(np.linspace(0, length[-1], 17), length, axis) for axis in outline.T)
    return place(x, y, -1.2 + 1.5 * np.clip((y - 0.1) / (low - 0.1), 0, 1) ** 1.5)


def _brow(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(5, 3) left brow, from its outer to its inner end."""
    side = np.linspace(-1, 1, 5)
    y = shape.brow_y - 0.06 + shape.brow_arch * np.array([0.27, 0.04, -0.06, -0.02, 0.1])
    y = y - shot.brow_raise * 1.5 + side * (shape.brow_tilt + 1.2 * shot.frown)
    x = -1.16 * shape.spacing + side * shape.brow_half + (side + 1) * 0.5 * shot.frown
    return place(x, y, [-0.3, -0.05, 0.08, 0.18, 0.2])


def _eye(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(6, 3) left eye, from its outer corner over the upper lid."""
    height = shape.eye_open * (1 - 0.2 * min(shot.smile, 1))
    lower = 0.4 * height - 0.05 * shot.smile * height
    upper = -0.6 * height * (1 - shot.blink) + (lower - 0.02) * shot.blink
    x = np.array([-1, -0.4, 0.36, 1, 0.36, -0.4])
    y = shape.eye_tilt * x + [0, upper, upper, 0.05, lower, lower]
    return place(x * shape.eye_half - shape.spacing, y, [-0.18, 0.02, 0.06, 0.02, 0.04, 0.0])


def _nose(shape: FaceShape) -> np.ndarray:
    """(9, 3) bridge from top to tip, then the base from left to right."""
    low, tip, side = shape.nose_y, shape.nose_z, np.linspace(-1, 1, 5)
    bridge = place(0, np.linspace(-0.06, low * 0.74, 4), np.linspace(0.32, tip, 4))
    base = place(side * shape.nose_half, low - 0.12 * np.abs(side) ** 1.5, tip - 0.28 - 0.22 * np.abs(side))
    return np.concatenate([bridge, base])


def _mouth(shape: FaceShape, shot: Shot) -> np.ndarray:
    """(20, 3) outer lip (12) and inner lip (8), both clockwise from the left corner."""
    gap, smile, upper = shot.gap, shot.smile, shape.upper_lip * (1 - 0.25 * min(shot.smile, 1))
    x = np.array([-1, -0.62, -0.24, 0, 0.24, 0.62, 1])
    points = np.concatenate(
        [
            place(x, np.array([0, -0.74, -1.08, -0.9, -1.08, -0.74, 0]) * (upper + 0.2 * gap)),
            place(-x[1:6], np.array([0.78, 1.05, 1.1, 1.05, 0.78]) * (shape.lower_lip + 0.76 * gap)),
            place([-0.9, -0.26, 0, 0.26, 0.9], np.array([0, -0.2, -0.2, -0.2, 0]) * gap),
            place([0.26, 0, -0.26], np.array([0.8, 0.85, 0.8]) * gap + 0.015),
        ]
    )
    x, y = points.T
    y = y + shape.mouth_y + 0.04 * smile - 0.17 * smile * x**2
    return place(shape.mouth_half * (1 + 0.17 * smile - 0.1 * gap) * x, y, 0.58 - 0.42 * x**2)


def face_points(person: Person, shot: Shot) -> np.ndarray:
    """The 68 points in model space, float64 (68, 3)."""
    shape, brow, eye = person.shape, _brow(person.shape, shot), _eye(person.shape, shot)
    eyes = [eye, mirrored(eye)[_MIRROR_EYE]]
    points = np.concatenate(
        [_jaw(shape, shot.gap), brow, mirrored(brow)[::-1], _nose(shape), *eyes, _mouth(shape, shot)]
    )
    points[:, :2] += person.asymmetry
    return points


class View:
    """Camera of one shot: turns the head, then aligns the five points to the ArcFace template as face crops are.

    Attributes:
        landmarks: float64 (68, 2), in pixels of the 224 px picture (an integer is a pixel's centre).
        unit: pixels per model unit.
    """

    def __init__(self, person: Person, shot: Shot) -> None:
        self._turn = (
            cv2.Rodrigues(np.array([-shot.pitch, 0.0, 0.0]))[0] @ cv2.Rodrigues(np.array([0.0, shot.yaw, 0.0]))[0]
        )
        points = face_points(person, shot)
        flat = self._flat(points)
        # The far side of a turned face ends at the cheek, which hides the jaw behind it.
        cheek = self._flat(points[JAW] * (0.94, 1, 0) + (0, 0, -0.3))[:, 0]
        flat[:8, 0], flat[8:17, 0] = np.minimum(flat[:8, 0], cheek[:8]), np.maximum(flat[8:17, 0], cheek[8:])
        # The least-squares similarity, as a complex factor and offset, with the shot's jitter.
        source, target = five_points(flat) @ (1, 1j), alignment_template(PICTURE) @ (1, 1j)
        centred = source - source.mean()
        scale = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred).real
        self._scale = scale * shot.zoom * np.exp(1j * shot.roll)
        self._origin = target.mean() + complex(*shot.shift) - self._scale * source.mean()
        self.unit = float(abs(self._scale))
        self.landmarks = self._to_picture(flat)

    def _flat(self, points: np.ndarray) -> np.ndarray:
        turned = points @ self._turn.T
        return turned[:, :2] * (_CAMERA / (_CAMERA - turned[:, 2:]))

    def _to_picture(self, flat: np.ndarray) -> np.ndarray:
        placed = flat @ (1, 1j) * self._scale + self._origin
        return place(placed.real, placed.imag)

    def project(self, points: ArrayLike, side: int = 1) -> np.ndarray:
        """Model points (N, 3) to picture points (N, 2); with side -1 the points' mirror images."""
        return self._to_picture(self._flat(mirrored(np.asarray(points, float), side)))

    def billboard(self, centre: ArrayLike, offsets: np.ndarray) -> np.ndarray:
        """Flat outline (N, 2) around a model point, always facing the camera: for the skull and the hair's outline."""
        return self._to_picture(self._flat(np.asarray(centre, float)[None]) + offsets)

"""Light, skin tone and background of a drawn face, computed on coarse grids."""

from functools import cache

import cv2
import numpy as np
from numpy.random import Generator

from rim_plugin.data.landmarks import eye_centres
from rim_plugin.data.synthetic.geometry import PICTURE, View
from rim_plugin.data.synthetic.people import Person, Shot

_STEP = 2  # light varies slowly: half the picture's resolution will do
_GRID = np.arange(PICTURE // _STEP, dtype=np.float32) * _STEP + (_STEP - 1) / 2  # centres of the cells, in pixels
_GRAIN = 512
_BACKGROUND = 64  # backgrounds are out of focus


@cache
def _grain() -> np.ndarray:
    """Fixed noise (512, 512) of unit deviation, from which every face cuts its skin's grain."""
    noise = np.random.default_rng(20).standard_normal((_GRAIN, _GRAIN)).astype(np.float32)
    grain = np.sum([cv2.GaussianBlur(noise, (0, 0), width) * width for width in (0.7, 2.5, 9.0)], axis=0)
    return grain / grain.std()


def _cut_grain(rng: Generator, size: int) -> np.ndarray:
    top, left = rng.integers(0, _GRAIN - size, 2)
    return _grain()[top : top + size, left : left + size, None]


def _patches(view: View, person: Person, shot: Shot) -> np.ndarray:
    """What skin and relief are where, (4, grid, grid): RGB factors minus one, and height in pixels."""
    marks, unit, age, blush = view.landmarks, view.unit, person.age, 0.1 * shot.smile + 0.1
    eyes, grey = np.stack(eye_centres(marks)), (0, 0, 0)
    table = [  # centres in pixels, radii and height in model units, colour
        (marks[27:30], (0.17, 0.3), 0.13, grey),  # ridge of the nose
        (marks[30:31], (0.27, 0.25), 0.2, (0.02, -0.08, -0.07)),  # its tip
        (marks[[31, 35]] - (0, 0.16 * unit), (0.16, 0.17), 0.09, grey),  # its wings
        (marks[33:34] + (0, 0.14 * unit), (0.4, 0.12), -0.03, (-0.12, -0.15, -0.15)),
        (eyes - (0, 0.25 * unit), (0.5, 0.18), -0.09, (-0.1, -0.14, -0.12)),  # sockets
        (eyes, (0.3, 0.2), 0.06, grey),
        (eyes + (0, 0.34 * unit), (0.43, 0.13), -0.03 - 0.04 * age, 3 * (-0.06 - 0.12 * age,)),
        (view.project([[-1.3, 1.3, 0.3], [1.3, 1.3, 0.3]]), (0.52, 0.42), 0.14, (0.02, -blush, -0.8 * blush)),  # cheeks
        (view.project([[-1.75, 1.9, -0.1], [1.75, 1.9, -0.1]]), (0.4, 0.5), -0.07 - 0.04 * age, grey),
        (marks[57:58] + (0, 0.1 * unit), (0.42, 0.11), -0.11, (-0.1, -0.12, -0.12)),  # below the lips
        (marks[8:9] - (0, 0.2 * unit), (0.55, 0.32), 0.16, (0, -0.04, -0.04)),  # chin
        (view.project([[0, -1.3, 0]]), (1.1, 0.6), 0.12, grey),  # forehead
    ]
    rows = [(*point, *radii, *colour, height * unit) for points, radii, height, colour in table for point in points]
    columns = np.array(rows, np.float32).T[..., None]
    across, along = (np.exp(-0.5 * ((_GRID - at) / (size * unit)) ** 2) for at, size in zip(columns[:2], columns[2:4]))
    return np.stack([(along * value).T @ across for value in columns[4:]])


def _normals(view: View, person: Person, height: np.ndarray) -> np.ndarray:
    """Unit normals (grid, grid, 3) of the head: an ellipsoid with the face's relief (grid, grid) on it."""
    centre, half = view.project([[0, 0.7, -0.6]])[0], np.array([person.shape.width * 1.12, 3.44]) * view.unit
    x, y = np.meshgrid(*((_GRID - float(centre[axis])) / float(half[axis]) for axis in (0, 1)))
    squash = 0.97 / np.maximum(np.hypot(x, y), 0.97)
    x, y = x * squash, y * squash
    down, right = np.gradient(height, _STEP)
    normals = np.stack([x - right, y - down, np.sqrt(1 - x * x - y * y)], axis=2).astype(np.float32)
    return normals / np.linalg.norm(normals, axis=2, keepdims=True)


def light_up(picture: np.ndarray, view: View, person: Person, shot: Shot) -> np.ndarray:
    """Shade a flat picture.

    Args:
        picture: uint8 (224, 224, 4), RGB and shading weight.
        view, person, shot: what is drawn.

    Returns:
        uint8 (224, 224, 3) RGB.
    """
    patches = _patches(view, person, shot)
    warm = shot.warmth * np.array([1, 0, -1])
    facing = np.maximum(_normals(view, person, patches[3]) @ shot.light.astype(np.float32), 0)[..., None]
    lamp, sky = (1 + warm) * (1.12 * (1 - shot.ambient)), (1 - 0.5 * warm) * shot.ambient
    shade = facing * lamp + sky + 0.09 * facing**24  # the last is gloss
    shade = cv2.resize((shade * (1 + np.moveaxis(patches[:3], 0, 2))).astype(np.float32), (PICTURE, PICTURE))
    grain = _cut_grain(np.random.default_rng(shot.background_seed), PICTURE)
    shade *= 1 + np.float32(0.018 + 0.012 * person.age) * grain
    shade = 1 + picture[..., 3:] * np.float32(1 / 255) * (shade - 1)
    exposure = (shot.exposure * (1 + 0.4 * warm)).astype(np.float32)
    return np.clip(picture[..., :3] * shade * exposure + 0.5, 0, 255).astype(np.uint8)


def background(shot: Shot) -> np.ndarray:
    """What is behind the head, uint8 (224, 224, 4) and unlit: a gradient with blurred shapes, or texture."""
    rng = np.random.default_rng(shot.background_seed)
    first, second = rng.uniform(20, 225, (2, 1)) + rng.normal(0, 22, (2, 3))
    ramp, slope = np.linspace(0, 1, _BACKGROUND), rng.normal(0, 1, 2)
    weight = slope[0] * ramp[:, None] + slope[1] * ramp
    weight = (weight - weight.min()) / np.ptp(weight)
    small = np.zeros((_BACKGROUND, _BACKGROUND, 4), np.float32)
    small[..., :3] = first + (second - first) * weight[..., None]
    for _ in range(rng.integers(0, 14)):
        colour = first + (second - first) * rng.random() + rng.normal(0, 26, 3)
        left, top, wide, high = rng.integers(0, _BACKGROUND, 4)
        small[top : top + high // 2, left : left + wide // 2, :3] = colour
    cv2.GaussianBlur(small, (0, 0), rng.uniform(0.6, 3.5), small)
    if rng.random() < 0.3:
        small[..., :3] += rng.uniform(4, 22) * _cut_grain(rng, _BACKGROUND)
    return cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (PICTURE, PICTURE), interpolation=cv2.INTER_CUBIC)

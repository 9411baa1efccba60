"""Light, skin tone and background of a drawn face, computed on coarse grids."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from rim_plugin.data.landmarks import eye_centres
from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.people import Person, Shot

_GRID = 112  # light varies slowly: half the picture's resolution will do
_GRAIN = 512
_BACKGROUND = 64  # backgrounds are out of focus

Patch = tuple[np.ndarray, tuple[float, float], Any]  # centres (n, 2) px, radii in model units, what is there


@cache
def _grain() -> np.ndarray:
    """Fixed noise (512, 512) of unit deviation, from which every face cuts its skin's grain."""
    noise = np.random.default_rng(20).standard_normal((_GRAIN, _GRAIN)).astype(np.float32)
    grain = np.sum([cv2.GaussianBlur(noise, (0, 0), width) * width for width in (0.7, 2.5, 9.0)], axis=0)
    return grain / grain.std()


def _cut_grain(rng: Generator, size: int) -> np.ndarray:
    top, left = rng.integers(0, _GRAIN - size, 2)
    return _grain()[top : top + size, left : left + size, None]


def _grid(size: int) -> np.ndarray:
    """Where the grid's cells have their centres, in pixels."""
    return (np.arange(_GRID, dtype=np.float32) + 0.5) * (size / _GRID) - 0.5


def _bumps(size: int, centres: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, ...]:
    """Gaussian bumps as separable factors: columns (K, grid), rows (K, grid) and their derivatives' factors."""
    across, along = ((_grid(size) - centres[:, axis, None]) / radii[:, axis, None] for axis in (0, 1))
    return across, along, np.exp(-0.5 * across**2), np.exp(-0.5 * along**2)


def _gather(patches: list[Patch], unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches to arrays of one row a centre: centres (K, 2) px and radii (K, 2) px, float32, and their values."""
    centres, radii, values = zip(*patches)
    counts = [len(each) for each in centres]
    wide = np.repeat(radii, counts, axis=0) * unit
    return np.concatenate(centres).astype(np.float32), wide.astype(np.float32), np.repeat(values, counts, axis=0)


def _relief(view: View, person: Person) -> list[Patch]:
    """Bumps and hollows of the face, in model units."""
    marks, age = view.landmarks, person.age

    def below(points: np.ndarray, distance: float) -> np.ndarray:
        return points + (0, distance * view.unit)

    eyes = np.stack(eye_centres(marks))
    wings = marks[[31, 35]] + np.array([[-0.04, -0.16], [0.04, -0.16]]) * view.unit
    return [
        (marks[27:30], (0.17, 0.3), 0.13),
        (marks[30:31], (0.25, 0.22), 0.2),
        (wings, (0.16, 0.17), 0.09),
        (below(eyes, -0.3), (0.5, 0.2), -0.09),
        (below(eyes, 0.32), (0.42, 0.12), -0.03 - 0.04 * age),
        (eyes, (0.3, 0.2), 0.06),
        (view.project([[-1.35, 1.25, 0.3], [1.35, 1.25, 0.3]]), (0.55, 0.45), 0.14),  # cheeks
        (view.project([[-1.75, 1.9, -0.1], [1.75, 1.9, -0.1]]), (0.4, 0.5), -0.07 - 0.04 * age),  # below them
        (below(marks[33:34], 0.2), (0.1, 0.16), -0.04),
        (below(marks[57:58], 0.1), (0.45, 0.12), -0.11),
        (below(marks[8:9], -0.28), (0.5, 0.3), 0.17),
        (marks[[50, 52]], (0.25, 0.12), 0.05),
        (below(marks[57:58], -0.12), (0.45, 0.13), 0.08),
        (marks[[19, 24]], (0.6, 0.16), 0.07),
        (view.project([[0, -1.5, 0]]), (1.1, 0.55), 0.12),  # forehead
    ]


def _tints(view: View, person: Person, shot: Shot) -> list[Patch]:
    """Places where the skin's colour changes: RGB factors minus one."""
    marks, unit, age = view.landmarks, view.unit, person.age
    eyes = np.stack(eye_centres(marks))
    blush = -0.1 - 0.1 * min(shot.smile, 1)
    return [
        (view.project([[-1.3, 1.3, 0.3], [1.3, 1.3, 0.3]]), (0.5, 0.4), (0.02, blush, blush * 0.8)),
        (marks[30:31], (0.3, 0.3), (0.02, -0.08, -0.07)),
        (eyes + (0, 0.36 * unit), (0.45, 0.14), (-0.05 - 0.12 * age, -0.08 - 0.14 * age, -0.06 - 0.1 * age)),
        (eyes - (0, 0.22 * unit), (0.5, 0.16), (-0.1, -0.14, -0.12)),
        (marks[8:9], (0.6, 0.35), (0.0, -0.04, -0.04)),
        (marks[33:34] + (0, 0.1 * unit), (0.5, 0.1), (-0.12, -0.15, -0.15)),
        (marks[57:58] + (0, 0.1 * unit), (0.4, 0.1), (-0.1, -0.12, -0.12)),
    ]


def _normals(size: int, view: View, person: Person) -> np.ndarray:
    """Unit normals (grid, grid, 3) of the head: an ellipsoid with the face's relief on it."""
    centre = view.project([[0, 0.7, -0.6]])[0].astype(np.float32)
    height, width = np.float32(2.75 * view.unit), np.float32(person.shape.width * 1.12 * view.unit)
    x, y = np.meshgrid((_grid(size) - centre[0]) / width, (_grid(size) - centre[1]) / (1.25 * height))
    squash = 0.97 / np.maximum(np.sqrt(x * x + y * y), 0.97)
    x, y = x * squash, y * squash
    z = np.sqrt(1 - x * x - y * y)
    centres, radii, values = _gather(_relief(view, person), view.unit)
    slopes = (values * view.unit).astype(np.float32)[:, None] / radii
    across, along, column, row = _bumps(size, centres, radii)
    x = x + (row * slopes[:, :1]).T @ (column * across)
    y = y + (row * along * slopes[:, 1:]).T @ column
    return np.stack([x, y, z], axis=2) / np.sqrt(x * x + y * y + z * z)[..., None]


def _tinted(colour: ArrayLike, strength: float) -> np.ndarray:
    return np.array(colour, np.float32) * np.float32(strength)


def light_up(picture: np.ndarray, view: View, person: Person, shot: Shot) -> np.ndarray:
    """Shade a flat picture.

    Args:
        picture: uint8 (size, size, 4), RGB and shading weight.
        view, person, shot: what is drawn.

    Returns:
        uint8 (size, size, 3) RGB.
    """
    size, warmth = picture.shape[0], shot.warmth
    normals = _normals(size, view, person)
    facing = np.maximum(normals @ shot.light.astype(np.float32), 0)
    half = shot.light + (0, 0, 1)
    gloss = np.maximum(normals @ (half / np.linalg.norm(half)).astype(np.float32), 0) ** 24
    lamp = _tinted([1 + warmth, 1, 1 - warmth], 1.12 * (1 - shot.ambient))
    sky = _tinted([1 - 0.5 * warmth, 1, 1 + 0.5 * warmth], shot.ambient)
    shade = facing[..., None] * lamp + sky + (0.09 * gloss)[..., None]
    centres, radii, tints = _gather(_tints(view, person, shot), view.unit)
    _, _, column, row = _bumps(size, centres, radii)
    shade *= 1 + np.stack([(row * tint[:, None]).T @ column for tint in tints.astype(np.float32).T], axis=2)
    shade = cv2.resize(shade, (size, size), interpolation=cv2.INTER_LINEAR)
    shade *= 1 + (0.018 + 0.012 * person.age) * _cut_grain(np.random.default_rng(shot.background_seed), size)
    weight = picture[..., 3:].astype(np.float32) * np.float32(1 / 255)
    exposure = _tinted([1 + 0.4 * warmth, 1, 1 - 0.4 * warmth], shot.exposure)
    lit = picture[..., :3] * ((1 + weight * (shade - 1)) * exposure)
    return np.clip(lit + 0.5, 0, 255).astype(np.uint8)


def background(size: int, shot: Shot) -> np.ndarray:
    """What is behind the head, uint8 (size, size, 4) and unlit: a gradient with blurred shapes, or texture."""
    rng = np.random.default_rng(shot.background_seed)
    first, second = rng.uniform(20, 225, (2, 1)) + rng.normal(0, 22, (2, 3))
    ramp, slope = np.linspace(0, 1, _BACKGROUND), rng.normal(0, 1, 2)
    weight = slope[0] * ramp[None, :, None] + slope[1] * ramp[:, None, None]
    weight = (weight - weight.min()) / (np.ptp(weight) + 1e-6)
    small = np.zeros((_BACKGROUND, _BACKGROUND, 4), np.float32)
    small[..., :3] = first + (second - first) * weight
    for _ in range(rng.integers(0, 14)):
        part = rng.random()
        colour = np.clip(first * part + second * (1 - part) + rng.normal(0, 26, 3), 0, 255)
        x, y, wide, high = rng.integers(0, _BACKGROUND, 4).tolist()
        if rng.random() < 0.5:
            cv2.circle(small, (x, y), 2 + wide // 5, (*colour.tolist(), 0), -1)
        else:
            cv2.rectangle(small, (x, y), (x + wide // 2, y + high), (*colour.tolist(), 0), -1)
    blurred: np.ndarray = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.6, 3.5))
    if rng.random() < 0.3:
        grain = _cut_grain(rng, _BACKGROUND)
        blurred[..., :3] += rng.uniform(4, 22) * grain
    return cv2.resize(np.clip(blurred, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)

"""Light, skin tone and background of a drawn face, computed on coarse grids."""

from functools import lru_cache

import cv2
import numpy as np

_GRID = 112  # light varies slowly: half the picture's resolution will do


@lru_cache(maxsize=1)
def _grain():
    """Fixed noise (512, 512) of unit deviation, from which every face cuts its skin's grain."""
    noise = np.random.default_rng(20).standard_normal((512, 512)).astype(np.float32)
    grain = sum(cv2.GaussianBlur(noise, (0, 0), width) * width for width in (0.7, 2.5, 9.0))
    return grain / grain.std()


def _blobs(size, centres, radii):
    """Gaussian bumps as separable factors: columns (K, grid), rows (K, grid) and their derivatives' factors."""
    place = (np.arange(_GRID, dtype=np.float32) + 0.5) * (size / _GRID) - 0.5
    across = (place - centres[:, :1]) / radii[:, :1]
    along = (place - centres[:, 1:]) / radii[:, 1:]
    return across, along, np.exp(-0.5 * across**2), np.exp(-0.5 * along**2)


def _relief(view, person):
    """Bumps and hollows of the face: centres (K, 2) px, radii (K, 2) px, heights (K,) px."""
    marks, unit, age = view.landmarks, view.unit, person.age
    eyes = np.stack([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)])
    wings = marks[[31, 35]] + np.array([[-0.04, -0.16], [0.04, -0.16]]) * unit
    cheek = view.project(np.array([[-1.35, 1.25, 0.3], [1.35, 1.25, 0.3]]))
    hollow = view.project(np.array([[-1.75, 1.9, -0.1], [1.75, 1.9, -0.1]]))
    chin = marks[8] - (0, 0.28 * unit)
    parts = [
        (marks[27:30], (0.17, 0.3), 0.13),
        (marks[30:31], (0.25, 0.22), 0.2),
        (wings, (0.16, 0.17), 0.09),
        (eyes - (0, 0.3 * unit), (0.5, 0.2), -0.09),
        (eyes + (0, 0.32 * unit), (0.42, 0.12), -0.03 - 0.04 * age),
        (eyes, (0.3, 0.2), 0.06),
        (cheek, (0.55, 0.45), 0.14),
        (hollow, (0.4, 0.5), -0.07 - 0.04 * age),
        (marks[33:34] + (0, 0.2 * unit), (0.1, 0.16), -0.04),
        (marks[57:58] + (0, 0.1 * unit), (0.45, 0.12), -0.11),
        (chin[None], (0.5, 0.3), 0.17),
        (marks[[50, 52]], (0.25, 0.12), 0.05),
        (marks[57:58] - (0, 0.12 * unit), (0.45, 0.13), 0.08),
        (marks[[19, 24]], (0.6, 0.16), 0.07),
        (view.project([[0, -1.5, 0]]), (1.1, 0.55), 0.12),
    ]
    centres = np.concatenate([part[0] for part in parts])
    counts = [len(part[0]) for part in parts]
    radii = np.repeat([part[1] for part in parts], counts, axis=0) * unit
    return centres, radii, np.repeat([part[2] for part in parts], counts) * unit


def _normals(size, view, person):
    """Unit normals (grid, grid, 3) of the head: an ellipsoid with the face's relief on it."""
    centre = view.project([[0, 0.7, -0.6]])[0]
    rows, columns = np.float32(2.75 * view.unit), np.float32(person.shape['width'] * 1.12 * view.unit)
    place = (np.arange(_GRID, dtype=np.float32) + 0.5) * (size / _GRID) - 0.5
    x, y = np.meshgrid((place - np.float32(centre[0])) / columns, (place - np.float32(centre[1])) / (1.25 * rows))
    squash = 0.97 / np.maximum(np.sqrt(x * x + y * y), 0.97)
    x, y = x * squash, y * squash
    z = np.sqrt(1 - x * x - y * y)
    centres, radii, heights = (part.astype(np.float32) for part in _relief(view, person))
    across, along, column, row = _blobs(size, centres, radii)
    x = x + (row * (heights / radii[:, 0])[:, None]).T @ (column * across)
    y = y + (row * along * (heights / radii[:, 1])[:, None]).T @ column
    return np.stack([x, y, z], axis=2) / np.sqrt(x * x + y * y + z * z)[..., None]


def _tints(view, person, shot):
    """Places where the skin's colour changes: centres, radii, RGB factors minus one (K, 3)."""
    marks, unit, age = view.landmarks, view.unit, person.age
    eyes = np.stack([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)])
    cheek = view.project(np.array([[-1.3, 1.3, 0.3], [1.3, 1.3, 0.3]]))
    blush = -0.1 - 0.1 * min(shot.smile, 1)
    parts = [
        (cheek, (0.5, 0.4), (0.02, blush, blush * 0.8)),
        (marks[30:31], (0.3, 0.3), (0.02, -0.08, -0.07)),
        (eyes + (0, 0.36 * unit), (0.45, 0.14), (-0.05 - 0.12 * age, -0.08 - 0.14 * age, -0.06 - 0.1 * age)),
        (eyes - (0, 0.22 * unit), (0.5, 0.16), (-0.1, -0.14, -0.12)),
        (marks[8:9], (0.6, 0.35), (0.0, -0.04, -0.04)),
        (marks[33:34] + (0, 0.1 * unit), (0.5, 0.1), (-0.12, -0.15, -0.15)),
        (marks[57:58] + (0, 0.1 * unit), (0.4, 0.1), (-0.1, -0.12, -0.12)),
    ]
    counts = [len(part[0]) for part in parts]
    centres = np.concatenate([part[0] for part in parts]).astype(np.float32)
    radii = (np.repeat([part[1] for part in parts], counts, axis=0) * unit).astype(np.float32)
    return centres, radii, np.repeat([part[2] for part in parts], counts, axis=0).astype(np.float32)


def light_up(picture, view, person, shot):
    """Shade a flat picture.

    Args:
        picture (ndarray): uint8 (size, size, 4), RGB and matter.
        view (View), person (Person), shot (Shot): what is drawn.

    Returns:
        ndarray: uint8 (size, size, 3) RGB.
    """
    size = picture.shape[0]
    normals = _normals(size, view, person)
    facing = np.maximum(normals @ shot.light.astype(np.float32), 0)
    half = shot.light + (0, 0, 1)
    gloss = np.maximum(normals @ (half / np.linalg.norm(half)).astype(np.float32), 0) ** 24
    lamp = np.array([1 + shot.warmth, 1, 1 - shot.warmth], np.float32) * np.float32(1.12 * (1 - shot.ambient))
    sky = np.array([1 - 0.5 * shot.warmth, 1, 1 + 0.5 * shot.warmth], np.float32) * np.float32(shot.ambient)
    shade = facing[..., None] * lamp + sky + (0.09 * gloss)[..., None]
    centres, radii, tints = _tints(view, person, shot)
    _, _, column, row = _blobs(size, centres, radii)
    shade *= 1 + np.stack([(row * tints[:, channel : channel + 1]).T @ column for channel in range(3)], axis=2)
    shade = cv2.resize(shade, (size, size), interpolation=cv2.INTER_LINEAR)
    top, left = (int(value) for value in np.random.default_rng(shot.background_seed).integers(0, 512 - size, 2))
    shade *= (1 + (0.018 + 0.012 * person.age) * _grain()[top : top + size, left : left + size])[..., None]
    matter = picture[..., 3:].astype(np.float32) * np.float32(1 / 255)
    exposure = np.float32(shot.exposure) * np.array([1 + 0.4 * shot.warmth, 1, 1 - 0.4 * shot.warmth], np.float32)
    lit = picture[..., :3] * ((1 + matter * (shade - 1)) * exposure)
    return np.clip(lit + 0.5, 0, 255).astype(np.uint8)


def background(size, shot):
    """uint8 (size, size, 4) picture behind the head: a gradient with blurred shapes, or texture; matter is 0."""
    rng = np.random.default_rng(shot.background_seed)
    first, second = rng.uniform(20, 225, (2, 1)) + rng.normal(0, 22, (2, 3))
    ramp = np.linspace(0, 1, 64)
    slope = rng.normal(0, 1, 2)
    share = slope[0] * ramp[None, :, None] + slope[1] * ramp[:, None, None]
    share = (share - share.min()) / (np.ptp(share) + 1e-6)
    small = np.zeros((64, 64, 4), np.float32)
    small[..., :3] = first + (second - first) * share
    for _ in range(rng.integers(0, 14)):
        colour = (*_between(rng, first, second), 0)
        x, y, wide, high = (int(value) for value in rng.integers(0, 64, 4))
        if rng.random() < 0.5:
            cv2.circle(small, (x, y), 2 + wide // 5, colour, -1)
        else:
            cv2.rectangle(small, (x, y), (x + wide // 2, y + high), colour, -1)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.6, 3.5))
    if rng.random() < 0.3:
        top, left = rng.integers(0, 448, 2)
        small[..., :3] += rng.uniform(4, 22) * _grain()[top : top + 64, left : left + 64, None]
    return cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)


def _between(rng, first, second):
    """A colour somewhere near two others."""
    share = rng.random()
    return np.clip(first * share + second * (1 - share) + rng.normal(0, 26, 3), 0, 255).tolist()

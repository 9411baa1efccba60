"""Pictures that are no aligned face, from which a quality is learnt: drawn ones, and faces in the wrong place."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Picture = np.ndarray  # uint8 (q, q, 3)


def _blank(face: Picture, rng: np.random.Generator) -> Picture:
    """One colour, or a slope from one to another."""
    first, last = rng.integers(0, 256, (2, 3))
    share = np.linspace(0, 1, len(face))[:, None, None] * rng.integers(0, 2)
    return _picture(np.broadcast_to(first + (last - first) * share, face.shape))


def _noise(face: Picture, rng: np.random.Generator) -> Picture:
    return _picture(rng.normal(rng.uniform(60, 190), rng.uniform(5, 70), face.shape))


def _texture(face: Picture, rng: np.random.Generator) -> Picture:
    """Noise of one scale, as walls, cloth and leaves have it."""
    side = len(face)
    coarse = rng.normal(0, 1, (max(2, int(side / rng.uniform(2, 16))),) * 2).astype(np.float32)
    level = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)[:, :, None]
    return _picture(rng.uniform(60, 190, 3) + level * rng.uniform(10, 60, 3))


def _shuffled(face: Picture, rng: np.random.Generator) -> Picture:
    """The face's own colours and details, in another order of its sixteenths."""
    step = len(face) // 4
    tiles = [face[y : y + step, x : x + step] for y in range(0, 4 * step, step) for x in range(0, 4 * step, step)]
    order = rng.permutation(16)
    rows = [np.concatenate([tiles[i] for i in order[start : start + 4]], 1) for start in range(0, 16, 4)]
    return cv2.resize(np.concatenate(rows), face.shape[1::-1])


def _turned(face: Picture, rng: np.random.Generator) -> Picture:
    """By more than a third of a right angle, upside down among them."""
    return _moved(face, rng.uniform(35, 325) if rng.random() < 0.5 else 180, 1, (0, 0))


def _displaced(face: Picture, rng: np.random.Generator) -> Picture:
    """By a third of the side and more."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.6) * len(face)
    return _moved(face, 0, 1, (distance * np.cos(angle), distance * np.sin(angle)))


def _resized(face: Picture, rng: np.random.Generator) -> Picture:
    """A part of the face, or the face much smaller than the window."""
    return _moved(face, 0, rng.choice([rng.uniform(0.3, 0.55), rng.uniform(2.2, 3.5)]), (0, 0))


KINDS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    _blank,
    _noise,
    _texture,
    _shuffled,
    _turned,
    _displaced,
    _resized,
)


def no_face(face: Picture, number: int) -> Picture:
    """A picture of a face's size that is no aligned face; the kinds take turns.

    Args:
        face: uint8 (q, q, 3), aligned.
        number: chooses kind and details.
    """
    return KINDS[number % len(KINDS)](face, np.random.default_rng(number))


def _moved(face: Picture, angle: float, scale: float, shift: tuple[float, float]) -> Picture:
    """Turned by degrees and scaled about the centre, then shifted by pixels; the border goes on as its mirror image."""
    centre = (len(face) - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle, scale)
    matrix[:, 2] += np.array(shift)
    return cv2.warpAffine(face, matrix, face.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _picture(values: np.ndarray) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

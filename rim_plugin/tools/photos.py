"""Faces of whole photos: cut out at their own resolution, and pasted back larger."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.alignment import align_face, alignment_matrix
from rim_plugin.data.detect import Detected, Detector, detect_faces
from rim_plugin.data.photo_files import MAX_PIXELS, MIN_SIDE, read_rgb
from rim_plugin.errors import SkippedPhoto, UnreadableImage
from rim_plugin.tools.api import check_side

_FADE = 0.12  # of a pasted face's side, over which it fades into the photo


class PhotoFace(NamedTuple):
    """A face in a photo: its five points (5, 2) there, and the face, uint8 (q, q, 3), aligned, q its own resolution."""

    points: np.ndarray
    image: np.ndarray


def cut_face(photo: np.ndarray, points: np.ndarray, largest: int) -> PhotoFace:
    """A face at its own resolution, the side that the aligned window has in the photo, but at most ``largest``.

    Args:
        photo: uint8 (H, W, 3), RGB.
        points: (5, 2), eyes, nose, mouth corners.
        largest: pixels.

    Raises:
        ValueError: the points are no face's, or lie too close together.
    """
    scale = np.hypot(*alignment_matrix(points, FACE_SIZE)[0, :2])
    side = int(np.clip(round(FACE_SIZE / scale), MIN_SIDE, largest))
    return PhotoFace(points, align_face(photo, points, side)[0])


def find_faces(photo: np.ndarray, detector: Detector, largest: int) -> list[PhotoFace]:
    """The faces of a photo, uint8 (H, W, 3), smaller than ``largest`` pixels; ``detector``: see load_detector."""
    faces = []
    for points in detect_faces(detector, photo):
        try:
            faces.append(cut_face(photo, points, largest))
        except ValueError:  # five points within four pixels: nothing to see
            continue
    return [face for face in faces if len(face.image) < largest]


def read_face(path: str | os.PathLike[str], detector: Detector | None = None) -> np.ndarray:
    """An aligned face from a file, or the largest face of a photo.

    Args:
        path: the picture.
        detector: see :func:`rim_plugin.tools.cascade.load_detector`; None where the picture is an aligned face.

    Returns:
        uint8 (q, q, 3), RGB; of a photo at most 224 pixels.

    Raises:
        UnreadableImage: no picture, not square, or without a face.
    """
    if detector is None:
        return read_rgb(path, check=check_side)
    image = read_rgb(path)
    try:
        return cut_face(image, Detected(detector)(path, image), 2 * FACE_SIZE).image
    except SkippedPhoto as error:
        raise UnreadableImage(f'{path}: {error.reason}; is it a photo of a face, upright?') from None
    except ValueError as error:
        raise UnreadableImage(f'{path}: {error}') from None


def check_enlarged(width: int, height: int, scale: int) -> None:
    """ValueError where a photo of this size in pixels has too many when it is ``scale`` times as large."""
    if scale**2 * height * width > MAX_PIXELS:
        raise ValueError(
            f'{scale} times as large it has {scale**2 * height * width / 1e6:.0f} megapixels, more than '
            f'{MAX_PIXELS // 10**6}; give a smaller --scale'
        )


def enlarged_photo(photo: np.ndarray, scale: int) -> np.ndarray:
    """The photo, uint8 (H, W, 3), ``scale`` times as large by bicubic interpolation."""
    height, width = (scale * side for side in photo.shape[:2])
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)


def paste_faces(canvas: np.ndarray, scale: int, faces: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Put faces back into the enlarged photo, fading at their borders.

    Args:
        canvas: uint8 (H, W, 3), see :func:`enlarged_photo`.
        scale: how much it is enlarged.
        faces: points (5, 2) in the photo before, and the face, uint8 (S, S, 3).

    Returns:
        A copy with the faces.
    """
    canvas = canvas.copy()
    for points, face in faces:
        points = (points + 0.5) * scale - 0.5
        footprint = FACE_SIZE / np.hypot(*alignment_matrix(points, FACE_SIZE)[0, :2])
        side = int(np.clip(round(footprint), 1, len(face)))  # averaged down first, so that warping does not alias
        face = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        _blend(canvas, face, cv2.invertAffineTransform(alignment_matrix(points, side)))
    return canvas


def _blend(canvas: np.ndarray, face: np.ndarray, matrix: np.ndarray) -> None:
    """Warp ``face`` by ``matrix`` (2, 3) into ``canvas``, in place."""
    side = len(face)
    corners = np.array([(-1, -1), (side, -1), (-1, side), (side, side)]) @ matrix[:, :2].T + matrix[:, 2]
    left, top = np.clip(np.floor(corners.min(0)), 0, canvas.shape[1::-1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0)) + 1, 0, canvas.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    shifted = matrix - np.array([[0, 0, left], [0, 0, top]])
    size = (int(right - left), int(bottom - top))
    warped = cv2.warpAffine(face, shifted, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(_fading(side), shifted, size, flags=cv2.INTER_LINEAR)[:, :, None]
    window = canvas[top:bottom, left:right]
    window[:] = np.rint(window * (1 - weight) + warped * weight).astype(np.uint8)


def _fading(side: int) -> np.ndarray:
    """Weights (side, side) float32: 1 inside, to 0 at the border."""
    border = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) / (_FADE * side)
    ramp = np.clip(border, 0, 1).astype(np.float32)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return ramp[:, None] * ramp

"""Faces of whole photos: cut out at their own resolution, and pasted back larger."""

import math
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.alignment import align_face, alignment_matrix, alignment_template
from rim_plugin.data.detect import Detector, detect_faces
from rim_plugin.data.found import Found
from rim_plugin.data.photo_files import MAX_PIXELS, MIN_SIDE, read_rgb
from rim_plugin.data.tiles import enlarge_by_tiles
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.face_inputs import check_side

_LARGEST_SCALE = 4  # of a photo for which none is named
_TILE, _BORDER = 1024, 4  # pixels of a photo that are enlarged at a time, and around them
_SEEN = 1 / 255  # opacity below which nothing is seen
_FADE = 0.12  # of a pasted face's side, over which it fades into the photo


class PhotoFace(NamedTuple):
    """A face in a photo.

    Attributes:
        points: float64 (5, 2), left eye, right eye, nose, left and right mouth corner in pixels of the photo.
        image: the face, uint8 (q, q, 3), aligned, q its own resolution, at most what was asked for.
        score: how sure the detector is, 0 to 1; NaN of one that does not say.
        box: float64 (4, ), left, top, right, bottom in pixels of the photo.
        side: pixels that the aligned window's side has in the photo.
        certainty, doubt: see :class:`rim_plugin.data.found.Found`.
        whole: the photo is this face, aligned.
    """

    points: np.ndarray
    image: np.ndarray
    score: float
    box: np.ndarray
    side: float
    certainty: float
    doubt: str
    whole: bool


def cut_face(photo: np.ndarray, found: Found, largest: int) -> PhotoFace:
    """A face at its own resolution, the side that the aligned window has in the photo, but at most ``largest``.

    Args:
        photo: uint8 (H, W, 3), RGB.
        found: by a detector.
        largest: pixels.

    Raises:
        ValueError: the points are no face's, or lie too close together.
    """
    whole = is_whole(photo, found)
    side = float(len(photo) if whole else FACE_SIZE / np.hypot(*alignment_matrix(found.points, FACE_SIZE)[0, :2]))
    size = int(np.clip(round(side), MIN_SIDE, largest))
    image = photo if whole and size == len(photo) else align_face(photo, found.points, size)[0]
    return PhotoFace(found.points, image, found.score, found.box, side, found.certainty, found.doubt, whole)


def is_whole(photo: np.ndarray, found: Found) -> bool:
    """Whether a photo, (H, W, 3), is an aligned face, which was found in it."""
    height, width = photo.shape[:2]
    return height == width and np.array_equal(found.points, alignment_template(width))


def find_faces(photo: np.ndarray, detector: Detector, largest: int) -> list[PhotoFace]:
    """The faces of a photo, from left to right, those in doubt too.

    Args:
        photo: uint8 (H, W, 3), RGB.
        detector: see :func:`rim_plugin.tools.detection.load_detector`.
        largest: side in pixels to which faces are cut at most.

    Raises:
        RuntimeError: the detector returns neither finds nor points.
    """
    return faces_of(photo, detect_faces(detector, photo), largest)


def faces_of(photo: np.ndarray, found: Sequence[Found], largest: int | None = None) -> list[PhotoFace]:
    """The faces that a detector has found in a photo, see :func:`find_faces`.

    Args:
        photo: uint8 (H, W, 3), RGB.
        found: by the detector.
        largest: side in pixels to which faces are cut at most. None: the photo's longer side.
    """
    faces = []
    for each in found:
        try:
            faces.append(cut_face(photo, each, max(photo.shape) if largest is None else largest))
        except ValueError:  # five points within four pixels: nothing to see
            continue
    return sorted(faces, key=lambda face: float(face.box[0]))


def read_faces(path: str | os.PathLike[str], detector: Detector | None = None) -> list[np.ndarray]:
    """An aligned face from a file, or the faces of a photo that are no doubt, the largest first.

    Args:
        path: the picture.
        detector: see :func:`rim_plugin.tools.detection.load_detector`; None where the picture is an aligned face.

    Returns:
        At least one, uint8 (q, q, 3), RGB; of a photo at most 224 pixels.

    Raises:
        UnreadableImage: no picture, not square, or without a face.
    """
    if detector is None:
        return [read_rgb(path, check=check_side)]
    found = find_faces(read_rgb(path), detector, 2 * FACE_SIZE)
    faces = sorted((face for face in found if not face.doubt), key=lambda face: -face.side)
    if not faces:
        doubt = f' without doubt ({found[0].doubt})' if found else ''
        raise UnreadableImage(f'{path}: no face found{doubt}; of an aligned face say so: --detect none')
    return [face.image for face in faces]


def check_enlarged(width: int, height: int, scale: int) -> None:
    """ValueError where a photo of this size in pixels has too many when it is ``scale`` times as large."""
    if scale**2 * height * width > MAX_PIXELS:
        raise ValueError(
            f'{scale} times as large it has {scale**2 * height * width / 1e6:.0f} megapixels, more than '
            f'{MAX_PIXELS // 10**6}; give a smaller --scale, or none'
        )


def fitting_scale(width: int, height: int, sides: Sequence[float], image_size: int) -> int:
    """How many times as large a photo becomes: as its faces do, but at most 4, and within 100 megapixels.

    Args:
        width, height: of the photo, pixels.
        sides: of the faces to be restored, pixels; where there are none, 4.
        image_size: side of a hallucinated face, pixels.
    """
    wanted = math.ceil(image_size / np.median(sides)) if sides else _LARGEST_SCALE
    room = math.isqrt(MAX_PIXELS // (width * height))
    return max(min(wanted, _LARGEST_SCALE, room), 1)


def enlarged(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture, uint8 or uint16 (H, W, 3 or 4), of other size by bicubic interpolation; colours count as far as they
    are opaque."""
    if pixels.shape[2] == 3:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    full = np.iinfo(pixels.dtype).max
    opacity = pixels[:, :, 3:].astype(np.float32) / full
    seen = np.dstack([pixels[:, :, :3] * np.maximum(opacity, 1e-4), np.maximum(opacity, 1e-4)])
    large = cv2.resize(seen, (width, height), interpolation=cv2.INTER_CUBIC)
    shown = np.maximum(large[:, :, 3:], 1e-4)
    result = np.dstack([large[:, :, :3] / shown, np.where(shown > 2e-4, shown, 0) * full])
    return np.rint(result.clip(0, full)).astype(pixels.dtype)


def enlarged_photo(pixels: np.ndarray, scale: int) -> np.ndarray:
    """A whole photo ``scale`` times as large, see :func:`enlarged`; tile by tile, as opacity takes floating point."""

    def enlarge(tile: np.ndarray) -> np.ndarray:
        return enlarged(tile, scale * tile.shape[1], scale * tile.shape[0])

    return enlarge_by_tiles(pixels, scale, _TILE, _BORDER, enlarge)


def paste_faces(canvas: np.ndarray, scale: int, faces: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Put faces back into the enlarged photo, fading at their borders.

    Args:
        canvas: uint8 or uint16 (H, W, 3 or 4), see :func:`enlarged_photo`.
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
    window[:, :, :3] = np.rint(window[:, :, :3] * (1 - weight) + uncovered(warped, window) * weight)


def uncovered(shown: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The colours, (H, W, 3), with which a picture of the opacity of ``pixels`` looks over white as a face does.

    Args:
        shown: uint8 (H, W, 3), the face.
        pixels: uint8 or uint16 (H, W, 3 or 4), whose kind the colours have; its own where it is not seen.
    """
    full = np.iinfo(pixels.dtype).max
    colours = shown.astype(pixels.dtype) * pixels.dtype.type(full // 255)  # of 16 bits a channel 257
    if pixels.shape[2] == 3:
        return colours
    opacity = pixels[:, :, 3:].astype(np.float32) / full
    straight = (colours - full * (1 - opacity)) / np.maximum(opacity, _SEEN)
    return np.where(opacity < _SEEN, pixels[:, :, :3], np.rint(straight.clip(0, full))).astype(pixels.dtype)


def _fading(side: int) -> np.ndarray:
    """Weights (side, side) float32: 1 inside, to 0 at the border."""
    border = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) / (_FADE * side)
    ramp = np.clip(border, 0, 1).astype(np.float32)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return ramp[:, None] * ramp

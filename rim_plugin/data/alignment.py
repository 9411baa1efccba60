"""Face alignment: a similarity transform takes five points to ArcFace's template; landmarks and parsing maps follow.

Coordinates are x and y in pixels, an integer being the centre of a pixel.
"""

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike

from rim_plugin.data.resize import check_image

# ArcFace's template on 112 x 112 pixels: left eye, right eye, nose, left and right mouth corner.
ARCFACE_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
_TEMPLATE_SIZE = 112
# Where a photo ends inside the face window it is continued by its mirror image, and its parsing map with it.
_BORDER = cv2.BORDER_REFLECT_101


def alignment_template(size: int) -> np.ndarray:
    """The template on ``size`` x ``size`` pixels, float64, (5, 2), scaled about pixel centres."""
    return (ARCFACE_TEMPLATE + 0.5) * (size / _TEMPLATE_SIZE) - 0.5


def alignment_matrix(points: ArrayLike, size: int = 224) -> np.ndarray:
    """Least-squares similarity transform from a photo to the aligned face.

    Args:
        points: (5, 2), the five points in the photo.
        size: side of the aligned face.

    Returns:
        float64 (2, 3).

    Raises:
        ValueError: ``points`` is not (5, 2), is not finite, or the points (nearly) coincide.
    """
    from skimage.transform import estimate_transform

    source = np.asarray(points, np.float64)
    if source.shape != (5, 2) or not np.isfinite(source).all():
        raise ValueError(f'Alignment needs five finite points, shape (5, 2), but got shape {source.shape}.')
    if np.ptp(source, 0).max() < 4:
        raise ValueError('The five points lie within 4 pixels: too small a face, or a wrong annotation.')
    return estimate_transform('similarity', source, alignment_template(size)).params[:2]


def warp_points(points: ArrayLike, matrix: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) matrix to (L, 2) points; returns float32 (L, 2)."""
    return (np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _scaled(matrix: np.ndarray, factor: int) -> np.ndarray:
    """The transform to an image with ``factor`` times as many pixels along each side."""
    offset = (factor - 1) / 2
    return matrix * factor + np.array([[0, 0, offset], [0, 0, offset]])


def warp_image(image: np.ndarray, matrix: np.ndarray, size: int = 224) -> np.ndarray:
    """Warp a photo, bicubically and without aliasing.

    Args:
        image: uint8 (H, W, 3).
        matrix: (2, 3), photo to face.
        size: side of the result.

    Returns:
        uint8 (size, size, 3).

    Raises:
        ValueError: ``image`` is no 8-bit colour image.
    """
    check_image(image)
    # A photo much larger than the face window is sampled about as finely as it is, then averaged down.
    factor = min(max(round(1 / math.hypot(*matrix[0, :2])), 1), 16)
    side = size * factor
    warped = cv2.warpAffine(image, _scaled(matrix, factor), (side, side), flags=cv2.INTER_CUBIC, borderMode=_BORDER)
    return cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA) if factor > 1 else warped


def warp_parsing(parsing: np.ndarray, matrix: np.ndarray, size: int = 224) -> np.ndarray:
    """Warp a parsing map (uint8 (H, W), classes) by nearest neighbour; returns uint8 (size, size)."""
    return cv2.warpAffine(parsing, matrix, (size, size), flags=cv2.INTER_NEAREST, borderMode=_BORDER)


def align_face(image: np.ndarray, points: ArrayLike, size: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """Cut out and align a face.

    Args:
        image: uint8 (H, W, 3).
        points: (5, 2), left eye, right eye, nose, left and right mouth corner as seen in the picture.
        size: side of the aligned face.

    Returns:
        The face, uint8 (size, size, 3), and the matrix (2, 3) from the photo to it.

    Raises:
        ValueError: as :func:`alignment_matrix` and :func:`warp_image`.
    """
    matrix = alignment_matrix(points, size)
    return warp_image(image, matrix, size), matrix

"""Landmarks of a face store: ``landmarks.npz``, names (N,) and points (N, L, 2) in pixels of the faces."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rim_plugin.errors import OptionsError, first_words


def load_landmarks(root: str | os.PathLike[str]) -> tuple[list[str], np.ndarray]:
    """Keys (N) and landmarks (N, L, 2), float32 and whatever they are, of the store at ``root``.

    Raises:
        OptionsError: the file is damaged, or holds something else.
    """
    path = Path(root) / 'landmarks.npz'
    try:
        with np.load(path) as data:
            names, points = data['names'].tolist(), data['points']
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OptionsError(f"'{path}' is damaged ({first_words(error)}); prepare the faces again") from None
    if points.dtype.kind not in 'fiu':
        raise OptionsError(f"'{path}': points are no numbers ({points.dtype}); prepare the faces again")
    if points.ndim != 3 or points.shape[::2] != (len(names), 2):
        raise OptionsError(f"'{path}': points of shape {points.shape} for {len(names)} names; prepare the faces again")
    return names, points


def read_landmarks(root: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Key to landmarks, float32 (L, 2), of the store at ``root``.

    Raises:
        OptionsError: the file is damaged, holds something else, or a face's landmarks are not finite.
    """
    names, points = load_landmarks(root)
    for name, finite in zip(names, np.isfinite(points).all((1, 2))):
        if not finite:
            path = Path(root) / 'landmarks.npz'
            raise OptionsError(f"'{path}': the landmarks of '{name}' are not finite; prepare the faces again")
    return dict(zip(names, points))


def beyond(names: Sequence[str], points: np.ndarray, shape: Sequence[int]) -> list[str]:
    """Names of the faces whose landmarks lie more than a side outside their images.

    Args:
        names: N of them.
        points: (N, L, 2), x and y.
        shape: (h, w, ...) of the images.
    """
    height, width = shape[:2]
    side = np.array([width, height])
    far = np.any((points < -side) | (points > 2 * side), axis=(1, 2)).tolist()
    return [name for name, each in zip(names, far) if each]

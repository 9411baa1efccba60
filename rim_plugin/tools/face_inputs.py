"""What users hand over as faces, checked, and what the networks look at of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rim_plugin.archs.layers import bicubic, resize
from rim_plugin.data.photo_files import MIN_SIDE, as_rgb
from rim_plugin.data.resize import check_image, to_tensor
from rim_plugin.effective_side import effective_sides, reduce_faces

Faces = Sequence[np.ndarray] | Iterator[np.ndarray]  # also a generator
_CLEARLY = 0.85  # of a face's side; what its effective side is above that may be the estimate's error
_LOOKED_AT = 512  # pixels, to which larger faces are reduced first: detail beyond is more than any network here gives


class Probe(NamedTuple):
    """What the networks get of a face.

    Attributes:
        image: (1, 3, q, q), RGB in [0, 1]: the face at its effective side, or as it is, but of 512 pixels at most.
        side: in pixels, by which verdicts go: q, or the face's own.
    """

    image: Tensor
    side: int


class SeenFace(NamedTuple):
    """A face that was through the hallucination network; its detail is still to be added to it, in any thread.

    Attributes:
        face: uint8 (q, q, 3).
        probe: (1, 3, p, p), what the network got of it.
        sr: (1, 3, S, S), what the network made of that; None where it adds nothing to it.
        image_size: S.
    """

    face: np.ndarray
    probe: Tensor
    sr: Tensor | None
    image_size: int

    @property
    def has_gained(self) -> bool:
        """Whether there is detail to add."""
        return self.sr is not None

    @property
    def side(self) -> int:
        """Pixels of the restored face."""
        return max(len(self.face), self.image_size)

    def restored(self) -> np.ndarray:
        """The face with its detail, uint8 (side, side, 3)."""
        detail = None if self.sr is None else self.sr - bicubic(self.probe, self.image_size)
        return with_detail(self.face, detail, self.image_size)


def is_one(images: Any) -> bool:
    """Whether this is a single face, or something that is none, rather than several."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    return isinstance(images, (str, os.PathLike, Image.Image)) or not isinstance(images, Iterable)


def checked_faces(images: Any) -> list[np.ndarray]:
    """The faces, uint8 (q, q, 3), of one or several arrays, paths or Pillow's pictures.

    Raises:
        ValueError: one of them is no such face.
    """
    faces = [as_rgb(each) for each in ([images] if is_one(images) else images)]
    for face in faces:
        check_face(face)
    return faces


def check_face(image: np.ndarray) -> None:
    """ValueError unless ``image`` is a square uint8 (q, q, 3) of at least 4 pixels."""
    check_image(image)
    check_side(*image.shape[1::-1])


def check_side(width: int, height: int) -> None:
    """ValueError unless an aligned face may have this size in pixels."""
    if height != width or width < MIN_SIDE:
        raise ValueError(
            f'{width}x{height} pixels are no aligned face, which is square and of at least {MIN_SIDE} '
            'pixels; in whole photos faces are detected first (--detect)'
        )


def effective_side(face: np.ndarray) -> int:
    """How many pixels a face, uint8 (q, q, 3), is worth; q where that is not told."""
    image = _looked_at(face)
    side = int(effective_sides(image))
    return side if side < image.shape[-1] else len(face)


def effective_probe(face: np.ndarray, gains: Callable[[int], bool], side: int | None = None) -> Probe:
    """A face at its effective side, where that is clearly below its own and the hallucination network adds to it.

    Args:
        face: uint8 (q, q, 3).
        gains: whether the network adds detail to a face of so many pixels.
        side: its effective side, where that is known already.
    """
    image = _looked_at(face)
    side = int(effective_sides(image)) if side is None else side
    if side < _CLEARLY * image.shape[-1] and gains(side):
        return Probe(reduce_faces(image, side), side)
    return Probe(image, len(face))


def _looked_at(face: np.ndarray) -> Tensor:
    return at_most(to_tensor(face)[None], _LOOKED_AT)


def at_most(image: Tensor, largest: int) -> Tensor:
    """A face (1, 3, q, q), reduced where it has more pixels than ``largest``."""
    return resize(image, min(image.shape[-1], largest))


def with_detail(face: np.ndarray, detail: Tensor | None, image_size: int) -> np.ndarray:
    """A face, uint8 (q, q, 3), enlarged to ``image_size`` unless it is that large, with detail (1, 3, S, S) added.

    What the face itself has stays in it, whatever its size.
    """
    side = max(len(face), image_size)
    if detail is None and side == len(face):
        return face.copy()
    planes = []
    for channel in range(3):  # one by one: a face may have as many pixels as a photo
        plane = _enlarged(torch.from_numpy(face[None, None, :, :, channel].astype(np.float32)), side)
        if detail is not None:
            plane += _enlarged(detail[:, channel : channel + 1] * 255, side)
        planes.append(plane[0, 0].clamp_(0, 255).round_().byte().numpy())
    return cv2.merge(planes)


def _enlarged(plane: Tensor, side: int) -> Tensor:
    """(1, 1, q, q) by bicubic interpolation, which at its own side is the identity, though not at no cost."""
    return plane if plane.shape[-1] == side else bicubic(plane, side)

"""What :mod:`rim_plugin.data.augment` does to one face on a CPU, for a batch of faces on any device.

Choices follow from seeds by :mod:`rim_plugin.data.counter_random`, and are made on the CPU: a GPU is never waited for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rim_plugin.data.augment import CELL, FIELD, MORPH_ENDS, SMOOTHING, WHOLE, Frame, border_points
from rim_plugin.data.counter_random import moved, normal, uniform
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.options.datasets import AugmentOptions


class Faces(NamedTuple):
    """A batch of N faces on one device.

    Attributes:
        images: float32 (N, 3, S, S), levels of 0 to 255.
        landmarks: float32 (N, L, 2), x and y in pixels; None without.
        parsing: uint8 (N, S, S), classes; None without.
    """

    images: Tensor
    landmarks: Tensor | None
    parsing: Tensor | None

    def taken(self, places: Tensor) -> Faces:
        """Those at ``places`` (n, ), int64 on the device."""
        landmarks, parsing = (None if each is None else each[places] for each in self[1:])
        return Faces(self.images[places], landmarks, parsing)

    def with_others(self, places: Tensor, others: Faces) -> Faces:
        """With ``others`` at ``places``."""
        images = self.images.index_copy(0, places, others.images)
        pairs = zip(self[1:], others[1:], strict=True)
        landmarks, parsing = (
            new if old is None or new is None else old.index_copy(0, places, new) for old, new in pairs
        )
        return Faces(images, landmarks, parsing)


def _levels(images: Tensor) -> Tensor:
    return images.round_().clamp_(0, 255)


def _sample(images: Tensor, places: Tensor, mode: str) -> Tensor:
    """Images (N, C, S, S) at ``places`` (N, S, S, 2), x and y in pixels; mirrored at the border pixels' centres."""
    grid = places * (2 / (images.shape[-1] - 1)) - 1
    return F.grid_sample(images, grid, mode, padding_mode='reflection', align_corners=True)


def _sample_classes(parsing: Tensor | None, places: Tensor) -> Tensor | None:
    """A parsing map (N, S, S) at ``places`` (N, S, S, 2), of the nearest pixel."""
    return None if parsing is None else _sample(parsing[:, None].float(), places, 'nearest')[:, 0].to(parsing.dtype)


def _pixels(size: int, device: torch.device) -> Tensor:
    """x and y of each pixel, (size, size, 2)."""
    ticks = torch.arange(size, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(ticks, ticks, indexing='xy'), -1)


def backward_maps(source: Tensor, target: Tensor, size: int) -> Tensor:
    """Where in the old images the content of each pixel of the new ones lies.

    What is at ``source`` comes to ``target``: radial basis functions |r| through the landmarks and points of the
    border, which stay, with a constant (Bookstein 1989 has r^2 log r instead), smoothed as in
    :mod:`rim_plugin.data.augment`.

    Args:
        source, target: (N, L, 2), pixels.
        size: side of the images.

    Returns:
        float32 (N, size, size, 2).
    """
    count, device = len(source), source.device
    border = torch.from_numpy(border_points(size)).to(device).expand(count, -1, -1)
    centres = torch.cat([target.double(), border], 1)
    moves = torch.cat([source.double(), border], 1) - centres
    number = centres.shape[1]
    system = torch.ones(count, number + 1, number + 1, dtype=torch.float64, device=device)
    system[:, :-1, :-1] = SMOOTHING * torch.eye(number, device=device) - torch.cdist(centres, centres)
    system[:, -1, -1] = 0
    weights = torch.linalg.solve(system, F.pad(moves, (0, 0, 0, 1)))
    ticks = torch.arange(CELL / 2 - 0.5, size, CELL, dtype=torch.float64, device=device)
    grid = torch.stack(torch.meshgrid(ticks, ticks, indexing='xy'), -1).reshape(1, -1, 2).expand(count, -1, -1)
    field = weights[:, -1:] - torch.cdist(grid, centres) @ weights[:, :-1]
    field = field.mT.reshape(count, 2, len(ticks), len(ticks)).float()
    field = F.interpolate(field, (size, size), mode='bilinear', align_corners=False)
    return field.permute(0, 2, 3, 1) + _pixels(size, device)


def morph(first: Faces, second: Faces, shape: Tensor, log_odds: Tensor) -> Faces:
    """Faces between two, see :func:`rim_plugin.data.augment.morph_faces`.

    Args:
        first, second: as many faces each; without landmarks they are blended as they lie.
        shape: (N, ), weight of the first one's landmarks, 0 to 1.
        log_odds: (N, k, k), of the weights of the first one's colours, a coarse field.
    """
    size, share = first.images.shape[-1], shape[:, None, None]
    points, others = first.landmarks, second.landmarks
    weight = F.interpolate(log_odds[:, None], (size, size), mode='bicubic', align_corners=False).sigmoid()
    if points is None or others is None:
        return Faces(_levels(weight * first.images + (1 - weight) * second.images), None, None)
    landmarks = share * points + (1 - share) * others
    own, other = backward_maps(points, landmarks, size), backward_maps(others, landmarks, size)
    images = weight * _sample(first.images, own, 'bilinear') + (1 - weight) * _sample(second.images, other, 'bilinear')
    first_map, second_map = _sample_classes(first.parsing, own), _sample_classes(second.parsing, other)
    parsing = None
    if first_map is not None and second_map is not None:
        parsing = torch.where(weight[:, 0] >= 0.5, first_map, second_map)
    return Faces(_levels(images), landmarks, parsing)


def pose(faces: Faces, matrices: Tensor, margin: int = 0) -> Faces:
    """Faces after similarity transforms, bicubic; see :func:`rim_plugin.data.alignment.warp_image`.

    Images are not averaged where a transform makes them smaller than two thirds.

    Args:
        faces: with a margin, without priors.
        matrices: (N, 2, 3), of the window within the margin.
        margin: pixels on every side, which the result lacks.
    """
    turn, shift = matrices[:, :, :2], matrices[:, :, 2]
    pixels = _pixels(faces.images.shape[-1] - 2 * margin, matrices.device) - shift[:, None, None]
    places = torch.einsum('nij,nyxj->nyxi', torch.linalg.inv(turn), pixels) + margin
    landmarks = None if faces.landmarks is None else faces.landmarks @ turn.mT + shift[:, None]
    images = _levels(_sample(faces.images, places, 'bicubic'))
    return Faces(images, landmarks, _sample_classes(faces.parsing, places))


def mirror(faces: Faces) -> Faces:
    """Faces mirrored left to right, see :func:`rim_plugin.data.face_item.mirror_face`."""
    images, landmarks, parsing = faces
    if landmarks is not None:
        order = torch.from_numpy(flip_permutation(landmarks.shape[1])).to(landmarks.device)
        landmarks = landmarks[:, order] * landmarks.new_tensor([-1, 1]) + landmarks.new_tensor(
            [images.shape[-1] - 1, 0]
        )
    if parsing is not None:
        parsing = torch.as_tensor(PARSING_FLIP, dtype=parsing.dtype, device=parsing.device)[parsing.flip(2).int()]
    return Faces(images.flip(3), landmarks, parsing)


class BatchAugmentation:
    """Draws from seeds what becomes of the faces of a batch: as FaceAugmentation does for one face.

    Args:
        options: what is drawn, and how far from the face as it is.
        use_hflip: whether half of the faces are mirrored.
        frame: what is given of a face, and what is wanted.
    """

    def __init__(self, options: AugmentOptions | None, use_hflip: bool, frame: Frame = WHOLE) -> None:
        self._options, self._use_hflip, self._frame = options or AugmentOptions(), use_hflip, frame

    def partners(self, seeds: Tensor, faces: int) -> tuple[Tensor, Tensor]:
        """Which faces of a batch become morphs, and with which of all ``faces``: places, numbers, int64 on the CPU."""
        places = (uniform(seeds, 1) < self._options.morph).nonzero()[:, 0]
        return places, (uniform(seeds[places], 2, dtype=torch.float64) * faces).long()

    def morphed(self, faces: Faces, places: Tensor, others: Faces, seeds: Tensor) -> Faces:
        """With morphs of the faces at ``places`` and the ``others``."""
        if not len(places):
            return faces
        low, high = MORPH_ENDS
        shape, start = (low + (high - low) * uniform(seeds[places], 3, (2,))).unbind(1)
        log_odds = normal(seeds[places], 4, (FIELD, FIELD)) * self._options.blend_noise + start.logit()[:, None, None]
        places, shape, log_odds = (moved(each, faces.images) for each in (places, shape, log_odds))
        return faces.with_others(places, morph(faces.taken(places), others, shape, log_odds))

    def posed(self, faces: Faces, seeds: Tensor) -> Faces:
        """The windows of faces with another pose and light, as the options say."""
        options, drawn = self._options, normal(seeds, 5, (5,))
        if options.rotate or options.scale or options.shift:
            size = self._frame.side(faces.images.shape[-1])
            faces = pose(faces, moved(self._matrices(drawn, size), faces.images), self._frame.margin)
        else:
            faces = self.windows(faces)
        if options.gamma:
            exponents = moved((drawn[:, 4] * options.gamma).exp(), faces.images)
            light = (faces.images / 255) ** exponents[:, None, None, None] * 255
            faces = faces._replace(images=_levels(light))
        return faces

    def windows(self, faces: Faces) -> Faces:
        """The faces without their margin."""
        margin = self._frame.margin
        return faces._replace(images=F.pad(faces.images, [-margin] * 4)) if margin else faces

    def mirrored(self, faces: Faces, seeds: Tensor) -> Faces:
        """Half of the faces mirrored, if the dataset mirrors."""
        places = (uniform(seeds, 6) < 0.5 * self._use_hflip).nonzero()[:, 0]
        if not len(places):
            return faces
        places = moved(places, faces.images)
        return faces.with_others(places, mirror(faces.taken(places)))

    def _matrices(self, drawn: Tensor, size: int) -> Tensor:
        """Similarity transforms about the centre of the window, (N, 2, 3), of standard normal numbers (N, 5)."""
        options, centre = self._options, (size - 1) / 2
        angle, scale = drawn[:, 0] * math.radians(options.rotate), (drawn[:, 1] * options.scale).exp()
        cosine, sine = scale * angle.cos(), scale * angle.sin()
        turn = torch.stack([cosine, sine, -sine, cosine], 1).view(-1, 2, 2)
        shift = drawn[:, 2:4] * (options.shift * self._frame.scale) + centre - turn.sum(2) * centre
        return torch.cat([turn, shift[:, :, None]], 2)

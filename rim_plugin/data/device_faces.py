"""Faces of a store on the training's device, decoded once, and batches of them made there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rim_plugin.data.augment import Face
from rim_plugin.data.batched_augment import BatchAugmentation, Faces
from rim_plugin.data.counter_random import integers, moved
from rim_plugin.data.degradations import degrade_batch
from rim_plugin.data.face_item import QuerySize
from rim_plugin.errors import OptionsError
from rim_plugin.heatmaps import render_heatmaps
from rim_plugin.options.datasets import FacePriorOptions


class DeviceFaces:
    """The faces of a dataset on one device, 8 bits a level: 150 kB a face of 224 pixels, 200 kB with its parsing map.

    Args:
        count: faces.
        faces: these, one after the other.
        options: of the dataset.
        query_size: side of each probe.
        device: where the faces go.

    Raises:
        OptionsError: the device's memory does not hold them.
    """

    def __init__(
        self, count: int, faces: Iterable[Face], options: FacePriorOptions, query_size: QuerySize, device: torch.device
    ) -> None:
        self._options, self._query_size = options, query_size
        self._augment = BatchAugmentation(options.augment, options.use_hflip)
        try:
            self._images, self._landmarks, self._parsing = _stacked(count, faces, device)
        except torch.OutOfMemoryError:
            raise OptionsError(f'on_device: {count} faces are more than the memory of {device} holds') from None

    def batch(self, faces: Sequence[int], seeds: Tensor, changes: bool) -> dict[str, Tensor]:
        """What a data loader gives for these faces, on the device; see FacePriorDataset.

        Args:
            faces: N numbers, or SampleIndex where there are several sizes of probes.
            seeds: (N, ) int64, on the CPU: what all random choices follow from.
            changes: whether faces are augmented, and not mirrored alone.

        Returns:
            ``lq``, ``gt`` and, where they are there, ``lq_size``, ``landmarks``, ``heatmaps`` and ``parsing``; and
            ``is_morph``, (N, ) bool, on the CPU.
        """
        is_morph = torch.zeros(len(faces), dtype=torch.bool)
        batch = self._taken(torch.tensor([int(face) for face in faces]))
        if changes:
            places, others = self._augment.partners(seeds, len(self._images))
            is_morph[places] = True
            batch = self._augment.morphed(batch, places, self._taken(others), seeds)
            batch = self._augment.posed(batch, seeds)
        batch = self._augment.mirrored(batch, seeds)
        gt = batch.images / 255
        probes = self._probes(gt, [self._query_size(face) for face in faces], integers(seeds, 7))
        return {**probes, 'gt': gt, **self._priors(batch), 'is_morph': is_morph}

    def _taken(self, numbers: Tensor) -> Faces:
        places = moved(numbers, self._images)
        priors = (None if each is None else each[places] for each in (self._landmarks, self._parsing))
        return Faces(self._images[places].permute(0, 3, 1, 2).float(), *priors)

    def _probes(self, gt: Tensor, sizes: list[int], seeds: Tensor) -> dict[str, Tensor]:
        """``lq``; padded, with ``lq_size``, where a batch may have several sizes."""
        degradation = None if isinstance(self._options.degradation, str) else self._options.degradation
        canvas = self._query_size.canvas
        if canvas is None:
            return {'lq': degrade_batch(gt, sizes[0], degradation, seeds)}
        sides, lq = torch.tensor(sizes), gt.new_zeros(len(gt), 3, canvas, canvas)
        for size in set(sizes):
            places = (sides == size).nonzero()[:, 0]
            on_device = moved(places, gt)
            lq[on_device, :, :size, :size] = degrade_batch(gt[on_device], size, degradation, seeds[places])
        return {'lq': lq, 'lq_size': sides}

    def _priors(self, faces: Faces) -> dict[str, Tensor]:
        priors: dict[str, Tensor] = {}
        if not self._options.priors:
            return priors
        side = self._options.prior_size
        if faces.landmarks is not None:
            points = (faces.landmarks + 0.5) / faces.images.shape[-1]
            priors['landmarks'] = faces.landmarks
            priors['heatmaps'] = render_heatmaps(points, side, self._options.heatmap_sigma)
        if faces.parsing is not None:
            small = F.interpolate(faces.parsing[:, None].float(), (side, side), mode='nearest-exact')
            priors['parsing'] = small[:, 0].long()
        return priors


def _stacked(count: int, faces: Iterable[Face], device: torch.device) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Images (count, S, S, 3), landmarks and parsing maps of all faces on the device."""
    stacks: list[Tensor | None] = []
    for number, face in enumerate(faces):
        parts = [None if part is None else torch.from_numpy(part) for part in face]
        stacks = stacks or [
            part if part is None else part.new_empty(count, *part.shape, device=device) for part in parts
        ]
        for stack, part in zip(stacks, parts, strict=True):
            if stack is not None and part is not None:
                stack[number] = part
    images, landmarks, parsing = stacks
    assert images is not None  # a store is never empty
    return images, landmarks, parsing

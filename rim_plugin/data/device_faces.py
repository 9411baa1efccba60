"""Faces of stores on the training's device, decoded once, and batches of them made there."""

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
from rim_plugin.data.resize import enlarge
from rim_plugin.errors import OptionsError
from rim_plugin.heatmaps import render_heatmaps
from rim_plugin.options.datasets import FacePriorOptions


class DeviceStore:
    """The faces of a store on one device, 8 bits a level: 150 kB a face of 224 pixels, 200 kB with its parsing map.

    Args:
        count: faces.
        faces: these, one after the other.
        augment: what changes them.
        device: where they go.

    Raises:
        OptionsError: the device's memory does not hold them.
    """

    def __init__(self, count: int, faces: Iterable[Face], augment: BatchAugmentation, device: torch.device) -> None:
        self._augment = augment
        try:
            self._images, self._landmarks, self._parsing = _stacked(count, faces, device)
        except torch.OutOfMemoryError:
            raise OptionsError(f'on_device: {count} faces are more than the memory of {device} holds') from None

    def batch(self, places: Tensor, seeds: Tensor, changes: bool) -> tuple[Faces, Tensor]:
        """Windows of faces, and which of them are morphs.

        Args:
            places: (n, ) int64, on the CPU, of the faces in the store.
            seeds: (n, ) int64, on the CPU.
            changes: whether faces are augmented, and not mirrored alone.

        Returns:
            Faces; (n, ) bool, on the CPU.
        """
        is_morph = torch.zeros(len(places), dtype=torch.bool)
        faces = self._taken(places)
        if changes:
            chosen, others = self._augment.partners(seeds, len(self._images))
            is_morph[chosen] = True
            faces = self._augment.morphed(faces, chosen, self._taken(others), seeds)
            faces = self._augment.posed(faces, seeds)
        else:
            faces = self._augment.windows(faces)
        return self._augment.mirrored(faces, seeds), is_morph

    def _taken(self, numbers: Tensor) -> Faces:
        places = moved(numbers, self._images)
        priors = (None if each is None else each[places] for each in (self._landmarks, self._parsing))
        return Faces(self._images[places].permute(0, 3, 1, 2).float(), *priors)


class DeviceFaces:
    """Batches of the faces of one or several stores.

    Args:
        stores: HR images; and smaller ones.
        options: of the dataset.
        query_size: side of each probe.
    """

    def __init__(self, stores: Sequence[DeviceStore], options: FacePriorOptions, query_size: QuerySize) -> None:
        self._stores, self._options, self._query_size = stores, options, query_size

    def batch(
        self, faces: Sequence[int], stores: Tensor, places: Tensor, seeds: Tensor, changes: bool
    ) -> dict[str, Tensor]:
        """What a data loader gives for these faces, on the device; see FacePriorDataset.

        Args:
            faces: N numbers, or SampleIndex where there are several sizes of probes.
            stores: (N, ) int64, on the CPU, that of each.
            places: (N, ) int64, on the CPU, in the store.
            seeds: (N, ) int64, on the CPU: what all random choices follow from.
            changes: whether faces are augmented, and not mirrored alone.

        Returns:
            ``lq``, ``gt`` and, where they are there, ``lq_size``, ``landmarks``, ``heatmaps`` and ``parsing``, 0 for
            faces without; and ``is_morph``, (N, ) bool, on the CPU.
        """
        sizes, parts = torch.tensor([self._query_size(face) for face in faces]), []
        for number, store in enumerate(self._stores):
            if len(here := (stores == number).nonzero()[:, 0]):
                parts.append((here, self._part(store, places[here], sizes[here], seeds[here], changes)))
        return _merged(parts)

    def _part(
        self, store: DeviceStore, places: Tensor, sizes: Tensor, seeds: Tensor, changes: bool
    ) -> dict[str, Tensor]:
        """The batch of faces of one store."""
        faces, is_morph = store.batch(places, seeds, changes)
        images, side = faces.images / 255, self._options.gt_size
        probes = self._probes(images, sizes, integers(seeds, 7))
        gt = images if images.shape[-1] == side else enlarge(images, side)
        return {**probes, 'gt': gt, **self._priors(faces), 'is_morph': is_morph}

    def _probes(self, gt: Tensor, sides: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """``lq``; padded, with ``lq_size``, where a batch may have several sizes."""
        degradation = None if isinstance(self._options.degradation, str) else self._options.degradation
        canvas = self._query_size.canvas
        sizes = set(sides.tolist())
        if canvas is None:
            return {'lq': degrade_batch(gt, sizes.pop(), degradation, seeds)}
        lq = gt.new_zeros(len(gt), 3, canvas, canvas)
        for size in sizes:
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


def _merged(parts: Sequence[tuple[Tensor, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Parts of a batch, each with the places of its faces, as one; zeros where a part lacks something."""
    if len(parts) == 1:
        return parts[0][1]
    count, whole = sum(len(places) for places, _ in parts), dict[str, Tensor]()
    for places, part in parts:
        for key, values in part.items():
            if key not in whole:
                whole[key] = values.new_zeros(count, *values.shape[1:])
            whole[key].index_copy_(0, moved(places, values), values)
    return whole


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

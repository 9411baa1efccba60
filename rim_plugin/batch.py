"""A batch of faces as networks and losses take it: probes by size, and what is known of the faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from rim_plugin.data.face_item import split_probes

_PRIORS = ('landmarks', 'heatmaps', 'parsing')
_OTHERS = ('probes', 'is_full', 'full_places')


def _places(is_full: Tensor, device: torch.device) -> Tensor | None:
    """``full_places`` of ``is_full``; the device is not waited for."""
    return None if is_full.all() else is_full.nonzero()[:, 0].to(device, non_blocking=True)


@dataclass(frozen=True)
class Batch:
    """N faces. What a dataset does not have is None.

    Attributes:
        probes: groups of one size each, (n_i, 3, q_i, q_i), RGB in [0, 1]; N in all, in the order of the faces.
        gt: (N, 3, S, S), RGB in [0, 1], the faces at full resolution.
        landmarks: (N, L, 2), x and y in pixels of ``gt``.
        heatmaps: (N, L, P, P), the target of Eq. 3.
        parsing: (N, P, P), int64, classes.
        identity: (N, ), int64, the number of the person; below 0 where it is not known.
        is_full: (N, ), bool, on the CPU: whether ``gt`` has the detail of its pixels, and priors; others were enlarged.
        full_places: (n, ), int64, beside ``gt``: which faces are full; None where all are, or where nothing is said.
    """

    probes: list[Tensor]
    gt: Tensor | None = None
    landmarks: Tensor | None = None
    heatmaps: Tensor | None = None
    parsing: Tensor | None = None
    identity: Tensor | None = None
    is_full: Tensor | None = None
    full_places: Tensor | None = None

    @classmethod
    def from_data(
        cls,
        data: Mapping[str, Any],
        device: torch.device | str = 'cpu',
        memory_format: torch.memory_format = torch.channels_last,
    ) -> Batch:
        """The batch in what a data loader gives.

        Args:
            data: ``lq`` (N, 3, q, q), padded where ``lq_size`` (N, ) tells the probes' sides; and any of the other
                attributes. Further keys are passed over.
            device: where the tensors go.
            memory_format: of probes and ``gt``.
        """
        names = [field.name for field in fields(cls) if field.name not in _OTHERS]
        known = {name: data[name].to(device, non_blocking=True) for name in names if torch.is_tensor(data.get(name))}
        if 'gt' in known:
            known['gt'] = known['gt'].contiguous(memory_format=memory_format)
        lq = data['lq'].to(device, non_blocking=True).contiguous(memory_format=memory_format)
        probes = split_probes(lq, data['lq_size']) if 'lq_size' in data else [lq]
        if 'is_full' not in data:
            return cls(probes, **known)
        is_full = data['is_full'].cpu()
        return cls(probes, **known, is_full=is_full, full_places=_places(is_full, lq.device))

    def __len__(self) -> int:
        return sum(map(len, self.probes))

    @property
    def truth(self) -> Tensor:
        """``gt``, where it is needed.

        Raises:
            ValueError: the dataset has no faces at full resolution.
        """
        if self.gt is None:
            raise ValueError('the training data have no gt, the faces at full resolution')
        return self.gt

    @property
    def points(self) -> Tensor | None:
        """``landmarks`` over the side of the faces, 0 at their left or upper edge."""
        return None if self.landmarks is None else (self.landmarks + 0.5) / self.truth.shape[-1]

    @property
    def has_full(self) -> bool:
        """Whether a face is full."""
        return self.full_places is None or len(self.full_places) > 0

    def of_full(self, values: Tensor) -> Tensor:
        """Those of N values (N, ...), on the device, that belong to full faces."""
        return values if self.full_places is None else values.index_select(0, self.full_places)

    @property
    def full_faces(self) -> Batch:
        """The full faces alone; without probes where there are others."""
        if self.full_places is None:
            return self
        values = ((name, getattr(self, name)) for name in ('gt', *_PRIORS, 'identity'))
        return Batch([], **{name: self.of_full(value) for name, value in values if value is not None})

    def chunks(self, count: int) -> list[Batch]:
        """The batch in ``count`` parts of one length, in order; ``count`` divides N."""
        if count == 1:
            return [self]
        size = len(self) // count
        names = [field.name for field in fields(self) if field.name not in ('probes', 'full_places')]
        tensors = {name: getattr(self, name) for name in names}
        parts = {name: value.chunk(count) for name, value in tensors.items() if value is not None}
        if self.is_full is not None:
            parts['full_places'] = [_places(flags, self.probes[0].device) for flags in parts['is_full']]
        groups: list[list[Tensor]] = [[] for _ in range(count)]
        first = 0  # face of the group, in the batch
        for group in self.probes:
            for place, part in enumerate(groups):
                start = place * size - first
                if len(faces := group[max(start, 0) : max(start + size, 0)]):
                    part.append(faces)
            first += len(group)
        return [
            replace(self, probes=groups[place], **{name: values[place] for name, values in parts.items()})
            for place in range(count)
        ]

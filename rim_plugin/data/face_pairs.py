"""Pairs of faces for verification and identification, wherever the faces come from: each of them once."""

import json
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from torch.utils import data

from rim_plugin.data.face_item import QuerySize, dataset_name, face_item, leave_threads_to_workers, reduction_of
from rim_plugin.data.pair_lists import PairList
from rim_plugin.errors import OptionsError, SkippedPhoto
from rim_plugin.options.datasets import PairOptions

# Columns of ``pairs`` that are probes, by option ``probe_side``.
PROBE_COLUMNS = {'none': (), 'first': (0,), 'second': (1,), 'both': (0, 1)}


class IdentificationSets(NamedTuple):
    """Indices of the gallery, the first image of every person, and of the probes, all their other images."""

    gallery: np.ndarray
    probes: np.ndarray


class Faces(Protocol):
    """The images of a list of pairs, in its order."""

    @property
    def alignment(self) -> str:
        """How they are aligned, in words."""

    def name(self, index: int) -> str:
        """Name of a face."""

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 RGB (size, size, 3), or of the side that it has."""


class FacePairs(data.Dataset):
    """Base of the datasets of pairs.

    An item is one face: ``gt`` (3, gt_size, gt_size) and ``lq`` (3, q, q), float32 RGB in [0, 1], its ``index`` and its
    name as ``lq_path`` and ``gt_path``. The pairs are attributes, so that each face is embedded once:

    Attributes:
        pairs: (P, 2) indices of the faces.
        issame: (P, ) bool.
        folds: (P, ) int.
        names: the person of each face, where the list tells it; else None.
        probe_columns: which of the two columns of ``pairs`` are probes, seen at low resolution.
        identification: gallery and probes, with option ``identification``; else None.
        protocol: what a result file must say of list, pairs, resolution, alignment and interpolation; None for what was
            not done.

    Args:
        opt: the options as read, which BasicSR looks into.
        options: the same, typed.
        listed: the pairs.
        faces: the images of ``listed``, in its order.
        gt_size: side of the faces.
        pair_list, source: where the pairs and the faces come from, for ``protocol`` and errors.

    Raises:
        ValueError: an option does not fit, or the first face is not of ``gt_size``; the message names it.
    """

    def __init__(
        self,
        opt: dict[str, Any],
        options: PairOptions,
        listed: PairList,
        faces: Faces,
        gt_size: int,
        pair_list: str,
        source: str,
    ) -> None:
        self.opt, self.place = opt, dataset_name(opt)
        self._faces, self._gt_size = faces, gt_size
        self._degradation = options.degradation
        self._query_size = QuerySize(options.query_size, gt_size, self.place)(0)
        self.probe_columns = PROBE_COLUMNS[options.probe_side]
        self.pairs, self.issame, self.folds, self.names = listed.pairs, listed.issame, listed.folds, listed.identities
        self._count = len(listed.images)
        self.identification = self._identification_sets() if options.identification else None
        self.protocol = {
            'pair_list': pair_list,
            'faces': source,
            'images': len(self),
            'pairs': len(self.pairs),
            'same_pairs': int(self.issame.sum()),
            'folds': len(np.unique(self.folds)),
            'fold_rule': listed.fold_rule,
            'probe_side': options.probe_side,
            'query_size': self._query_size if self.probe_columns else None,
            'gallery_size': gt_size,
            'alignment': faces.alignment,
            'downscaling': self._downscaling() if self.probe_columns else None,
        }
        self[0]  # a wrong gt_size is found before a training begins

    def _identification_sets(self) -> IdentificationSets:
        if self.names is None:
            raise OptionsError(
                f'{self.place}: identification: a .bin does not tell who the faces are. Set '
                'identification: false, or use a text list with its photos.'
            )
        _, first = np.unique(self.names, return_index=True)
        others = np.setdiff1d(np.arange(len(self)), first)
        if not others.size:
            raise OptionsError(
                f'{self.place}: identification: no person of the list has two images, so that there is '
                'no probe. Set identification: false.'
            )
        return IdentificationSets(np.sort(first), others)

    def _downscaling(self) -> str:
        sizes = f'from {self._gt_size} to {self._query_size} px'
        if isinstance(self._degradation, str):
            return f'antialiased bicubic {sizes}, rounded to 8 bits'
        return f'degraded {sizes}, rounded to 8 bits: {json.dumps(msgspec.to_builtins(self._degradation))}'

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Any]:
        leave_threads_to_workers()
        name = self._faces.name(index)
        try:
            face = self._faces.read(index, self._gt_size)
        except (SkippedPhoto, ValueError) as error:
            raise OptionsError(
                f"{self.place}: face '{name}' of {self.protocol['faces']} cannot be used ({error}). "
                'Replace it, or take its pairs out of the list.'
            ) from None
        if face.shape[:2] != (self._gt_size, self._gt_size):
            raise OptionsError(
                f"{self.place}: gt_size is {self._gt_size}, but face '{name}' has the shape "
                f'{face.shape}: set gt_size to its side, or prepare the faces again.'
            )
        item = face_item(face, self._query_size, reduction=reduction_of(name, self._degradation))
        return {**item, 'index': index, 'lq_path': name, 'gt_path': name}

"""Pairs of faces for verification and identification, wherever the faces come from: each of them once."""

from typing import NamedTuple

import cv2
import numpy as np
from torch.utils import data

from rim_plugin.data.face_item import QuerySize, face_item
from rim_plugin.errors import SkippedPhoto

# Columns of ``pairs`` that are probes, by option ``probe_side``.
PROBE_COLUMNS = {'none': (), 'first': (0,), 'second': (1,), 'both': (0, 1)}


class IdentificationSets(NamedTuple):
    """Indices of the gallery, the first image of every person, and of the probes, all their other images."""

    gallery: np.ndarray
    probes: np.ndarray


class FacePairs(data.Dataset):
    """Base of the datasets of pairs.

    An item is one face: ``gt`` (3, gt_size, gt_size) and ``lq`` (3, q, q), float32 RGB in [0, 1], its ``index`` and its
    name as ``lq_path`` and ``gt_path``. The pairs are attributes, so that each face is embedded once:

    Attributes:
        pairs (ndarray): (P, 2) indices of the faces.
        issame (ndarray): (P, ) bool.
        folds (ndarray): (P, ) int.
        names (list[str] | None): the person of each face, where the list tells it.
        probe_columns (tuple[int]): which of the two columns of ``pairs`` are probes, seen at low resolution.
        identification (IdentificationSets | None): with option ``identification``.
        protocol (dict): what a result file must say of list, pairs, resolution, alignment and interpolation; None for
            what was not done.

    Args:
        opt (dict): options
            query_size (int): side q of the probe. Default: 28.
            probe_side (str): which face of a pair is the probe: first, second, both or none. Default: second.
            identification (bool): also rank probes in a gallery: the first image of every person in the list against
                all their other images. Default: False.
        listed (PairList): the pairs.
        faces: the images of ``listed``, in its order: ``name(index)``, ``read(index, size)`` giving uint8 RGB, and
            ``alignment``, how they are aligned.
        gt_size (int): side of the faces.
        pair_list (str), source (str): where the pairs and the faces come from, for ``protocol`` and errors.

    Raises:
        ValueError: an option does not fit, or the first face is not of ``gt_size``; the message names it.
    """

    def __init__(self, opt, listed, faces, gt_size, pair_list, source):
        self.opt = opt
        self._faces, self._gt_size = faces, gt_size
        self._query_size = QuerySize({**opt, 'phase': 'val'})(0)
        side = opt.get('probe_side', 'second')
        if side not in PROBE_COLUMNS:
            raise ValueError(f"{self.place}: probe_side: '{side}' is unknown; choose one of {', '.join(PROBE_COLUMNS)}")
        self.probe_columns = PROBE_COLUMNS[side]
        self.pairs, self.issame, self.folds, self.names = listed.pairs, listed.issame, listed.folds, listed.identities
        self._count = len(listed.images)
        self.identification = self._identification_sets() if opt.get('identification') else None
        self.protocol = {
            'pair_list': pair_list,
            'faces': source,
            'images': len(self),
            'pairs': len(self.pairs),
            'same_pairs': int(self.issame.sum()),
            'folds': len(np.unique(self.folds)),
            'fold_rule': listed.fold_rule,
            'probe_side': side,
            'query_size': self._query_size if self.probe_columns else None,
            'gallery_size': gt_size,
            'alignment': faces.alignment,
            'downscaling': f'antialiased bicubic from {gt_size} to {self._query_size} px, rounded to 8 bits'
            if self.probe_columns
            else None,
        }
        self[0]  # a wrong gt_size is found before a training begins

    @property
    def place(self):
        """How errors name this dataset."""
        return f'dataset {self.opt.get("name", type(self).__name__)}'

    def _identification_sets(self):
        if self.names is None:
            raise ValueError(
                f'{self.place}: identification: a .bin does not tell who the faces are. Set '
                'identification: false, or use a text list with its photos.'
            )
        _, first = np.unique(self.names, return_index=True)
        others = np.setdiff1d(np.arange(len(self)), first)
        if not others.size:
            raise ValueError(
                f'{self.place}: identification: no person of the list has two images, so that there is '
                'no probe. Set identification: false.'
            )
        return IdentificationSets(np.sort(first), others)

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if data.get_worker_info():
            cv2.setNumThreads(0)  # the workers themselves are the parallelism
        name = self._faces.name(index)
        try:
            face = self._faces.read(index, self._gt_size)
        except (SkippedPhoto, ValueError) as error:
            raise ValueError(
                f"{self.place}: face '{name}' of {self.protocol['faces']} cannot be used ({error}). "
                'Replace it, or take its pairs out of the list.'
            ) from None
        if face.shape[:2] != (self._gt_size, self._gt_size):
            raise ValueError(
                f"{self.place}: gt_size is {self._gt_size}, but face '{name}' has the shape "
                f'{face.shape}: set gt_size to its side, or prepare the faces again.'
            )
        return {**face_item(face, self._query_size), 'index': index, 'lq_path': name, 'gt_path': name}

"""Drawn faces as a dataset: for the demo, the tests and whoever has no photos."""

import random

import cv2
import torch
from torch.utils import data

from rim_plugin.data.face_item import QuerySize, dataset_name, face_item, mirror_face, whole_number
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.data.synthetic.geometry import PICTURE

from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class DrawnFaceDataset(data.Dataset):
    """Faces drawn from numbers, each of its own pose, expression, light and background; nothing is read from disk.

    An item holds what an item of :class:`FacePriorDataset` holds, with the 68 landmarks and the parsing map exact, and
    ``identity``, an int64 scalar. Item i is face i % faces_per_identity of identity first_identity + i //
    faces_per_identity, the same in every run and process.

    Args:
        opt (dict): options
            num_identities (int): number of persons.
            faces_per_identity (int): faces of each; the length of the dataset is the product. Default: 1.
            first_identity (int): number of the first person; a training and a validation set must not overlap.
                Default: 0.
            seed (int): another seed gives other persons. Default: 0.
            gt_size (int): side of the faces, a check. Must be 224, the default.
            query_size (int | list[int]): side q of the probe; training draws from a list. Default: 28.
            query_sizes_per_batch (int): how often it draws for a batch. 1: all its probes have one size; more: ``lq``
                is padded and comes with ``lq_size``, which RIMModel understands. Default: 1.
            prior_size (int): side of heatmaps and parsing map. Default: 56.
            heatmap_sigma (float): standard deviation of heatmaps in their pixels. Default: 1.3.
            use_hflip (bool): mirror half of the items. Default: False.
            phase, batch_size_per_gpu: BasicSR's own.

    Raises:
        ValueError: an option is missing or does not fit; the message names it.
    """

    option_keys = frozenset(
        {
            'num_identities',
            'faces_per_identity',
            'first_identity',
            'seed',
            'gt_size',
            'query_size',
            'prior_size',
            'query_sizes_per_batch',
            'heatmap_sigma',
            'use_hflip',
            'phase',
            'batch_size_per_gpu',
        }
    )

    def __init__(self, opt):
        self.opt = opt
        self._persons = whole_number(opt, 'num_identities', None, 1)
        self._faces = whole_number(opt, 'faces_per_identity', 1, 1)
        self._first = whole_number(opt, 'first_identity', 0, 0)
        self._seed = whole_number(opt, 'seed', 0, 0)
        if opt.get('gt_size', PICTURE) != PICTURE:
            raise ValueError(
                f'{dataset_name(opt)}: gt_size is {opt["gt_size"]}, but faces are drawn at {PICTURE}: leave it out.'
            )
        self._query_size = QuerySize(opt, PICTURE)
        self._prior_size = whole_number(opt, 'prior_size', 56, 1)
        self._sigma = opt.get('heatmap_sigma', 1.3)
        self._use_hflip = opt.get('use_hflip', False)

    def __len__(self):
        return self._persons * self._faces

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f'{dataset_name(self.opt)} has {len(self)} faces, there is no face {index}.')
        if data.get_worker_info():
            cv2.setNumThreads(0)  # the workers themselves are the parallelism
        identity, number = self._first + index // self._faces, index % self._faces
        face, landmarks, parsing = draw_face(self._seed, identity, number)
        if self._use_hflip and random.random() < 0.5:
            face, landmarks, parsing = mirror_face(face, landmarks, parsing)
        item = face_item(
            face, self._query_size(index), landmarks, parsing, self._prior_size, self._sigma, self._query_size.canvas
        )
        key = face_key(identity, number)
        return {**item, 'identity': torch.tensor(identity), 'lq_path': key, 'gt_path': key}


def face_key(identity, number):
    """Name of a drawn face."""
    return f'{identity:06d}_{number:04d}'

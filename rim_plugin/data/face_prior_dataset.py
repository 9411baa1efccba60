"""Aligned faces with their landmarks and parsing maps, from a prepared face store."""

import math
import os
import random

import cv2
import numpy as np
import torch
from torch.utils import data

from rim_plugin.data.augment import FaceAugmentation
from rim_plugin.data.face_item import QuerySize, dataset_name, face_item, mirror_face, whole_number
from rim_plugin.data.face_store import SUFFIXES, FaceStore

from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class FacePriorDataset(data.Dataset):
    """Faces from what ``scripts/prepare_faces.py`` made, LMDB or folder; the low-resolution probe is made on the fly.

    An item holds ``lq`` (3, q, q) and ``gt`` (3, gt_size, gt_size), float32 RGB in [0, 1]; where the store has them,
    ``landmarks`` (L, 2) float32 in gt pixels, ``heatmaps`` (L, prior_size, prior_size) float32 and ``parsing``
    (prior_size, prior_size) int64, classes 0 to 10; and the face's key as ``lq_path`` and ``gt_path``.

    Args:
        opt (dict): options
            dataroot_gt (str): the prepared store's folder.
            io_backend (dict): ``type: lmdb`` or ``type: disk``.
            gt_size (int): side of the faces, a check. Default: 224.
            query_size (int | list[int]): side q of the probe; training draws from a list. Default: 28.
            query_sizes_per_batch (int): how often it draws for a batch. 1: all its probes have one size; more: ``lq``
                is padded and comes with ``lq_size``, which RIMModel understands. Default: 1.
            prior_size (int): side of heatmaps and parsing map. Default: 56.
            heatmap_sigma (float): standard deviation of heatmaps in their pixels. Default: 1.3.
            priors (bool): whether items have landmarks, heatmaps and parsing map. Recognition needs none, and comes to
                more faces a second without. Default: True.
            identities (str): a text file, one face a line: its name, with or without extension, and its person (what
                follows the second space is not read). Items then have ``identity``, int64 scalar: the person's place in
                the sorted order of all persons in the file, or -1 for faces that it does not name, and for morphs.
            use_hflip (bool): mirror half of the items. Default: False.
            augment (dict): in training, the arguments of :class:`~rim_plugin.data.augment.FaceAugmentation`: morphs of
                two faces (``morph``, for which the store needs landmarks), other poses and light. Default: none.
            dataset_enlarge_ratio: BasicSR's own; read to tell the iteration for ``augment: from_iter``.
            max_faces (int): only the first so many. Default: all.
            meta_info_file (str): a text file; only the faces that it names, one a line (what follows the first space is
                not read), with or without extension. Default: all.
            phase, batch_size_per_gpu: BasicSR's own.

    Raises:
        FileNotFoundError: there is no finished store at ``dataroot_gt`` for this ``io_backend``.
        ValueError: an option is missing or does not fit; the message names it.
    """

    option_keys = frozenset(
        {
            'dataroot_gt',
            'io_backend',
            'gt_size',
            'query_size',
            'prior_size',
            'heatmap_sigma',
            'use_hflip',
            'max_faces',
            'query_sizes_per_batch',
            'meta_info_file',
            'phase',
            'batch_size_per_gpu',
            'augment',
            'identities',
            'dataset_enlarge_ratio',
            'priors',
        }
    )

    def __init__(self, opt):
        self.opt = opt
        self._store = open_store(opt)
        gt_size = opt.get('gt_size', 224)
        if self._store.shape != (gt_size, gt_size, 3):
            raise ValueError(
                f'gt_size is {gt_size}, but the faces in dataroot_gt {opt["dataroot_gt"]} have the shape '
                f'{self._store.shape}: set gt_size, or prepare them again with --size {gt_size}.'
            )
        self._keys = self._listed(opt.get('meta_info_file'))
        if opt.get('max_faces') is not None:
            self._keys = self._keys[: whole_number(opt, 'max_faces', None, 1)]
        self._query_size = QuerySize(opt, gt_size)
        self._prior_size = whole_number(opt, 'prior_size', 56, 1)
        self._sigma = opt.get('heatmap_sigma', 1.3)
        self._priors = opt.get('priors', True)
        self._use_hflip = opt.get('use_hflip', False)
        self._identities = self._read_identities(opt.get('identities'))
        self._augment = self._augmentation(opt.get('augment'))

    def _augmentation(self, options):
        if not options:
            return None
        try:
            augment = FaceAugmentation(**options)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{dataset_name(self.opt)}: augment: {error}') from None
        if self.opt.get('phase') != 'train':
            raise ValueError('augment is for training; take it out of the other datasets')
        if augment.morph and self._store.landmarks is None:
            raise ValueError(
                f'augment.morph: the faces in dataroot_gt {self.opt["dataroot_gt"]} have no landmarks, by '
                'which two faces are joined. Prepare them with --landmarks, or set morph: 0.'
            )
        return augment

    def _read_identities(self, path):
        if path is None:
            return None
        rows = _rows('identities', path)
        if not all(len(row) > 1 for row in rows):
            raise ValueError(f'identities {path}: a line has one word; it takes the name of a face and its person')
        numbers = {person: number for number, person in enumerate(sorted({row[1] for row in rows}))}
        found = {os.path.splitext(row[0])[0]: numbers[row[1]] for row in rows}
        if not found.keys() & set(self._keys):
            raise ValueError(
                f'identities {path}: it names none of the faces in dataroot_gt {self.opt["dataroot_gt"]}; '
                f"they are called like '{self._keys[0]}'"
            )
        return found

    def _listed(self, path):
        if path is None:
            return self._store.keys
        names = [os.path.splitext(row[0])[0] for row in _rows('meta_info_file', path)]
        absent = set(names) - set(self._store.keys)
        if absent:
            raise ValueError(
                f'meta_info_file {path}: {len(absent)} of its {len(names)} faces are not in dataroot_gt '
                f"{self.opt['dataroot_gt']}, for example '{min(absent)}'"
            )
        return names

    def __len__(self):
        return len(self._keys)

    def __getitem__(self, index):
        if data.get_worker_info():
            cv2.setNumThreads(0)  # the workers themselves are the parallelism
        key = self._keys[index]
        face, other = self._face(key), None
        if self._augment and self._iteration(index) >= self._augment.from_iter:
            other = self._face(random.choice(self._keys)) if self._augment.wants_morph() else None
            face = self._augment(face, other)
        face, landmarks, parsing = face if self._priors else (face[0], None, None)
        if self._use_hflip and random.random() < 0.5:
            face, landmarks, parsing = mirror_face(face, landmarks, parsing)
        item = face_item(
            face, self._query_size(index), landmarks, parsing, self._prior_size, self._sigma, self._query_size.canvas
        )
        if self._identities is not None:
            item['identity'] = torch.tensor(-1 if other else self._identities.get(key, -1))
        return {**item, 'lq_path': key, 'gt_path': key}

    def _face(self, key):
        """Image, landmarks and parsing map as they are stored; None for what is not."""
        return (
            cv2.cvtColor(self._decode('gt', key, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB),
            None if self._store.landmarks is None else self._store.landmarks[key],
            self._decode('parsing', key, cv2.IMREAD_GRAYSCALE) if self._priors and self._store.has_parsing else None,
        )

    def _iteration(self, index):
        """The iteration, from 1, to which an item belongs; ``index`` is a SampleIndex, or an int of the first."""
        if not hasattr(index, 'position'):
            return 1
        batch = self._query_size.global_batch
        epoch = math.ceil(len(self) * self.opt.get('dataset_enlarge_ratio', 1)) // batch
        return index.epoch * epoch + index.position // batch + 1

    def _decode(self, kind, key, flag):
        image = cv2.imdecode(np.frombuffer(self._store.read(kind, key), np.uint8), flag)
        if image is None:
            raise ValueError(
                f"dataroot_gt {self.opt['dataroot_gt']}: the {kind} image of '{key}' cannot be decoded. "
                'Remove the folder and prepare the faces again.'
            )
        return image


def _rows(option, path):
    """Lines of a text file, in words; those without any are left out."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{option}: no such file '{path}'")
    with open(path, encoding='utf-8') as file:
        return [line.split() for line in file if line.strip()]


def open_store(opt):
    """FaceStore of a dataset's options ``dataroot_gt`` and ``io_backend``; errors name dataset and option."""
    name = f'dataset {opt.get("name", "FacePriorDataset")}'
    if not opt.get('dataroot_gt'):
        raise ValueError(f'{name}: dataroot_gt is missing. Name the folder that scripts/prepare_faces.py made.')
    backend = opt.get('io_backend', {}).get('type')
    if backend not in SUFFIXES:
        raise ValueError(f'{name}: io_backend: type: must be lmdb or disk, but is {backend}.')
    try:
        return FaceStore(opt['dataroot_gt'], backend)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{name}: dataroot_gt: {error}') from None

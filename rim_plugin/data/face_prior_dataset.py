"""Aligned faces with their landmarks and parsing maps, from a prepared face store."""

import math
import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import data

from rim_plugin.data.augment import Face, FaceAugmentation
from rim_plugin.data.device_faces import DeviceFaces
from rim_plugin.data.face_item import ItemMaker, dataset_name, leave_threads_to_workers
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.held_out import faces_of_phase
from rim_plugin.data.photo_files import decode_image
from rim_plugin.errors import OptionsError, UnreadableImage
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import AugmentOptions, BackendOptions, FacePriorOptions

from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class FacePriorDataset(data.Dataset):
    """Faces from what ``scripts/prepare_faces.py`` made, LMDB or folder; the low-resolution probe is made on the fly.

    An item holds ``lq`` (3, q, q) and ``gt`` (3, gt_size, gt_size), float32 RGB in [0, 1]; where the store has them,
    ``landmarks`` (L, 2) float32 in gt pixels, ``heatmaps`` (L, prior_size, prior_size) float32 and ``parsing``
    (prior_size, prior_size) int64, classes 0 to 10; and the face's key as ``lq_path`` and ``gt_path``.

    With ``identities``, items also have ``identity``, int64 scalar: the person's place in the sorted order of all
    persons in the file, or -1 for faces that it does not name, and for morphs. With several probe sizes in a batch,
    ``lq`` is padded and comes with ``lq_size``, see :func:`~rim_plugin.data.face_item.face_item`.

    Args:
        opt: the keys of :class:`~rim_plugin.options.datasets.FacePriorOptions`.

    Raises:
        FileNotFoundError: there is no finished store at ``dataroot_gt`` for this ``io_backend``.
        OptionsError: an option is missing or wrong; the message names it.
    """

    options_type = FacePriorOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt, self._name = opt, dataset_name(opt)
        self._options = options = convert(opt, self.options_type, self._name)
        self._store = open_store(options.dataroot_gt, options.io_backend, self._name)
        if self._store.shape != (options.gt_size, options.gt_size, 3):
            raise OptionsError(
                f'{self._name}: gt_size is {options.gt_size}, but the faces in dataroot_gt {options.dataroot_gt} have '
                f'the shape {self._store.shape}: set gt_size, or prepare them again with --size {options.gt_size}.'
            )
        keys = self._listed(options.meta_info_file)[: options.max_faces]
        self._keys = faces_of_phase(keys, options.held_out, options.phase) if options.held_out else keys
        self._make_item = ItemMaker(options, self._name)
        self._identities = self._read_identities(options.identities)
        self._augment = self._augmentation(options.augment)
        self._device_faces: DeviceFaces | None = None
        if options.on_device and options.phase != 'train':
            raise OptionsError(f'{self._name}: on_device: batches are made on the device in training alone')

    def _augmentation(self, options: AugmentOptions | None) -> FaceAugmentation | None:
        if options is None:
            return None
        if self._options.phase != 'train':
            raise OptionsError(
                f'{self._name}: augment: augmentation is for training; take it out of the other datasets'
            )
        if options.morph and self._store.landmarks is None:
            raise OptionsError(
                f'{self._name}: augment.morph: the faces in dataroot_gt {self._options.dataroot_gt} have no landmarks, '
                'by which two faces are joined. Prepare them with --landmarks, or set morph: 0.'
            )
        return FaceAugmentation(options)

    def _read_identities(self, path: str | None) -> dict[str, int] | None:
        if path is None:
            return None
        rows = _rows('identities', path)
        if not all(len(row) > 1 for row in rows):
            raise OptionsError(
                f'{self._name}: identities {path}: a line has one word; it takes the name of a face and its person'
            )
        numbers = {person: number for number, person in enumerate(sorted({row[1] for row in rows}))}
        persons = {os.path.splitext(row[0])[0]: numbers[row[1]] for row in rows}
        if not persons.keys() & set(self._keys):
            raise OptionsError(
                f'{self._name}: identities {path}: it names none of the faces in dataroot_gt '
                f"{self._options.dataroot_gt}; they are called like '{self._keys[0]}'"
            )
        return persons

    def _listed(self, path: str | None) -> list[str]:
        if path is None:
            return self._store.keys
        names = [os.path.splitext(row[0])[0] for row in _rows('meta_info_file', path)]
        absent = set(names) - set(self._store.keys)
        if absent:
            raise OptionsError(
                f'{self._name}: meta_info_file {path}: {len(absent)} of its {len(names)} faces are not in dataroot_gt '
                f"{self._options.dataroot_gt}, for example '{min(absent)}'"
            )
        return names

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> dict[str, Any]:
        leave_threads_to_workers()
        key = self._keys[index]
        face, other = self._face(key), None
        if self._augment and self._iteration(index) >= self._augment.options.from_iter:
            other = self._face(random.choice(self._keys)) if self._augment.wants_morph() else None
            face = self._augment(face, other)
        image, landmarks, parsing = face if self._options.priors else (face[0], None, None)
        item: dict[str, Any] = self._make_item(index, key, image, landmarks, parsing)
        if self._identities is not None:
            item['identity'] = torch.tensor(-1 if other else self._identities.get(key, -1))
        return {**item, 'lq_path': key, 'gt_path': key}

    @property
    def on_device(self) -> bool:
        """Whether a data loader asks for batches, see :meth:`batch`, and not for items."""
        return self._options.on_device

    def place(self, device: torch.device) -> None:
        """Decode all faces into the memory of ``device``, where batches will be made.

        Raises:
            OptionsError: it does not hold them.
        """

        faces = map(self._face, self._keys)
        self._device_faces = DeviceFaces(len(self), faces, self._options, self._make_item.query_size, device)

    def batch(self, indices: Sequence[int], seeds: torch.Tensor) -> dict[str, Any]:
        """The batch of items ``indices``, made on the device; N ``seeds`` take the place of Python's ``random``."""
        assert self._device_faces is not None, 'place() comes first'
        changes = self._augment is not None and self._iteration(indices[0]) >= self._augment.options.from_iter
        batch: dict[str, Any] = self._device_faces.batch(indices, seeds, changes)
        keys, is_morph = [self._keys[index] for index in indices], batch.pop('is_morph')
        if self._identities is not None:
            persons = torch.tensor([self._identities.get(key, -1) for key in keys])
            batch['identity'] = persons.masked_fill(is_morph, -1)
        return {**batch, 'lq_path': keys, 'gt_path': keys}

    def _face(self, key: str) -> Face:
        """Image, landmarks and parsing map as they are stored; None for what is not."""
        return (
            self._decode('gt', key),
            None if self._store.landmarks is None else self._store.landmarks[key],
            self._decode('parsing', key) if self._options.priors and self._store.has_parsing else None,
        )

    def _iteration(self, index: int) -> int:
        """The iteration, from 1, to which an item belongs; ``index`` is a SampleIndex, or an int of the first."""
        position, epoch = getattr(index, 'position', None), getattr(index, 'epoch', None)
        if position is None or epoch is None:
            return 1
        batch = self._make_item.query_size.global_batch
        batches = math.ceil(len(self) * self._options.dataset_enlarge_ratio) // batch
        return epoch * batches + position // batch + 1

    def _decode(self, kind: str, key: str) -> np.ndarray:
        try:
            return decode_image(self._store.read(kind, key), grey=kind == 'parsing')
        except UnreadableImage:
            raise ValueError(
                f"{self._name}: dataroot_gt {self._options.dataroot_gt}: the {kind} image of '{key}' cannot be "
                'decoded. Remove the folder and prepare the faces again.'
            ) from None


def _rows(option: str, path: str) -> list[list[str]]:
    """Lines of a text file, in words; those without any are left out."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{option}: no such file '{path}'")
    with open(path, encoding='utf-8') as file:
        return [line.split() for line in file if line.strip()]


def open_store(root: str, backend: BackendOptions, place: str) -> FaceStore:
    """A prepared store; ``place`` is how errors name the dataset."""
    try:
        return FaceStore(root, backend.type)
    except (FileNotFoundError, OptionsError) as error:
        raise type(error)(f'{place}: dataroot_gt: {error}') from None

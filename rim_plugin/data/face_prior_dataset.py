"""Aligned faces with their landmarks and parsing maps, from prepared face stores."""

import math
import random
from bisect import bisect
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from torch.utils import data

from rim_plugin.data.augment import FaceAugmentation
from rim_plugin.data.batched_augment import BatchAugmentation
from rim_plugin.data.device_faces import DeviceFaces, DeviceStore
from rim_plugin.data.face_item import ItemMaker, dataset_name, leave_threads_to_workers
from rim_plugin.data.face_source import further_sources, main_source
from rim_plugin.data.mixture import Mixture
from rim_plugin.errors import OptionsError
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import AugmentOptions, FacePriorOptions

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

    With ``more``, further stores of smaller faces, items have ``is_full``, bool scalar: whether the face has the detail
    of ``gt_size`` pixels. The others are enlarged to it once the probe is made; their landmarks, heatmaps and parsing
    maps are 0. Persons of different stores are different ones, numbered one store after the other.

    Args:
        opt: the keys of :class:`~rim_plugin.options.datasets.FacePriorOptions`.

    Attributes:
        mixture: the order in which faces of several stores are drawn; None with one.

    Raises:
        FileNotFoundError: there is no finished store at ``dataroot_gt`` for this ``io_backend``.
        OptionsError: an option is missing or wrong; the message names it.
    """

    options_type = FacePriorOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt, self._name = opt, dataset_name(opt)
        self._options = options = convert(opt, self.options_type, self._name)
        self._sources = [main_source(options, self._name), *further_sources(options, self._name)]
        self._ends = list(accumulate(len(source.keys) for source in self._sources))
        self._make_item = ItemMaker(options, self._name, min(source.window for source in self._sources))
        self._has_identities = self._number_persons()
        self._augments = self._augmentation(options.augment)
        self.mixture = self._mixture()
        self._device_faces: DeviceFaces | None = None
        if options.on_device and options.phase != 'train':
            raise OptionsError(f'{self._name}: on_device: batches are made on the device in training alone')

    def _augmentation(self, options: AugmentOptions | None) -> list[FaceAugmentation]:
        """What changes the faces of each store; nothing does without options."""
        if options is None:
            return []
        if self._options.phase != 'train':
            raise OptionsError(
                f'{self._name}: augment: augmentation is for training; take it out of the other datasets'
            )
        if options.morph and not self._sources[0].has_landmarks:
            raise OptionsError(
                f'{self._name}: augment.morph: the faces in dataroot_gt {self._options.dataroot_gt} have no landmarks, '
                'by which two faces are joined. Prepare them with --landmarks, or set morph: 0.'
            )
        return [FaceAugmentation(options, source.frame) for source in self._sources]

    def _number_persons(self) -> bool:
        """Whether persons are known, whom it numbers."""
        number = 0
        for source in self._sources:
            number = source.number_persons(number)
        return any([self._options.identities, *(each.identities for each in self._options.more)])

    def _mixture(self) -> Mixture | None:
        if not self._options.more:
            return None
        counts = [len(source.keys) for source in self._sources]
        batch = self._make_item.query_size.global_batch
        weights = [1.0, *(each.weight for each in self._options.more)]
        try:
            return Mixture(counts, weights, batch, batch // self._options.batch_size_per_gpu)
        except OptionsError as error:
            raise OptionsError(f'{self._name}: {error}') from None

    def __len__(self) -> int:
        return self._ends[-1]

    def _found(self, index: int) -> tuple[int, int]:
        """The store of a face, and its place in it."""
        store = bisect(self._ends, index)
        return store, index - self._ends[store] + len(self._sources[store].keys)

    def __getitem__(self, index: int) -> dict[str, Any]:
        leave_threads_to_workers()
        number, place = self._found(index)
        source = self._sources[number]
        key, other = source.keys[place], None
        face = source.face(key, self._options.priors)
        if self._changes(index):
            augment = self._augments[number]
            other = source.face(random.choice(source.keys), self._options.priors) if augment.wants_morph() else None
            face = augment(face, other)
        else:
            face = source.frame.cut(face[0]), *face[1:]
        image, landmarks, parsing = face if self._options.priors else (face[0], None, None)
        item: dict[str, Any] = self._make_item(index, key, image, landmarks, parsing)
        if self._options.more:
            item = {**self._absent_priors, **item, 'is_full': torch.tensor(number == 0)}
        if self._has_identities:
            item['identity'] = torch.tensor(-1 if other else source.persons.get(key, -1))
        return {**item, 'lq_path': key, 'gt_path': key}

    @cached_property
    def _absent_priors(self) -> dict[str, torch.Tensor]:
        """Zeros in the place of what the faces of further stores do not have."""
        options, main = self._options, self._sources[0]
        if not options.priors:
            return {}
        side, priors = options.prior_size, {}
        if main.has_landmarks and main.store.landmarks is not None:
            count = len(main.store.landmarks[main.keys[0]])
            priors = {'landmarks': torch.zeros(count, 2), 'heatmaps': torch.zeros(count, side, side)}
        if main.store.has_parsing:
            priors['parsing'] = torch.zeros(side, side, dtype=torch.int64)
        return priors

    @property
    def on_device(self) -> bool:
        """Whether a data loader asks for batches, see :meth:`batch`, and not for items."""
        return self._options.on_device

    def place(self, device: torch.device) -> None:
        """Decode all faces into the memory of ``device``, where batches will be made.

        Raises:
            OptionsError: it does not hold them.
        """
        stores = []
        for source in self._sources:
            faces = (source.face(key, self._options.priors) for key in source.keys)
            augment = BatchAugmentation(self._options.augment, self._options.use_hflip, source.frame)
            stores.append(DeviceStore(len(source.keys), faces, augment, device))
        self._device_faces = DeviceFaces(stores, self._options, self._make_item.query_size)

    def batch(self, indices: Sequence[int], seeds: torch.Tensor) -> dict[str, Any]:
        """The batch of items ``indices``, made on the device; N ``seeds`` take the place of Python's ``random``."""
        assert self._device_faces is not None, 'place() comes first'
        found = [self._found(index) for index in indices]
        stores, places = torch.tensor(found).unbind(1)
        batch: dict[str, Any] = self._device_faces.batch(indices, stores, places, seeds, self._changes(indices[0]))
        is_morph, sources = batch.pop('is_morph'), self._sources
        keys = [sources[store].keys[place] for store, place in found]
        if self._options.more:
            batch['is_full'] = stores == 0
        if self._has_identities:
            persons = [sources[store].persons.get(key, -1) for (store, _), key in zip(found, keys, strict=True)]
            batch['identity'] = torch.tensor(persons).masked_fill(is_morph, -1)
        return {**batch, 'lq_path': keys, 'gt_path': keys}

    def _changes(self, index: int) -> bool:
        """Whether the faces of an iteration are changed, and not mirrored alone."""
        augment = self._options.augment
        return augment is not None and self._iteration(index) >= augment.from_iter

    def _iteration(self, index: int) -> int:
        """The iteration, from 1, to which an item belongs; ``index`` is a SampleIndex, or an int of the first."""
        position, epoch = getattr(index, 'position', None), getattr(index, 'epoch', None)
        if position is None or epoch is None:
            return 1
        batch = self._make_item.query_size.global_batch
        batches = math.ceil(len(self) * self._options.dataset_enlarge_ratio) // batch
        return epoch * batches + position // batch + 1

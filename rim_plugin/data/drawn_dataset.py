"""Drawn faces and pairs of them as datasets: for the demo, the tests and whoever has no photos."""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch.utils import data

from rim_plugin.data.face_item import ItemMaker, dataset_name, leave_threads_to_workers
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.data.pair_lists import PairList
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.data.synthetic.geometry import PICTURE
from rim_plugin.errors import OptionsError
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import DrawnFaceOptions, DrawnPairOptions

from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class DrawnFaceDataset(data.Dataset):
    """Faces drawn from numbers, each of its own pose, expression, light and background; nothing is read from disk.

    An item holds what an item of :class:`FacePriorDataset` holds, with the 68 landmarks and the parsing map exact, and
    ``identity``, an int64 scalar. Item i is face i % faces_per_identity of identity first_identity + i //
    faces_per_identity, the same in every run and process.

    Args:
        opt: the keys of :class:`~rim_plugin.options.datasets.DrawnFaceOptions`.

    Raises:
        OptionsError: an option is missing or wrong; the message names it.
    """

    options_type = DrawnFaceOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt, self._name = opt, dataset_name(opt)
        self._options = convert(opt, self.options_type, self._name)
        self._make_item = ItemMaker(self._options, self._name)

    def __len__(self) -> int:
        return self._options.num_identities * self._options.faces_per_identity

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f'{self._name} has {len(self)} faces, there is no face {index}.')
        leave_threads_to_workers()
        person, number = divmod(index, self._options.faces_per_identity)
        identity = self._options.first_identity + person
        key = face_name(identity, number)
        item = self._make_item(index, key, *draw_face(self._options.seed, identity, number))
        return {**item, 'identity': torch.tensor(identity), 'lq_path': key, 'gt_path': key}


def face_name(identity: int, number: int) -> str:
    """Name of a drawn face."""
    return f'{identity:06d}_{number:04d}'


@DATASET_REGISTRY.register()
class DrawnPairDataset(FacePairs):
    """All pairs of faces of each drawn person, and as many of two persons; nothing is read from disk.

    As in LFW's list, nobody is in two folds. Items and attributes: see
    :class:`~rim_plugin.data.face_pairs.FacePairs`; the persons are those of :class:`DrawnFaceDataset`.

    Args:
        opt: the keys of :class:`~rim_plugin.options.datasets.DrawnPairOptions`.

    Raises:
        OptionsError: an option is missing or wrong; the message names it.
    """

    options_type = DrawnPairOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        name = dataset_name(opt)
        options = convert(opt, self.options_type, name)
        persons, folds, first = options.num_identities, options.folds, options.first_identity
        if persons < 2 * folds:
            raise OptionsError(
                f'{name}: num_identities is {persons}, but {folds} folds need two persons each: set it to {2 * folds} '
                f'or more, or folds to {persons // 2} or fewer.'
            )
        super().__init__(
            opt,
            options,
            drawn_pairs(persons, options.faces_per_identity, folds, first),
            _DrawnFaces(options),
            PICTURE,
            'made by DrawnPairDataset',
            f'drawn persons {first} to {first + persons - 1}, seed {options.seed}',
        )


class _DrawnFaces:
    alignment = "drawn with five points at ArcFace's template"

    def __init__(self, options: DrawnPairOptions) -> None:
        self._options = options

    def _place(self, index: int) -> tuple[int, int]:
        person, shot = divmod(index, self._options.faces_per_identity)
        return self._options.first_identity + person, shot

    def name(self, index: int) -> str:
        return face_name(*self._place(index))

    def read(self, index: int, size: int) -> np.ndarray:
        return draw_face(self._options.seed, *self._place(index)).image


def drawn_pairs(persons: int, shots: int, folds: int, first: int = 0) -> PairList:
    """All pairs of each person's faces; and each of these again with its second face another person's of the fold.

    Args:
        persons: of whom each fold gets an equal part, in order.
        shots: faces of each person.
        folds: number of folds, at most half of ``persons``.
        first: number of the first person.

    Returns:
        The pairs; ``images`` holds the faces' names, person by person.
    """
    pairs: list[tuple[int, int]] = []
    issame: list[bool] = []
    fold_of: list[int] = []
    for fold, members in enumerate(np.array_split(np.arange(persons), folds)):
        for place, person in enumerate(members):
            for number, (a, b) in enumerate(combinations(range(shots), 2)):
                other = members[(place + 1 + number % (len(members) - 1)) % len(members)]
                pairs += [(person * shots + a, person * shots + b), (person * shots + a, other * shots + b)]
                issame += [True, False]
                fold_of += [fold, fold]
    faces = [(first + person, shot) for person in range(persons) for shot in range(shots)]
    identities, images = [f'{person:06d}' for person, _ in faces], [face_name(*face) for face in faces]
    return PairList(
        images,
        identities,
        np.array(pairs, np.int64),
        np.array(issame),
        np.array(fold_of, np.int64),
        'every person in one fold',
    )

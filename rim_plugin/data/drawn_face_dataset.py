"""Drawn faces as a dataset: for the demo, the tests and whoever has no photos."""

from typing import Any

import torch
from torch.utils import data

from rim_plugin.data.face_item import ItemMaker, dataset_name, leave_threads_to_workers
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import DrawnFaceOptions

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
        item = self._make_item(index, *draw_face(self._options.seed, identity, number))
        return {**item, 'identity': torch.tensor(identity), 'lq_path': key, 'gt_path': key}


def face_name(identity: int, number: int) -> str:
    """Name of a drawn face."""
    return f'{identity:06d}_{number:04d}'

"""The faces of one prepared store as a dataset takes them: which these are, and whose."""

from __future__ import annotations

import os

import numpy as np

from rim_plugin.data.augment import Face, Frame
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.held_out import faces_of_phase
from rim_plugin.errors import OptionsError
from rim_plugin.names import same_key, same_name
from rim_plugin.options.datasets import BackendOptions, FacePriorOptions, FurtherFaces

NOBODY = '-'  # in the place of a person who is not known


class FaceSource:
    """Faces of a store, named by their keys.

    Args:
        options: of the dataset, or of one of its further stores.
        place: how errors name it.
        gt_size: pixels of HR images along a side.
        max_faces: take the first so many.

    Attributes:
        store: where they are.
        keys: of the faces that are taken.
        frame: where their window lies; its ``scale`` is 1 where faces are HR images themselves.
        window: pixels of the window along a side.
        persons: number of each face's person, where that is known; empty without a list of persons.

    Raises:
        FileNotFoundError: the store or a list is not there.
        OptionsError: a list does not fit the store.
    """

    def __init__(
        self, options: FacePriorOptions | FurtherFaces, place: str, gt_size: int, max_faces: int | None = None
    ) -> None:
        self._options, self._place = options, place
        self.store = open_store(options.dataroot_gt, options.io_backend, place)
        self.keys = self._listed(options.meta_info_file)[:max_faces]
        self.window = self.store.shape[0] - 2 * self.store.margin
        self.frame = Frame(self.store.margin, self.window / gt_size)
        self.persons: dict[str, int] = {}

    @property
    def has_landmarks(self) -> bool:
        """Whether HR images have landmarks; those of smaller ones do not count."""
        return self.frame.scale == 1 and self.store.landmarks is not None

    def face(self, key: str, parsing: bool) -> Face:
        """Image with its margin, landmarks and, where they are wanted, parsing map; None for what is not stored.

        Raises:
            ValueError: an image is damaged.
        """
        landmarks = self.store.landmarks if self.has_landmarks else None
        return (
            self._decode('gt', key),
            None if landmarks is None else landmarks[key],
            self._decode('parsing', key) if parsing and self.store.has_parsing and self.frame.scale == 1 else None,
        )

    def number_persons(self, first: int) -> int:
        """Number the persons of ``identities``, in sorted order, from ``first``; gives the number after the last."""
        path = self._options.identities
        if path is None:
            return first
        rows = _rows('identities', path)
        if not all(len(row) > 1 for row in rows):
            raise OptionsError(
                f'{self._place}: identities {path}: a line has one word; it takes the name of a face and its person'
            )
        known = [row for row in rows if row[1] != NOBODY]
        persons = sorted({same_name(row[1]) for row in known})
        numbers = {person: number for number, person in enumerate(persons, first)}
        keys = {same_key(key): key for key in self.keys}
        named = ((os.path.splitext(row[0])[0], numbers[same_name(row[1])]) for row in known)
        self.persons = {keys.get(same_key(stem), stem): number for stem, number in named}
        if not self.persons.keys() & set(self.keys):
            raise OptionsError(
                f'{self._place}: identities {path}: it names none of the faces in dataroot_gt '
                f"{self._options.dataroot_gt}; they are called like '{self.keys[0]}'"
            )
        return first + len(numbers)

    def _listed(self, path: str | None) -> list[str]:
        if path is None:
            return self.store.keys
        keys = {same_key(key): key for key in self.store.keys}
        stems = (os.path.splitext(row[0])[0] for row in _rows('meta_info_file', path))
        names = [keys.get(same_key(stem), stem) for stem in stems]
        absent = set(names) - set(self.store.keys)
        if absent:
            raise OptionsError(
                f'{self._place}: meta_info_file {path}: {len(absent)} of its {len(names)} faces are not in dataroot_gt '
                f"{self._options.dataroot_gt}, for example '{min(absent)}'"
            )
        return names

    def _decode(self, kind: str, key: str) -> np.ndarray:
        try:
            return self.store.image(kind, key)
        except OptionsError as error:
            raise OptionsError(f'{self._place}: dataroot_gt {error}') from None


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


def main_source(options: FacePriorOptions, place: str) -> FaceSource:
    """The HR images of a dataset.

    Raises:
        OptionsError: they are no windows of ``gt_size`` pixels.
    """
    source = FaceSource(options, place, options.gt_size, options.max_faces)
    if options.held_out:
        source.keys = faces_of_phase(source.keys, options.held_out, options.phase)
    margin, side = source.frame.margin, options.gt_size + 2 * source.frame.margin
    if source.store.shape != (side, side, 3):
        shape = f'{source.store.shape}{f" with a margin of {margin}" if margin else ""}'
        raise OptionsError(
            f'{place}: gt_size is {options.gt_size}, but the faces in dataroot_gt {options.dataroot_gt} have the shape '
            f'{shape}: set gt_size, or prepare them again with --size {options.gt_size}.'
        )
    return source


def further_sources(options: FacePriorOptions, place: str) -> list[FaceSource]:
    """The smaller faces of a dataset, or as large ones without priors.

    Raises:
        OptionsError: they are larger; or the dataset is not for training.
    """
    if options.more and options.phase != 'train':
        raise OptionsError(f'{place}: more: further stores are for training; take them out of the other datasets')
    sources = [
        FaceSource(each, f'{place}: more[{number}]', options.gt_size) for number, each in enumerate(options.more)
    ]
    for number, source in enumerate(sources):
        if source.window > options.gt_size:
            raise OptionsError(
                f'{place}: more[{number}]: dataroot_gt {options.more[number].dataroot_gt}: its faces have '
                f'{source.window} pixels, more than gt_size, {options.gt_size}; prepare them with --size '
                f'{options.gt_size}'
            )
    return sources

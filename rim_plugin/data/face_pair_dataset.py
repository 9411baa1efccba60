"""The faces of a list of pairs, each once, for verification and identification."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rim_plugin.data.alignment import align_face
from rim_plugin.data.annotations import open_annotations
from rim_plugin.data.augment import Frame
from rim_plugin.data.face_item import dataset_name
from rim_plugin.data.face_pairs import FacePairs, Faces
from rim_plugin.data.face_source import open_store
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.pair_lists import PairListError, read_pair_list
from rim_plugin.data.photo_files import decode_image
from rim_plugin.data.prepare import find_photos, read_photo
from rim_plugin.errors import OptionsError, SkippedPhoto
from rim_plugin.names import same_key, same_name
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import FacePairOptions

from basicsr.utils.registry import DATASET_REGISTRY

ALIGNED = 'aligned'
_NO_PIXELS = np.empty((0, 0, 3), np.uint8)  # files of annotations do not look at the photo


@DATASET_REGISTRY.register()
class FacePairDataset(FacePairs):
    """Faces of LFW's ``pairs.txt``, of lists like it (XQLFW, CALFW, CPLFW), or of insightface's ``.bin``.

    Items and attributes: see :class:`~rim_plugin.data.face_pairs.FacePairs`.

    Args:
        opt: the keys of :class:`~rim_plugin.options.datasets.FacePairOptions`. ``landmarks``: see
            :func:`~rim_plugin.data.annotations.open_annotations`; ``pair_list``:
            :func:`~rim_plugin.data.pair_lists.read_pair_list`.

    Raises:
        FileNotFoundError: faces or list are not there, or an image of the list is not among the faces.
        ValueError: an option does not fit, or the list is faulty; the message names it.
    """

    options_type = FacePairOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        self.place = dataset_name(opt)
        self._options = options = convert(opt, self.options_type, self.place)
        encoded = Path(options.dataroot_gt).suffix == '.bin'
        pair_list = options.dataroot_gt if encoded else options.pair_list
        if not pair_list:
            raise OptionsError(f"{self.place}: pair_list: missing; name LFW's pairs.txt or a list like it.")
        try:
            listed = read_pair_list(pair_list)
        except (FileNotFoundError, PairListError) as error:
            raise type(error)(f'{self.place}: pair_list: {error}') from None
        faces: Faces = _EncodedFaces(listed.images) if encoded else self._find_faces(listed.images)
        size = options.gt_size or (112 if encoded else 224)
        super().__init__(opt, options, listed, faces, size, pair_list, options.dataroot_gt)

    def _find_faces(self, images: list[str]) -> '_NamedFaces':
        options = self._options
        faces = _Photos(options, self.place) if options.landmarks else _StoredFaces(options, self.place)
        by_name: dict[str, list[str]] = defaultdict(list)
        for path in faces.paths:
            by_name[path.rsplit('/')[-1]].append(path)
        matches = [[image] if image in faces.paths else by_name[image.rsplit('/')[-1]] for image in images]
        absent = [image for image, paths in zip(images, matches) if not paths]
        if absent:
            raise FileNotFoundError(
                f'{self.place}: {len(absent)} of the {len(images)} images in pair_list {options.pair_list} are '
                f"not in dataroot_gt {options.dataroot_gt}, the first '{absent[0]}'. Add them (left_out.txt of a "
                'prepared store says why a photo is not in it), or take their pairs out of the list.'
            )
        for image, paths in zip(images, matches):
            if len(paths) > 1:
                raise ValueError(
                    f"{self.place}: image '{image}' of pair_list is both '{paths[0]}' and '{paths[1]}' "
                    f'in dataroot_gt {options.dataroot_gt}. Name a folder with one of them.'
                )
        try:
            faces.choose([path for (path,) in matches])
        except SkippedPhoto as fault:
            raise ValueError(
                f'{self.place}: landmarks: {fault.reason}: {fault.detail}. Complete the annotations, or '
                'take the pairs of this face out of the list.'
            ) from None
        return faces


class _EncodedFaces:
    """Aligned faces of a .bin, in memory."""

    alignment = 'aligned already in the .bin'

    def __init__(self, images: list[bytes]) -> None:
        self._images = images

    def name(self, index: int) -> str:
        return f'{index:05d}'

    def read(self, index: int, size: int) -> np.ndarray:
        return decode_image(self._images[index])


class _NamedFaces:
    """Faces with a path each, of which ``choose`` takes those of the list.

    Attributes:
        paths: path below the photos' folder, without extension, to what finds the face.
        alignment: how they are aligned.
    """

    paths: Mapping[str, Any]
    alignment: str

    def choose(self, paths: list[str]) -> None:
        self._chosen = paths

    def name(self, index: int) -> str:
        return self._chosen[index]

    def read(self, index: int, size: int) -> np.ndarray:
        raise NotImplementedError


class _StoredFaces(_NamedFaces):
    def __init__(self, options: FacePairOptions, place: str) -> None:
        if options.io_backend is None:
            raise OptionsError(f'{place}: io_backend: missing; say type: lmdb or type: disk')
        self._store = open_store(options.dataroot_gt, options.io_backend, place)
        self._keys = self.paths = {same_key(key): key for key in self._store.keys}
        self.alignment = "five points to ArcFace's template by a similarity transform, in the prepared store"

    def read(self, index: int, size: int) -> np.ndarray:
        return Frame(self._store.margin).cut(self._store.image('gt', self._keys[self._chosen[index]]))


class _Photos(_NamedFaces):
    """Photos of a folder, aligned when they are read, or aligned already."""

    def __init__(self, options: FacePairOptions, place: str) -> None:
        self._root, landmarks = Path(options.dataroot_gt), options.landmarks or ALIGNED
        try:
            self._files = self.paths = {
                same_name(path.with_suffix('').as_posix()): path for path in find_photos(self._root)
            }
            self._annotations = None if landmarks == ALIGNED else open_annotations(landmarks)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{place}: dataroot_gt or landmarks: {error}') from None
        self.alignment = (
            'aligned already in the folder'
            if landmarks == ALIGNED
            else f"five points of {landmarks} to ArcFace's template by a similarity transform"
        )

    def choose(self, paths: list[str]) -> None:
        """Read all annotations now, so that a missing one is found before a training begins."""
        super().choose(paths)
        if self._annotations is not None:
            self._points = [five_points(self._annotations(self._files[path], _NO_PIXELS)) for path in paths]

    def read(self, index: int, size: int) -> np.ndarray:
        photo = read_photo(self._root / self._files[self._chosen[index]], upright=False)
        return photo if self._annotations is None else align_face(photo, self._points[index], size)[0]

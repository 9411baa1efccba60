"""The faces of a list of pairs, each once, for verification and identification."""

from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np

from rim_plugin.data.alignment import align_face
from rim_plugin.data.annotations import open_annotations
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.data.face_prior_dataset import open_store
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.pair_lists import PairListError, read_pair_list
from rim_plugin.data.prepare import find_photos, read_photo
from rim_plugin.errors import SkippedPhoto

from basicsr.utils.registry import DATASET_REGISTRY

ALIGNED = 'aligned'


@DATASET_REGISTRY.register()
class FacePairDataset(FacePairs):
    """Faces of LFW's ``pairs.txt``, of lists like it (XQLFW, CALFW, CPLFW), or of insightface's ``.bin``.

    Items and attributes: see :class:`~rim_plugin.data.face_pairs.FacePairs`.

    Args:
        opt (dict): options
            dataroot_gt (str): the faces: a store that ``scripts/prepare_faces.py`` made, a folder of photos (with
                ``landmarks``), or insightface's ``.bin``, which is its own pair list.
            io_backend (dict): ``type: lmdb`` or ``type: disk``; not read for a ``.bin``.
            pair_list (str): file with the pairs, see :func:`~rim_plugin.data.pair_lists.read_pair_list`.
            landmarks (str): for a folder of photos: the annotations by which they are aligned, see
                :func:`~rim_plugin.data.annotations.open_annotations`, or ``aligned`` where the photos are aligned
                faces of gt_size already. Default: none, a prepared store.
            gt_size (int): side of the faces. Default: 224, for a ``.bin`` 112.
            query_size, probe_side, identification: see FacePairs.

    Raises:
        FileNotFoundError: faces or list are not there, or an image of the list is not among the faces.
        ValueError: an option does not fit, or the list is faulty; the message names it.
    """

    option_keys = frozenset(
        {'dataroot_gt', 'io_backend', 'pair_list', 'landmarks', 'gt_size', 'query_size', 'probe_side', 'identification'}
    )

    def __init__(self, opt):
        self.opt = opt
        if not opt.get('dataroot_gt'):
            raise ValueError(
                f'{self.place}: dataroot_gt is missing. Name a prepared store, a folder of photos or a .bin file.'
            )
        encoded = Path(opt['dataroot_gt']).suffix == '.bin'
        pair_list = opt['dataroot_gt'] if encoded else opt.get('pair_list')
        listed = self._read_list(pair_list)
        faces = _EncodedFaces(listed.images) if encoded else self._find_faces(listed.images)
        super().__init__(
            opt, listed, faces, opt.get('gt_size', 112 if encoded else 224), str(pair_list), str(opt['dataroot_gt'])
        )

    def _read_list(self, path):
        if not path:
            raise ValueError(f"{self.place}: pair_list is missing. Name LFW's pairs.txt or a list like it.")
        try:
            return read_pair_list(path)
        except (FileNotFoundError, PairListError) as error:
            raise type(error)(f'{self.place}: pair_list: {error}') from None

    def _find_faces(self, images):
        faces = _Photos(self.opt, self.place) if self.opt.get('landmarks') else _StoredFaces(self.opt)
        by_name = defaultdict(list)
        for path in faces.paths:
            by_name[path.rsplit('/')[-1]].append(path)
        found = [[image] if image in faces.paths else by_name[image.rsplit('/')[-1]] for image in images]
        absent = [image for image, paths in zip(images, found) if not paths]
        if absent:
            raise FileNotFoundError(
                f'{self.place}: {len(absent)} of the {len(images)} images in pair_list {self.opt["pair_list"]} are '
                f"not in dataroot_gt {self.opt['dataroot_gt']}, the first '{absent[0]}'. Add them (left_out.txt of a "
                'prepared store says why a photo is not in it), or take their pairs out of the list.'
            )
        for image, paths in zip(images, found):
            if len(paths) > 1:
                raise ValueError(
                    f"{self.place}: image '{image}' of pair_list is both '{paths[0]}' and '{paths[1]}' "
                    f'in dataroot_gt {self.opt["dataroot_gt"]}. Name a folder with one of them.'
                )
        try:
            faces.choose([path for (path,) in found])
        except SkippedPhoto as fault:
            raise ValueError(
                f'{self.place}: landmarks: {fault.reason}: {fault.detail}. Complete the annotations, or '
                'take the pairs of this face out of the list.'
            ) from None
        return faces


def _decode(encoded):
    """uint8 RGB of an encoded image."""
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError('it cannot be decoded')
    return image[:, :, ::-1]


class _EncodedFaces:
    """Aligned faces of a .bin, in memory."""

    alignment = 'aligned already in the .bin'

    def __init__(self, images):
        self._images = images

    def name(self, index):
        return f'{index:05d}'

    def read(self, index, size):
        return _decode(self._images[index])


class _NamedFaces:
    """Faces with a path each, of which ``choose`` takes those of the list.

    Attributes:
        paths (dict): path below the photos' folder, without extension, to what finds the face.
        alignment (str): how they are aligned.
    """

    def choose(self, paths):
        self._chosen = paths

    def name(self, index):
        return self._chosen[index]


class _StoredFaces(_NamedFaces):
    def __init__(self, opt):
        self._store = open_store(opt)
        self.paths = {unquote(key): key for key in self._store.keys}
        self.alignment = "five points to ArcFace's template by a similarity transform, in the prepared store"

    def read(self, index, size):
        return _decode(self._store.read('gt', self.paths[self._chosen[index]]))


class _Photos(_NamedFaces):
    """Photos of a folder, aligned when they are read, or aligned already."""

    def __init__(self, opt, place):
        try:
            self._root, landmarks = Path(opt['dataroot_gt']), opt['landmarks']
            self.paths = {path.with_suffix('').as_posix(): path for path in find_photos(self._root)}
            self._annotations = None if landmarks == ALIGNED else open_annotations(landmarks)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{place}: dataroot_gt or landmarks: {error}') from None
        self.alignment = (
            'aligned already in the folder'
            if landmarks == ALIGNED
            else f"five points of {landmarks} to ArcFace's template by a similarity transform"
        )

    def choose(self, paths):
        """Read all annotations now, so that a missing one is found before a training begins."""
        super().choose(paths)
        if self._annotations is not None:
            self._points = [five_points(self._annotations(self.paths[path], None)) for path in paths]

    def read(self, index, size):
        photo = read_photo(self._root / self.paths[self._chosen[index]], upright=False)
        return photo if self._annotations is None else align_face(photo, self._points[index], size)[0]

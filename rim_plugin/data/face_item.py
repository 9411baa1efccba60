"""What every face dataset shares: the probe size of an item, its mirror image, and the item itself."""

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from rim_plugin.data.heatmaps import landmark_heatmaps
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.data.resize import degrade, to_tensor

from basicsr.utils.dist_util import get_dist_info


def dataset_name(opt):
    """How errors call the dataset of these options (dict)."""
    return f'dataset {opt.get("name", opt.get("type", "of faces"))}'


def whole_number(opt, key, default, least):
    """``opt[key]``, or ``default``; ValueError, naming dataset and key, unless an int of at least ``least``."""
    value = opt.get(key, default)
    if type(value) is not int or value < least:
        found = 'is missing' if value is None else f'is {value!r}'
        raise ValueError(f'{dataset_name(opt)}: {key} {found}; it must be a whole number of at least {least}.')
    return value


class QuerySize:
    """Side of the low-resolution probe: one number, or drawn from a list in training, once or more for each batch.

    The draws follow from the epoch and the batch's number; the items of a batch, over all ranks, share them evenly, in
    order.

    Args:
        opt (dict): a dataset's options: ``query_size`` (int or list of int; default 28), ``query_sizes_per_batch`` (how
            many draws a batch has; default 1), ``phase`` and ``batch_size_per_gpu``.
        largest (int | None): side of the faces, which probes do not exceed.

    Attributes:
        global_batch (int): faces in a step, of all ranks together.
        canvas (int | None): with several sizes in a batch, the side to which all its probes are padded.

    Raises:
        ValueError: a size is not a positive whole number, or larger than the faces; there is a list outside training; or
            the draws do not divide the batch.
    """

    _ONE_NUMBER = 'query_size must be one number outside training; add one val_NAME dataset per size.'

    def __init__(self, opt, largest=None):
        sizes, self._draws = opt.get('query_size', 28), opt.get('query_sizes_per_batch', 1)
        self._sizes = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
        if not self._sizes or not all(type(size) is int and size > 0 for size in self._sizes):
            raise ValueError(f'query_size must be a number of pixels or a list of such numbers, but is {sizes!r}.')
        if largest is not None and max(self._sizes) > largest:
            raise ValueError(
                f'{dataset_name(opt)}: query_size {max(self._sizes)} is larger than the faces, which have '
                f'{largest} pixels.'
            )
        if len(self._sizes) > 1 and opt.get('phase') != 'train':
            raise ValueError(self._ONE_NUMBER)
        self.global_batch = opt.get('batch_size_per_gpu', 1) * get_dist_info()[1]
        if type(self._draws) is not int or self._draws < 1 or self.global_batch % self._draws:
            raise ValueError(
                f'query_sizes_per_batch must divide the batch of {self.global_batch} faces, but is {self._draws!r}.'
            )
        self.canvas = max(self._sizes) if self._draws > 1 and len(self._sizes) > 1 else None

    def __call__(self, index):
        """The size for an item; ``index`` is an int or, in training, a SampleIndex with its epoch and position."""
        if len(self._sizes) == 1:
            return self._sizes[0]
        if not hasattr(index, 'position'):
            raise ValueError(self._ONE_NUMBER)
        batch, place = divmod(index.position, self.global_batch)
        draws = np.random.default_rng((index.epoch, batch)).integers(len(self._sizes), size=self._draws)
        return self._sizes[draws[place * self._draws // self.global_batch]]


def mirror_face(image, landmarks=None, parsing=None):
    """Mirror a face left to right: x becomes W - 1 - x, and what is left and right in its priors changes places.

    Args:
        image (ndarray): (H, W, 3).
        landmarks (ndarray | None): (L, 2), pixels of ``image``; L = 5, 68 or 194.
        parsing (ndarray | None): (h, w), classes 0 to 10.

    Returns:
        tuple: mirrored image, landmarks and parsing map; None stays None.
    """
    if landmarks is not None:
        landmarks = landmarks[flip_permutation(len(landmarks))] * np.float32([-1, 1]) + np.float32(
            [image.shape[1] - 1, 0]
        )
    if parsing is not None:
        parsing = PARSING_FLIP.astype(parsing.dtype)[parsing[:, ::-1]]
    return cv2.flip(np.ascontiguousarray(image), 1), landmarks, parsing


def face_item(gt, query_size, landmarks=None, parsing=None, prior_size=56, heatmap_sigma=1.3, canvas=None):
    """Tensors of a dataset item.

    Args:
        gt (ndarray): uint8 RGB, (H, W, 3), H = W.
        query_size (int): side of the probe in pixels.
        landmarks (ndarray | None): (L, 2) in pixels of ``gt``.
        parsing (ndarray | None): (h, w), classes 0 to 10; reduced to ``prior_size`` by nearest neighbour.
        prior_size (int): side of heatmaps and parsing map.
        heatmap_sigma (float): standard deviation in heatmap pixels.
        canvas (int | None): pad the probe with zeros, right and below, to this side, for a batch of several sizes.

    Returns:
        dict[str, Tensor]: ``lq`` (3, query_size, query_size) and ``gt`` (3, H, W) float32 in [0, 1]; with ``canvas``
        ``lq`` (3, canvas, canvas) and ``lq_size``, int64 scalar, the side of the probe in its corner; where the prior
        is there, ``landmarks`` (L, 2) float32, ``heatmaps`` (L, prior_size, prior_size) float32, ``parsing``
        (prior_size, prior_size) int64.
    """
    item = {'lq': to_tensor(degrade(gt, query_size)), 'gt': to_tensor(gt)}
    if canvas is not None:
        item['lq'] = F.pad(item['lq'], (0, canvas - query_size, 0, canvas - query_size))
        item['lq_size'] = torch.tensor(query_size)
    if landmarks is not None:
        item['landmarks'] = torch.from_numpy(np.ascontiguousarray(landmarks, np.float32))
        item['heatmaps'] = torch.from_numpy(landmark_heatmaps(landmarks, gt.shape[1], prior_size, heatmap_sigma))
    if parsing is not None:
        small = cv2.resize(
            np.ascontiguousarray(parsing), (prior_size, prior_size), interpolation=cv2.INTER_NEAREST_EXACT
        )
        item['parsing'] = torch.from_numpy(small).long()
    return item


def split_probes(lq, sizes):
    """Probes of a batch of several sizes, without their padding.

    Args:
        lq (Tensor): (N, 3, canvas, canvas), as :func:`face_item` gives them.
        sizes (Tensor): (N, ) int64, their ``lq_size``.

    Returns:
        list[Tensor]: (n_i, 3, q_i, q_i), neighbours of one size together; in order, N in all.
    """
    values, counts = torch.unique_consecutive(sizes, return_counts=True)
    return [group[..., :size, :size] for size, group in zip(values.tolist(), lq.split(counts.tolist()))]

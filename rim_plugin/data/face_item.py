"""What every face dataset shares: the probe size of an item, its mirror image, and the item itself."""

import cv2
import numpy as np
import torch
from basicsr.utils.dist_util import get_dist_info

from rim_plugin.data.heatmaps import landmark_heatmaps
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.data.resize import degrade, to_tensor


class QuerySize:
    """Side of the low-resolution probe: one number, or one drawn from a list for each training batch.

    All items of a batch, over all ranks, get the same size, which follows from the epoch and the batch's number.

    Args:
        sizes (int | list[int]): option ``query_size``.
        training (bool): whether the dataset's phase is ``train``.
        batch_size (int): option ``batch_size_per_gpu``.

    Raises:
        ValueError: a size is not a positive whole number, or there is a list outside training.
    """

    _ONE_NUMBER = 'query_size must be one number outside training; add one val_NAME dataset per size.'

    def __init__(self, sizes, training, batch_size):
        self._sizes = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
        if not self._sizes or not all(type(size) is int and size > 0 for size in self._sizes):
            raise ValueError(f'query_size must be a number of pixels or a list of such numbers, but is {sizes!r}.')
        if len(self._sizes) > 1 and not training:
            raise ValueError(self._ONE_NUMBER)
        self._global_batch = batch_size * get_dist_info()[1]

    def __call__(self, index):
        """The size for an item; ``index`` is an int or, in training, a SampleIndex with its epoch and position."""
        if len(self._sizes) == 1:
            return self._sizes[0]
        if not hasattr(index, 'position'):
            raise ValueError(self._ONE_NUMBER)
        rng = np.random.default_rng((index.epoch, index.position // self._global_batch))
        return self._sizes[rng.integers(len(self._sizes))]


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
        landmarks = landmarks[flip_permutation(len(landmarks))] * np.float32([-1, 1]) \
            + np.float32([image.shape[1] - 1, 0])
    if parsing is not None:
        parsing = PARSING_FLIP.astype(parsing.dtype)[parsing[:, ::-1]]
    return image[:, ::-1], landmarks, parsing


def face_item(gt, query_size, landmarks=None, parsing=None, prior_size=56, heatmap_sigma=1.3):
    """Tensors of a dataset item.

    Args:
        gt (ndarray): uint8 RGB, (H, W, 3), H = W.
        query_size (int): side of the probe in pixels.
        landmarks (ndarray | None): (L, 2) in pixels of ``gt``.
        parsing (ndarray | None): (h, w), classes 0 to 10; reduced to ``prior_size`` by nearest neighbour.
        prior_size (int): side of heatmaps and parsing map.
        heatmap_sigma (float): standard deviation in heatmap pixels.

    Returns:
        dict[str, Tensor]: ``lq`` (3, query_size, query_size) and ``gt`` (3, H, W) float32 in [0, 1]; where the prior
        is there, ``landmarks`` (L, 2) float32, ``heatmaps`` (L, prior_size, prior_size) float32, ``parsing``
        (prior_size, prior_size) int64.
    """
    item = {'lq': to_tensor(degrade(gt, query_size)), 'gt': to_tensor(gt)}
    if landmarks is not None:
        item['landmarks'] = torch.from_numpy(np.ascontiguousarray(landmarks, np.float32))
        item['heatmaps'] = torch.from_numpy(landmark_heatmaps(landmarks, gt.shape[1], prior_size, heatmap_sigma))
    if parsing is not None:
        small = cv2.resize(np.ascontiguousarray(parsing), (prior_size, prior_size),
                           interpolation=cv2.INTER_NEAREST_EXACT)
        item['parsing'] = torch.from_numpy(small).long()
    return item

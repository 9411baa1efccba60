"""What every face dataset shares: the probe size of an item, its mirror image, and the item itself."""

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import get_worker_info

from rim_plugin.data.degradations import degrade_face
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.data.resize import degrade, enlarge, to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.heatmaps import landmark_heatmaps
from rim_plugin.options.datasets import DegradationOptions, FaceOptions

Reduction = Callable[[np.ndarray, int], np.ndarray]  # uint8 (H, W, 3) and a side to uint8 (side, side, 3)


def dataset_name(opt: Mapping[str, Any]) -> str:
    """How errors call the dataset of these options."""
    return f'dataset {opt.get("name") or opt.get("type") or "of faces"}'


def leave_threads_to_workers() -> None:
    """In a worker of a data loader, keep OpenCV to one thread: the workers themselves are the parallelism."""
    if get_worker_info():
        cv2.setNumThreads(0)


class QuerySize:
    """Side of the low-resolution probe: one number, or one of several in training, drawn once or more for each batch.

    The draws follow from the epoch and the batch's number, or are all sizes in their order; the items of a batch, over
    all ranks, share them evenly, in order.

    Args:
        sizes: side of the probe in pixels, or those to draw from.
        largest: side of the faces, which probes do not exceed.
        place: how errors name the dataset.
        training: whether a list may hold several.
        draws: how many a batch has; ``all``: each size once.
        batch_size: faces of a batch, on each rank.

    Attributes:
        global_batch: faces in a step, of all ranks together.
        canvas: with several sizes in a batch, the side to which all its probes are padded; else None.

    Raises:
        OptionsError: a size is larger than the faces; there are several outside training; or the draws do not divide
            the batch.
    """

    _ONE_NUMBER = 'query_size: has to be one number outside training; add one val_NAME dataset per size.'

    def __init__(
        self,
        sizes: int | Sequence[int],
        largest: int,
        place: str = 'dataset',
        training: bool = False,
        draws: int | Literal['all'] = 1,
        batch_size: int = 1,
    ) -> None:
        self._place, self._in_order = place, draws == 'all'
        self._sizes = [sizes] if isinstance(sizes, int) else list(sizes)
        self._draws = len(self._sizes) if draws == 'all' else draws
        if max(self._sizes) > largest:
            raise OptionsError(
                f'{place}: query_size: {max(self._sizes)} is larger than the faces, which have {largest} pixels.'
            )
        if len(self._sizes) > 1 and not training:
            raise OptionsError(f'{place}: {self._ONE_NUMBER}')
        from basicsr.utils.dist_util import get_dist_info

        self.global_batch = batch_size * get_dist_info()[1]
        if self.global_batch % self._draws:
            number = f'{self._draws}, the number of query_size,' if self._in_order else self._draws
            raise OptionsError(
                f'{place}: query_sizes_per_batch: {number} does not divide the batch of {self.global_batch} faces.'
            )
        self.canvas = max(self._sizes) if self._draws > 1 and len(self._sizes) > 1 else None

    def __call__(self, index: int) -> int:
        """The size for an item; ``index`` is an int or, in training, a SampleIndex with its epoch and position."""
        if len(self._sizes) == 1:
            return self._sizes[0]
        position, epoch = getattr(index, 'position', None), getattr(index, 'epoch', None)
        if position is None or epoch is None:
            raise ValueError(f'{self._place}: {self._ONE_NUMBER}')
        batch, place = divmod(position, self.global_batch)
        draw = place * self._draws // self.global_batch
        return self._sizes[draw if self._in_order else self._drawn(epoch, batch)[draw]]

    @lru_cache(maxsize=2)  # noqa: B019  # a dataset lives as long as its training
    def _drawn(self, epoch: int, batch: int) -> list[int]:
        return np.random.default_rng((epoch, batch)).integers(len(self._sizes), size=self._draws).tolist()


def reduction_of(key: str, degradation: DegradationOptions | Literal['none'], training: bool = False) -> Reduction:
    """What makes the probe of a face, see :func:`~rim_plugin.data.degradations.degrade_face`.

    Args:
        key: name of the face, from which, with the options' seed, the random choices follow: each validation has the
            same probes.
        degradation: none for the antialiased bicubic reduction alone.
        training: choices follow from a number of Python's ``random`` instead, which is asked only where there are any.
    """
    if isinstance(degradation, str):
        return degrade
    seed = random.getrandbits(63) if training else zlib.crc32(key.encode(), degradation.seed)
    return partial(degrade_face, options=degradation, seed=seed)


class ItemMaker:
    """Makes the items of a dataset of faces, by its options.

    Args:
        options: of the dataset.
        place: how errors name it.
        smallest: pixels along a side of its smallest faces, which probes do not exceed; None: ``gt_size``.

    Attributes:
        query_size: side of each probe.
    """

    def __init__(self, options: FaceOptions, place: str, smallest: int | None = None) -> None:
        self._options = options
        self.query_size = QuerySize(
            options.query_size,
            smallest or options.gt_size,
            place,
            options.phase == 'train',
            options.query_sizes_per_batch,
            options.batch_size_per_gpu,
        )

    def __call__(
        self, index: int, key: str, face: np.ndarray, landmarks: np.ndarray | None, parsing: np.ndarray | None
    ) -> dict[str, torch.Tensor]:
        """The item of the face named ``key``, see :func:`face_item`; mirrored, or not, by Python's ``random``."""
        options = self._options
        if options.use_hflip and random.random() < 0.5:
            face, landmarks, parsing = mirror_face(face, landmarks, parsing)
        size, canvas = self.query_size(index), self.query_size.canvas
        reduction = reduction_of(key, options.degradation, options.phase == 'train')
        priors = landmarks, parsing, options.prior_size, options.heatmap_sigma
        return face_item(face, size, *priors, canvas, reduction, options.gt_size)


def mirror_face(
    image: np.ndarray, landmarks: np.ndarray | None = None, parsing: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Mirror a face left to right: x becomes W - 1 - x, and what is left and right in its priors changes places.

    Args:
        image: (H, W, 3).
        landmarks: (L, 2), pixels of ``image``; L = 5, 68 or 194.
        parsing: (h, w), classes 0 to 10.

    Returns:
        Mirrored image, landmarks and parsing map; None stays None.
    """
    if landmarks is not None:
        landmarks = landmarks[flip_permutation(len(landmarks))] * np.array([-1, 1], np.float32)
        landmarks = landmarks + np.array([image.shape[1] - 1, 0], np.float32)
    if parsing is not None:
        parsing = PARSING_FLIP.astype(parsing.dtype)[parsing[:, ::-1]]
    return cv2.flip(np.ascontiguousarray(image), 1), landmarks, parsing


def face_item(
    gt: np.ndarray,
    query_size: int,
    landmarks: np.ndarray | None = None,
    parsing: np.ndarray | None = None,
    prior_size: int = 56,
    heatmap_sigma: float = 1.3,
    canvas: int | None = None,
    reduction: Reduction = degrade,
    gt_size: int | None = None,
) -> dict[str, torch.Tensor]:
    """Tensors of a dataset item.

    Args:
        gt: uint8 RGB, (H, W, 3), H = W.
        query_size: side of the probe in pixels.
        landmarks: (L, 2) in pixels of ``gt``.
        parsing: (h, w), classes 0 to 10; reduced to ``prior_size`` by nearest neighbour.
        prior_size: side of heatmaps and parsing map.
        heatmap_sigma: standard deviation in heatmap pixels.
        canvas: pad the probe with zeros, right and below, to this side, for a batch of several sizes.
        reduction: makes the probe.
        gt_size: side to which ``gt`` is enlarged, once the probe is made; None leaves it.

    Returns:
        ``lq`` (3, query_size, query_size) and ``gt`` (3, H, W) float32 in [0, 1]; with ``canvas`` ``lq`` (3, canvas,
        canvas) and ``lq_size``, int64 scalar, the side of the probe in its corner; where the prior is there,
        ``landmarks`` (L, 2) float32, ``heatmaps`` (L, prior_size, prior_size) float32, ``parsing`` (prior_size,
        prior_size) int64.
    """
    item = {'lq': to_tensor(reduction(gt, query_size)), 'gt': to_tensor(gt)}
    if gt_size is not None and gt_size > len(gt):
        item['gt'] = enlarge(item['gt'][None], gt_size)[0]
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


def split_probes(lq: torch.Tensor, sizes: torch.Tensor) -> list[torch.Tensor]:
    """Probes of a batch of several sizes, without their padding.

    Args:
        lq: (N, 3, canvas, canvas), as :func:`face_item` gives them.
        sizes: (N, ) int64, their ``lq_size``.

    Returns:
        (n_i, 3, q_i, q_i), neighbours of one size together; in order, N in all.
    """
    values, counts = torch.unique_consecutive(sizes, return_counts=True)
    return [group[..., :size, :size] for size, group in zip(values.tolist(), lq.split(counts.tolist()))]

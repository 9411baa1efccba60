"""Recognition of faces that are small by nature: each image embedded once at its own side, then searches and pairs."""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.alignment import align_face, alignment_matrix
from rim_plugin.data.annotations import open_annotations
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.native_sets import NativeSet, Search, read_native_set
from rim_plugin.data.photo_files import MIN_SIDE, read_rgb
from rim_plugin.data.resize import degrade
from rim_plugin.errors import OptionsError, PhotoError, SkippedPhoto
from rim_plugin.evaluation.metrics.auc import AUC
from rim_plugin.evaluation.metrics.eer import EER
from rim_plugin.evaluation.metrics.tar_at_far import TARAtFAR
from rim_plugin.evaluation.open_set import MISSED, det_curve
from rim_plugin.options.datasets import NativeOptions
from rim_plugin.pipeline import RIMPipeline, add_mirrored

_BATCH = 32
_PROBES_AT_A_TIME = 128  # against a whole gallery, which may have 150,000 images
_PAIRS_AT_A_TIME = 50_000  # of which IJB-C has 15 million
_RANKS = (1, 5, 20)
_FPIRS = (0.01, 0.1, 0.3)
_FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
_NO_PIXELS = np.empty((0, 0, 3), np.uint8)  # files of annotations do not look at the photo


class Part(NamedTuple):
    """What was measured in one search, or on the pairs.

    Attributes:
        figures: column to value.
        probes: how many probes a share is of; None for pairs.
        arrays: ``mated`` and ``non_mated`` best scores of searches with strangers, ``scores`` and ``issame`` of pairs.
    """

    figures: dict[str, float]
    probes: int | None
    arrays: dict[str, np.ndarray]


class NativeFaces:
    """The images of a set, as square faces.

    An image with five points is aligned to as many pixels as its face has; one without is a crop of the face, made a
    square of its longer side. Faces with more than 112 pixels are reduced to these.

    Args:
        options: of the set.
        place: how errors name it.

    Raises:
        OptionsError: see :func:`read_native_set`; or annotations are absent.
    """

    def __init__(self, options: NativeOptions, place: str) -> None:
        self.listed: NativeSet = read_native_set(options, place)
        self._root, self._place = Path(options.dataroot_gt).expanduser(), place
        try:
            self._annotations = None if options.landmarks is None else open_annotations(options.landmarks)
        except FileNotFoundError as error:
            raise OptionsError(f'{place}: landmarks: {error}') from None
        known = options.landmarks or ('its own five points' if self.listed.points is not None else None)
        self.alignment = f'{known}, to the side that the face has' if known else 'crops as they are, made square'

    def read(self, index: int) -> np.ndarray:
        """uint8 RGB (q, q, 3), 4 to 112 pixels.

        Raises:
            OptionsError: the image cannot be read, or has no usable points.
        """
        name = self.listed.images[index]
        try:
            points = self._points(index)
            image = read_rgb(self._root / name, upright=points is None)  # points are those of the stored pixels
            if points is None:
                return degrade(image, min(max(*image.shape[:2], MIN_SIDE), FACE_SIZE))
            scale = float(np.hypot(*alignment_matrix(points, FACE_SIZE)[0, :2]))
            return align_face(image, points, min(max(round(FACE_SIZE / scale), MIN_SIDE), FACE_SIZE))[0]
        except (PhotoError, SkippedPhoto, ValueError) as error:
            raise OptionsError(f'{self._place}: {name}: {error}') from None

    def _points(self, index: int) -> np.ndarray | None:
        if self._annotations is not None:
            return five_points(self._annotations(Path(self.listed.images[index]), _NO_PIXELS))
        return None if self.listed.points is None else self.listed.points[index]


@torch.inference_mode()
def embed_faces(
    faces: NativeFaces, pipeline: RIMPipeline, mirror: bool = False, device: torch.device | str = 'cpu'
) -> np.ndarray:
    """Unit embeddings of all images, float64 (N, D): those below 112 pixels as probes, others as gallery faces."""
    rows: dict[int, np.ndarray] = {}
    waiting: dict[int, list[tuple[int, Tensor]]] = defaultdict(list)

    def embed(side: int) -> None:
        group = waiting.pop(side)
        method = pipeline.embed_probe if side < FACE_SIZE else pipeline.embed_gallery
        method = partial(add_mirrored, method) if mirror else method
        batch = torch.stack([face for _, face in group]).to(device).permute(0, 3, 1, 2).float() / 255
        found = F.normalize(method(batch).double()).cpu().numpy()
        rows.update(zip((index for index, _ in group), found))

    for index in range(len(faces.listed.images)):
        face = faces.read(index)
        waiting[len(face)].append((index, torch.from_numpy(face)))
        if len(waiting[len(face)]) == _BATCH:
            embed(len(face))
    for side in [*waiting]:
        embed(side)
    return np.stack([rows[index] for index in range(len(rows))])


def pooled(embeddings: np.ndarray, templates: np.ndarray, media: np.ndarray) -> np.ndarray:
    """Unit embeddings of templates, (T, D): the mean over the frames of each of its media, summed over the media.

    As IJB's evaluation has it (Whitelam et al. 2017, Crosswhite et al. 2018).

    Args:
        embeddings: (N, D) of images.
        templates, media: (N,) of each image; templates from 0 to T - 1.
    """
    groups, which = np.unique(np.stack([templates, media], 1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    means = np.zeros((len(groups), embeddings.shape[1]))
    np.add.at(means, which, embeddings)
    means /= np.bincount(which)[:, None]
    sums = np.zeros((templates.max() + 1, embeddings.shape[1]))
    np.add.at(sums, groups[:, 0], means)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def measure_search(search: Search, embeddings: np.ndarray) -> Part:
    """Rank-k rates, and with strangers TPIR at FPIR, of the right person first and among the first 20 (TPIR20).

    A rank counts gallery images, those of the probe's person after the best of them not; images of others that tie come
    before it. The threshold is the lowest at which at most the given share of the strangers' searches finds anybody.

    Args:
        search: which templates.
        embeddings: (T, D) of all templates, of length 1.
    """
    ranks, own = _ranks(search, embeddings)
    figures = {f'rank {rank}': float((ranks <= rank).mean()) for rank in _RANKS if rank < len(search.gallery)}
    if not len(search.strangers):
        return Part(figures, len(ranks), {})
    strangers = _chunks(search.strangers)
    non_mated = np.concatenate([_similarity(embeddings, part, search.gallery).max(1) for part in strangers])
    first = np.where(ranks == 1, own, MISSED)
    for name, mated in (('TPIR', first), ('TPIR20', np.where(ranks <= _RANKS[-1], own, MISSED))):
        curve = det_curve(mated, non_mated)
        figures.update({f'{name} at FPIR {fpir:g}': 1 - curve.at(fpir) for fpir in _FPIRS})
    return Part(figures, len(ranks), {'mated': first, 'non_mated': non_mated})


def _ranks(search: Search, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each probe, from 1, and its similarity to the best image of its person."""
    ranks, best = [], []
    for probes, who in zip(_chunks(search.probes), _chunks(search.probe_identities)):
        similarity = _similarity(embeddings, probes, search.gallery)
        mine = who[:, None] == search.identities[None]
        best.append(np.where(mine, similarity, -np.inf).max(1))
        ranks.append(1 + ((similarity >= best[-1][:, None]) & ~mine).sum(1))
    return np.concatenate(ranks), np.concatenate(best)


def _similarity(embeddings: np.ndarray, probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    return embeddings[probes] @ embeddings[gallery].T


def _chunks(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + _PROBES_AT_A_TIME] for start in range(0, len(values), _PROBES_AT_A_TIME)]


def measure_verification(pairs: np.ndarray, issame: np.ndarray, embeddings: np.ndarray) -> Part:
    """AUC, EER and TAR at five FARs of pairs (P, 2) of templates, of which (P,) ``issame`` are of one person."""
    parts = np.array_split(pairs, len(pairs) // _PAIRS_AT_A_TIME + 1)
    scores = np.concatenate([(embeddings[part[:, 0]] * embeddings[part[:, 1]]).sum(1) for part in parts])
    data = {'scores': scores, 'issame': issame}
    figures = {}
    for metric in (AUC(), EER(), *(TARAtFAR(far) for far in _FARS)):
        metric.update(data)
        figures[metric.title] = metric.compute()
    return Part(figures, None, data)


def measure_native_set(
    faces: NativeFaces, pipeline: RIMPipeline, mirror: bool = False, device: torch.device | str = 'cpu'
) -> dict[str, Part]:
    """All that a set is published for: its searches by name, and ``verification``.

    Args:
        faces: of the set.
        pipeline: embeds them.
        mirror: the embedding of the face and that of its mirror image added.
        device: where the pipeline is.

    Raises:
        OptionsError: an image cannot be used.
    """
    listed = faces.listed
    embeddings = pooled(embed_faces(faces, pipeline, mirror, device), listed.templates, listed.media)
    parts = {name: measure_search(search, embeddings) for name, search in listed.searches.items()}
    if listed.pairs is not None and listed.issame is not None:
        parts['verification'] = measure_verification(listed.pairs, listed.issame, embeddings)
    return parts


def native_protocol(faces: NativeFaces, options: NativeOptions) -> dict[str, Any]:
    """What a result file must say of a set."""
    listed = faces.listed
    return {
        'layout': options.layout,
        'faces': options.dataroot_gt,
        'images': len(listed.images),
        'templates': int(listed.templates.max()) + 1,
        'searches': {
            name: {'gallery': len(each.gallery), 'probes': len(each.probes), 'strangers': len(each.strangers)}
            for name, each in listed.searches.items()
        },
        'pairs': 0 if listed.pairs is None else len(listed.pairs),
        'alignment': faces.alignment,
        'ranks': 'count gallery images',
    }

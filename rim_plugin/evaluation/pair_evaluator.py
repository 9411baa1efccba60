"""Verification and identification: each face embedded once in each resolution in which it occurs, then all metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Subset

from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.metric import PairMetric, standard_metrics
from rim_plugin.network_key import network_key
from rim_plugin.pipeline import RIMPipeline, add_mirrored


@dataclass(frozen=True)
class PairResults:
    """What was measured on a dataset of pairs.

    Attributes:
        values: of the metrics asked for, by name.
        absent: metrics that were left out, since the dataset lacks what they need.
        figures: the standard columns, and their details, as JSON values.
        data: what the metrics read, see :func:`pair_data`.
        protocol: what a result file must say of faces, networks and embeddings.
        embeddings: unit embeddings, float64 (N, D), of the faces as gallery and as probes; NaN where a face is not used
            so.
    """

    values: dict[str, float]
    absent: list[str]
    figures: dict[str, Any]
    data: dict[str, np.ndarray]
    protocol: dict[str, Any]
    embeddings: tuple[np.ndarray, np.ndarray]


class PairEvaluator:
    """Processes the faces of a dataset of pairs: ``evaluate(evaluator.faces, None, [evaluator])``.

    Args:
        dataset: pairs, and who is who.
        embedder: embeds the faces, in evaluation mode.
        metrics: by name, beside the standard ones.
        mirror: the embedding of the face and that of its mirror image added, instead of the former alone.
        known: embeddings that other evaluators have found; shared, those of this one are added.
        device: where the embedder takes faces.

    Attributes:
        faces: those of the dataset that have to be embedded.
    """

    def __init__(
        self,
        dataset: FacePairs,
        embedder: RIMPipeline,
        metrics: Mapping[str, PairMetric] | None = None,
        mirror: bool = False,
        known: KnownEmbeddings | None = None,
        device: torch.device | str = 'cpu',
    ) -> None:
        self.dataset, self.embedder, self.metrics = dataset, embedder, dict(metrics or {})
        self.mirror, self.device, self.known = mirror, device, known or KnownEmbeddings()
        self.as_gallery, self.as_probe = used_faces(dataset)
        self.faces = Subset(dataset, (self.as_gallery | self.as_probe).nonzero().flatten().tolist())
        self.reset()

    def reset(self) -> None:
        """Begin anew, with the weights that the embedder has now."""
        self._gallery: list[Tensor] = []
        self._probes: list[Tensor] = []
        networks = self.embedder.gallery_network, self.embedder
        self._gallery_key, self._probe_key = (network_key(network, self.mirror) for network in networks)

    def process(self, batch: Mapping[str, Any]) -> None:
        """Embed the faces of a batch of :attr:`faces`, in their order: ``gt`` as gallery, ``lq`` as probes."""
        as_gallery, as_probe = self.as_gallery[batch['index']], self.as_probe[batch['index']]
        self._gallery += self._embed(batch['gt'][as_gallery], self._gallery_key, self.embedder.embed_gallery)
        self._probes += self._embed(batch['lq'][as_probe], self._probe_key, self.embedder.embed_probe)

    def _embed(self, faces: Tensor, key: bytes, embed: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Unit embeddings, float64 (N, D), of faces (N, 3, h, w); an empty list of none."""
        if not len(faces):
            return []
        method = partial(add_mirrored, embed) if self.mirror else embed
        return [F.normalize(self.known.embed(faces, key, lambda some: method(some.to(self.device))).double())]

    def compute(self) -> PairResults:
        """Results, once all faces were processed.

        Raises:
            ValueError: an embedding is not finite, or the folds do not fit.
        """
        gallery, probes = self.embeddings()
        data = pair_data(self.dataset, gallery, probes)
        there = {name: metric for name, metric in self.metrics.items() if metric.applies_to(data)}
        for metric in there.values():
            metric.reset()
            metric.update(data)
        return PairResults(
            values={name: metric.compute() for name, metric in there.items()},
            absent=[name for name in self.metrics if name not in there],
            figures=pair_figures(data),
            data=data,
            protocol={
                **self.dataset.protocol,
                'upscaling': self.embedder.upscaling if self.dataset.probe_columns else None,
                'gallery_network': self.embedder.gallery,
                'embedding': 'sum over face and mirror image' if self.mirror else 'face alone',
            },
            embeddings=(gallery, probes),
        )

    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit embeddings, float64 (N, D), as gallery and as probes; NaN where a face is not used so."""
        return scatter_rows(self.as_gallery, self._gallery), scatter_rows(self.as_probe, self._probes)


def used_faces(dataset: FacePairs) -> tuple[Tensor, Tensor]:
    """Which faces occur as gallery and which as probe: two bool tensors (N,)."""
    used = torch.zeros(2, len(dataset), dtype=torch.bool)
    for column in (0, 1):
        used[int(column in dataset.probe_columns), dataset.pairs[:, column]] = True
    if dataset.identification:
        gallery, probes = _identification_sides(dataset.probe_columns)
        used[gallery, dataset.identification.gallery] = True
        used[probes, dataset.identification.probes] = True
    return used[0], used[1]


def _identification_sides(probe_columns: Sequence[int]) -> tuple[int, int]:
    """How gallery and probes of identification are seen, 1 at low and 0 at full resolution: where both sides of a pair
    are seen alike, so are they; else the probes alone are low."""
    return int(len(probe_columns) == 2), int(len(probe_columns) > 0)


def scatter_rows(used: Tensor, rows: Sequence[Tensor]) -> np.ndarray:
    """(N, D): the rows of all tensors, in order, where ``used`` (N,) is true, elsewhere NaN."""
    joined = torch.cat(list(rows)) if rows else torch.empty(0, 1, dtype=torch.float64)
    scattered = joined.new_full((len(used), joined.shape[1]), float('nan'))
    scattered[used] = joined
    return scattered.numpy()


def pair_data(dataset: FacePairs, gallery: np.ndarray, probes: np.ndarray) -> dict[str, np.ndarray]:
    """What metrics of pairs read.

    Args:
        dataset: pairs, and who is who.
        gallery, probes: (N, D) unit embeddings of its faces at full and at low resolution.

    Returns:
        ``scores`` (P,), ``issame``, ``folds``; with identification ``similarity`` (probes, gallery images),
        ``probe_identities``, ``gallery_identities``.
    """
    sides, columns = (gallery, probes), dataset.probe_columns
    first, second = (sides[int(column in columns)][dataset.pairs[:, column]] for column in (0, 1))
    data = {'scores': (first * second).sum(1), 'issame': dataset.issame, 'folds': dataset.folds}
    if dataset.identification:
        names, (gallery_faces, probe_faces) = np.array(dataset.names), dataset.identification
        gallery_side, probe_side = _identification_sides(columns)
        data['similarity'] = sides[probe_side][probe_faces] @ sides[gallery_side][gallery_faces].T
        data['probe_identities'], data['gallery_identities'] = names[probe_faces], names[gallery_faces]
    return data


def pair_figures(data: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """All figures of a result file, as JSON values: the standard columns of every metric of pairs, with details.

    Beside the accuracy its standard deviation, and accuracy and threshold of each fold (None: accept no pair); with
    identification the CMC, and how many probes and gallery images there are.

    Args:
        data: see :func:`pair_data`.
    """
    figures: dict[str, Any] = {}
    for column, metric in standard_metrics(PairMetric).items():
        if metric.applies_to(data):
            metric.update(data)
            figures.update(metric.figures(column))
    return figures

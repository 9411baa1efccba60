"""Metrics of hallucinated faces, and of bicubic interpolation beside them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rim_plugin.archs.layers import bicubic, probe_groups
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.batch import Batch
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.metric import ImageMetric
from rim_plugin.heatmaps import heatmap_landmarks
from rim_plugin.network_key import network_key
from rim_plugin.pipeline import Restored


@dataclass(frozen=True)
class ImageResults:
    """What metrics say of faces, by name of the metric.

    Attributes:
        values: over all faces.
        bicubic: the same of bicubic interpolation, for metrics that compare SR and HR images alone.
        per_face: (N,) float64, of each face, for metrics that a face by itself has.
        absent: metrics that were left out, since faces or network lack what they need.
    """

    values: dict[str, float]
    bicubic: dict[str, float]
    per_face: dict[str, np.ndarray]
    absent: list[str]


class ImageEvaluator:
    """Processes batches of hallucinated faces.

    A batch is a dict of tensors, as far as they are there: ``lq``, probes (N, 3, q, q) or a list of groups of one size,
    ``sr``, ``gt`` and ``coarse`` (N, 3, S, S), all RGB in [0, 1]; ``estimated_landmarks`` and ``landmarks`` (N, L, 2);
    ``parsing_logits`` (N, C, P, P) and ``parsing`` (N, P, P); ``sr_embedding`` and ``gt_embedding`` (N, D).

    Args:
        metrics: by name; one that a batch does not have the data for is left out altogether.
        bicubic: values of bicubic interpolation of the same faces that are known already, and not measured again.
    """

    def __init__(self, metrics: Mapping[str, ImageMetric], bicubic: Mapping[str, float] | None = None) -> None:
        self.metrics, self.bicubic = dict(metrics), dict(bicubic or {})
        alone = {name: metric for name, metric in metrics.items() if metric.images_alone}
        self.baselines = {name: deepcopy(metric) for name, metric in alone.items() if name not in self.bicubic}
        self.absent: set[str] = set()

    def reset(self) -> None:
        """Forget all faces."""
        self.absent = set()
        for metric in (*self.metrics.values(), *self.baselines.values()):
            metric.reset()

    def process(self, data: Mapping[str, Any]) -> None:
        """Measure the faces of a batch."""
        self.absent.update(name for name, metric in self.metrics.items() if not metric.applies_to(data))
        for name, metric in self.metrics.items():
            if name not in self.absent:
                metric.update(data)
        baselines = [metric for name, metric in self.baselines.items() if name not in self.absent]
        if baselines:
            enlarged = torch.cat([bicubic(group, data['gt'].shape[-1]) for group in probe_groups(data['lq'])])
            for metric in baselines:
                metric.update({'sr': enlarged, 'gt': data['gt']})

    def compute(self) -> ImageResults:
        """Results over all faces since ``reset``."""
        there = {
            name: metric for name, metric in self.metrics.items() if name not in self.absent and metric.update_called
        }
        measured = {name: metric.compute() for name, metric in self.baselines.items() if name in there}
        return ImageResults(
            values={name: metric.compute() for name, metric in there.items()},
            bicubic={**{name: value for name, value in self.bicubic.items() if name in there}, **measured},
            per_face={name: metric.values.cpu().numpy() for name, metric in there.items() if metric.per_face},
            absent=[name for name in self.metrics if name not in there],
        )


class IdentityEmbedder:
    """A frozen recogniser that embeds each HR face once.

    Args:
        recogniser: in evaluation mode.
        known: embeddings that are kept.
    """

    def __init__(self, recogniser: Recogniser, known: KnownEmbeddings) -> None:
        self._recogniser, self._known, self._key = recogniser, known, network_key(recogniser)

    def embed(self, faces: Tensor) -> Tensor:
        """Embeddings (N, D) of faces (N, 3, S, S)."""
        return self._recogniser(faces.clamp(0, 1)).embedding

    def embed_truth(self, faces: Tensor) -> Tensor:
        """:meth:`embed` of faces that come again: only unknown ones go through the recogniser."""

        def embed(unknown: Tensor) -> Tensor:
            return self.embed(unknown.to(faces.device))

        return self._known.embed(faces.cpu(), self._key, embed).to(faces.device)


@torch.no_grad()
def face_data(batch: Batch, restored: Restored, identity: IdentityEmbedder | None = None) -> dict[str, Any]:
    """What :class:`ImageEvaluator` processes: a batch, its hallucinated faces and what the priors say.

    Args:
        batch: of faces.
        restored: its probes, by :meth:`RIMPipeline.restore`.
        identity: embeds SR and HR faces, for the identity similarity; None leaves it out.
    """
    sr, priors = restored
    data = {'lq': batch.probes, 'sr': sr, 'gt': batch.gt, 'landmarks': batch.landmarks, 'parsing': batch.parsing}
    if priors is not None:
        data.update(coarse=priors.coarse, parsing_logits=priors.parsing)
        if priors.heatmaps is not None:
            data['estimated_landmarks'] = heatmap_landmarks(priors.heatmaps, sr.shape[-1])
    if identity is not None and batch.gt is not None:
        data.update(sr_embedding=identity.embed(sr), gt_embedding=identity.embed_truth(batch.gt))
    return {key: value for key, value in data.items() if value is not None}

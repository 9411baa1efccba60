"""Metrics of hallucinated faces, and of bicubic interpolation beside them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rim_plugin.archs.layers import bicubic, probe_groups
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.batch import Batch
from rim_plugin.data.heatmaps import heatmap_landmarks
from rim_plugin.evaluation.metric import ImageMetric
from rim_plugin.pipeline import Restored


@dataclass(frozen=True)
class ImageResults:
    """What metrics say of faces, by name of the metric.

    Attributes:
        values: over all faces.
        bicubic: the same of bicubic interpolation, for metrics that compare SR and HR images alone.
        per_face: (N,) float64, of each face.
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
    """

    def __init__(self, metrics: Mapping[str, ImageMetric]) -> None:
        self.metrics = dict(metrics)
        self.baselines = {name: deepcopy(metric) for name, metric in metrics.items() if metric.images_alone}
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
        return ImageResults(
            values={name: metric.compute() for name, metric in there.items()},
            bicubic={name: metric.compute() for name, metric in self.baselines.items() if name in there},
            per_face={name: metric.values.cpu().numpy() for name, metric in there.items()},
            absent=[name for name in self.metrics if name not in there],
        )


@torch.no_grad()
def face_data(batch: Batch, restored: Restored, recogniser: Recogniser | None = None) -> dict[str, Any]:
    """What :class:`ImageEvaluator` processes: a batch, its hallucinated faces and what the priors say.

    Args:
        batch: of faces.
        restored: its probes, by :meth:`RIMPipeline.restore`.
        recogniser: embeds SR and HR faces, for the identity similarity; None leaves it out.
    """
    sr, priors = restored
    data = {'lq': batch.probes, 'sr': sr, 'gt': batch.gt, 'landmarks': batch.landmarks, 'parsing': batch.parsing}
    if priors is not None:
        data.update(coarse=priors.coarse, parsing_logits=priors.parsing)
        if priors.heatmaps is not None:
            data['estimated_landmarks'] = heatmap_landmarks(priors.heatmaps, sr.shape[-1])
    if recogniser is not None and batch.gt is not None:
        data.update(sr_embedding=recogniser(sr.clamp(0, 1)).embedding)
        data.update(gt_embedding=recogniser(batch.gt.clamp(0, 1)).embedding)
    return {key: value for key, value in data.items() if value is not None}

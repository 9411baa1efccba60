"""Normalised mean error of estimated landmarks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rim_plugin.data.landmarks import eye_centres
from rim_plugin.evaluation.metric import ImageMetric, register_metric


@register_metric('calculate_nme')
class NME(ImageMetric):
    """Mean distance of the estimated from the true landmarks over that of the true eye centres; 0.05 is 5 %."""

    higher_is_better = False
    title = 'NME'
    needs = ('estimated_landmarks', 'landmarks')
    standard = {'nme': {}}
    order = 50

    def applies_to(self, data: Mapping[str, Any]) -> bool:
        """Also, the faces have the landmarks that the network estimates, and not, say, five points."""
        return super().applies_to(data) and len({data[key].shape[1] for key in self.needs}) == 1

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64 of ``estimated_landmarks`` and ``landmarks``, (n, L, 2), in one unit; L = 5, 68 or 194.

        Raises:
            ValueError: the shapes differ, another number of landmarks, or true eye centres that coincide.
        """
        estimated, truth = data['estimated_landmarks'], data['landmarks']
        if truth.dim() != 3 or truth.shape[2] != 2 or estimated.shape != truth.shape:
            raise ValueError(
                'NME: estimated and true landmarks must have one shape (N, L, 2), '
                f'not {tuple(estimated.shape)} and {tuple(truth.shape)}'
            )
        estimated, truth = estimated.double(), truth.double()
        left, right = eye_centres(truth)
        eye_distance = torch.linalg.vector_norm(left - right, dim=1)
        if not eye_distance.all():
            raise ValueError(
                f'NME: the true eye centres of face {eye_distance.argmin().item()} of the batch coincide; '
                'correct its landmarks'
            )
        return torch.linalg.vector_norm(estimated - truth, dim=2).mean(1) / eye_distance

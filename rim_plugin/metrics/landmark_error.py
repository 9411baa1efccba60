"""Normalised mean error of estimated landmarks."""

import torch

from basicsr.utils.registry import METRIC_REGISTRY

# Landmarks whose mean is the centre of the left and of the right eye, as seen in the picture, by number of landmarks.
_EYES = {5: (slice(0, 1), slice(1, 2)), 68: (slice(36, 42), slice(42, 48)), 194: (slice(134, 154), slice(114, 134))}


@METRIC_REGISTRY.register()
def calculate_nme(data):
    """Mean distance of the estimated from the true landmarks over the distance of the true eye centres.

    Args:
        data (dict): ``estimated_landmarks`` and ``landmarks`` (truth), (N, L, 2), one unit (pixels of the HR image),
            L = 5, 68 (300-W) or 194 (Helen).

    Returns:
        Tensor: (N,) float64, a fraction of the eye distance (0.05 = 5 %); lower is better.

    Raises:
        ValueError: shapes differ, another number of landmarks, or true eye centres that coincide.
    """
    estimated, truth = data['estimated_landmarks'], data['landmarks']
    if truth.dim() != 3 or truth.shape[2] != 2 or estimated.shape != truth.shape:
        raise ValueError(
            'NME: estimated and true landmarks must have one shape (N, L, 2), '
            f'not {tuple(estimated.shape)} and {tuple(truth.shape)}'
        )
    if truth.shape[1] not in _EYES:
        raise ValueError(f'NME: eye centres are known for 5, 68 or 194 landmarks, not {truth.shape[1]}')
    estimated, truth = estimated.double(), truth.double()
    left, right = (truth[:, eye].mean(1) for eye in _EYES[truth.shape[1]])
    eye_distance = torch.linalg.vector_norm(left - right, dim=1)
    if not eye_distance.all():
        raise ValueError(
            f'NME: the true eye centres of face {eye_distance.argmin().item()} of the batch coincide; '
            'correct its landmarks'
        )
    return torch.linalg.vector_norm(estimated - truth, dim=2).mean(1) / eye_distance


calculate_nme.batched = True
calculate_nme.better = 'lower'

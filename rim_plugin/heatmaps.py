"""Landmarks to heatmaps and back.

Pixel-centre convention: the integer coordinate x is the centre of pixel x, so that x on an image of ``image_size``
pixels lies at (x + 0.5) * heatmap_size / image_size - 0.5 on the heatmap.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def landmark_heatmaps(landmarks: ArrayLike, image_size: int, heatmap_size: int = 56, sigma: float = 1.3) -> np.ndarray:
    """One unnormalised Gaussian, exp(-d^2 / (2 sigma^2)), per landmark: the target M of Eq. 3.

    A landmark outside the image gives the part of its Gaussian that reaches in, or zeros.

    Args:
        landmarks: (L, 2), x and y in image pixels.
        image_size: side of the image in pixels.
        heatmap_size: side of the heatmaps.
        sigma: standard deviation in heatmap pixels.

    Returns:
        float32 (L, heatmap_size, heatmap_size), 0 to 1.

    Raises:
        ValueError: ``landmarks`` is not (L, 2), or ``sigma`` is not positive.
    """
    points = np.asarray(landmarks, np.float32)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f'Landmarks must have the shape (L, 2), but got {points.shape}.')
    if sigma <= 0:
        raise ValueError(f'The sigma of heatmaps must be positive, but got {sigma}.')
    return render_heatmaps((torch.from_numpy(points)[None] + 0.5) / image_size, heatmap_size, sigma)[0].numpy()


def render_heatmaps(points: Tensor, size: int, sigma: float) -> Tensor:
    """:func:`landmark_heatmaps` of a batch, differentiable, on any device.

    Args:
        points: (N, L, 2), x and y over the side of the image, 0 at its left or upper edge.
        size: side of the maps.
        sigma: standard deviation in pixels of the maps.

    Returns:
        float32 (N, L, size, size), 0 to 1.
    """
    centres = points.float() * size - 0.5
    distance = torch.arange(size, device=points.device) - centres[..., None]
    gaussian = torch.exp(distance.square() / (-2 * sigma**2))  # separable: (N, L, 2, size)
    return gaussian[:, :, 1, :, None] * gaussian[:, :, 0, None, :]


def _peak_offset(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    """Peak of the parabola through three logarithms at -1, 0 and 1, which is exact for a Gaussian."""
    curvature = 2 * at - before - after
    return torch.where(curvature > 1e-6, 0.5 * (after - before) / curvature.clamp(min=1e-6), torch.zeros_like(at))


def heatmap_landmarks(heatmaps: Tensor, image_size: int) -> Tensor:
    """Decode heatmaps to landmarks with sub-pixel precision, the inverse of :func:`landmark_heatmaps`.

    The highest pixel, refined along x and y by the parabola through the logarithms of it and its two neighbours.

    Args:
        heatmaps: (N, L, h, w), any scale; values below 1e-6 of the peak count as that.
        image_size: side in pixels of the image on which landmarks are wanted.

    Returns:
        float32 (N, L, 2), x and y in image pixels.

    Raises:
        ValueError: ``heatmaps`` is not (N, L, h, w) with h and w at least 3.
    """
    if heatmaps.ndim != 4 or min(heatmaps.shape[2:]) < 3:
        raise ValueError(f'Heatmaps must have the shape (N, L, h, w), h and w >= 3, but got {tuple(heatmaps.shape)}.')
    height, width = heatmaps.shape[2:]
    flat = heatmaps.detach().float().flatten(2)
    peak, index = flat.max(2, keepdim=True)
    logs = (flat / peak.clamp(min=1e-12)).clamp(min=1e-6).log()
    row, column = index // width, index % width
    # At the border the parabola is centred one pixel further in, so that it still has both neighbours.
    x, y = column.clamp(1, width - 2), row.clamp(1, height - 2)
    x_logs = [logs.gather(2, row * width + x + step) for step in (-1, 0, 1)]
    y_logs = [logs.gather(2, (y + step) * width + column) for step in (-1, 0, 1)]
    x = column + (x - column + _peak_offset(*x_logs)).clamp(-1, 1)
    y = row + (y - row + _peak_offset(*y_logs)).clamp(-1, 1)
    scale = heatmaps.new_tensor([image_size / width, image_size / height], dtype=torch.float32)
    return (torch.cat([x, y], 2) + 0.5) * scale - 0.5

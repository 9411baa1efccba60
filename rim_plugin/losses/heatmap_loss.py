"""Landmark heatmap loss of the face hallucination sub-net."""

import torch
from torch import nn

from basicsr.utils.registry import LOSS_REGISTRY


def heatmap_loss(estimated, truth, reduction='mean'):
    r"""Squared error between landmark heatmaps (RIM, Eq. 3).

    .. math::
        \frac{1}{N} \sum_{n=1}^{N} \sum_{i,j} (H_{sr}^{n,(i,j)} - H_{hr}^{n,(i,j)})^2

    Args:
        estimated (Tensor): (B, N, h, w) heatmaps of the N landmarks, any floating dtype; computed in float32 at least.
        truth (Tensor): (B, N, h, w).
        reduction (str): 'mean' over batch, landmarks and pixels | 'sum': Eq. 3 as written, averaged over the batch
            (h * w times the mean).

    Returns:
        Tensor: scalar.

    Raises:
        ValueError: shapes differ or are not 4-D.
    """
    if estimated.dim() != 4 or estimated.shape != truth.shape:
        raise ValueError(
            'HeatmapLoss: estimated and true heatmaps must have one shape (B, N, h, w), '
            f'not {tuple(estimated.shape)} and {tuple(truth.shape)}'
        )
    wide = torch.promote_types(estimated.dtype, torch.float32)
    squared = (estimated.to(wide) - truth).square()
    return squared.mean() if reduction == 'mean' else squared.sum((2, 3)).mean()


@LOSS_REGISTRY.register()
class HeatmapLoss(nn.Module):
    """Squared error between landmark heatmaps (RIM, Eq. 3; see :func:`heatmap_loss`).

    Args:
        loss_weight (float): lambda_1 of Eq. 1. Default: 1.0.
        reduction (str): 'mean' | 'sum'. Default: 'mean'.

    Raises:
        ValueError: an unknown reduction.
    """

    def __init__(self, loss_weight=1.0, reduction='mean'):
        super().__init__()
        if reduction not in ('mean', 'sum'):
            raise ValueError(f'HeatmapLoss: reduction must be mean or sum, not {reduction!r}')
        self.loss_weight = loss_weight
        self.reduction = reduction

    def forward(self, estimated, truth):
        """
        Args:
            estimated (Tensor): (B, N, h, w).
            truth (Tensor): (B, N, h, w).

        Returns:
            Tensor: scalar.
        """
        return self.loss_weight * heatmap_loss(estimated, truth, self.reduction)

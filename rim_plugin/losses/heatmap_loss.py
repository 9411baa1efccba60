"""Landmark heatmap loss of the face hallucination sub-net."""

from torch import Tensor, nn

from rim_plugin.losses.inputs import Reduction, check_reduction, check_shapes, widened

from basicsr.utils.registry import LOSS_REGISTRY


def heatmap_loss(estimated: Tensor, truth: Tensor, reduction: str = 'mean') -> Tensor:
    r"""Squared error between landmark heatmaps (RIM, Eq. 3).

    .. math::
        \frac{1}{N} \sum_{n=1}^{N} \sum_{i,j} (H_{sr}^{n,(i,j)} - H_{hr}^{n,(i,j)})^2

    Args:
        estimated: (B, N, h, w) heatmaps of the N landmarks, any floating dtype; computed in float32 at least.
        truth: (B, N, h, w).
        reduction: ``mean`` over batch, landmarks and pixels | ``sum``: Eq. 3 as written, averaged over the batch (h * w
            times the mean).

    Returns:
        Scalar.

    Raises:
        ValueError: shapes differ.

    Example:
        >>> truth = torch.zeros(2, 68, 56, 56)
        >>> heatmap_loss(truth + 0.5, truth)
        tensor(0.2500)
        >>> heatmap_loss(truth + 0.5, truth, reduction='sum')  # 0.25 * 56 * 56
        tensor(784.)
    """
    check_shapes('HeatmapLoss', 'heatmaps (B, N, h, w)', estimated=estimated, truth=truth)
    estimated, truth = widened(estimated, truth)
    squared = (estimated - truth).square()
    return squared.mean() if reduction == 'mean' else squared.sum((2, 3)).mean()


@LOSS_REGISTRY.register()
class HeatmapLoss(nn.Module):
    """Squared error between landmark heatmaps (RIM, Eq. 3), see :func:`heatmap_loss`.

    Args:
        loss_weight: lambda_1 of Eq. 1.
        reduction: ``mean`` | ``sum``.

    Raises:
        OptionsError: an unknown ``reduction``.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = 'mean') -> None:
        super().__init__()
        check_reduction('HeatmapLoss', reduction)
        self.loss_weight, self.reduction = loss_weight, reduction

    def forward(self, estimated: Tensor, truth: Tensor) -> Tensor:
        """Scalar of estimated and true heatmaps, both (B, N, h, w)."""
        return self.loss_weight * heatmap_loss(estimated, truth, self.reduction)

"""Face parsing loss of the face hallucination sub-net."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.losses.inputs import Reduction, check_reduction, widened
from rim_plugin.options.kinds import NotNegative

from basicsr.utils.registry import LOSS_REGISTRY


def parsing_loss(
    logits: Tensor, truth: Tensor, class_weights: Tensor | None = None, ignore_index: int = 255, reduction: str = 'mean'
) -> Tensor:
    r"""Pixel-wise cross-entropy of face parsing (RIM, Eq. 4).

    .. math::
        -\frac{1}{C} \sum_{c=1}^{C} y_{ij} \log \tilde y_{ij}

    Args:
        logits: (B, C, h, w), any floating dtype; computed in float32 at least.
        truth: (B, h, w) int64, classes 0 to C - 1 or ``ignore_index``.
        class_weights: (C,) factor on each class.
        ignore_index: pixels of this class do not count.
        reduction: ``mean`` over the pixels that count, weighted by their class weights, with 1/C left to the loss
            weight | ``sum``: Eq. 4 as written, with 1/C, summed over the pixels and averaged over the batch.

    Returns:
        Scalar; 0 where no pixel counts.

    Raises:
        ValueError: shapes or dtype do not fit, another number of class weights than of classes, or (checked on the CPU,
            where it costs no wait) a class beyond C - 1.

    Example:
        >>> logits, truth = torch.zeros(2, 11, 56, 56), torch.zeros(2, 56, 56, dtype=torch.int64)
        >>> parsing_loss(logits, truth)  # log(11)
        tensor(2.3979)
    """
    _check(logits, truth, class_weights, ignore_index)
    (logits,) = widened(logits)
    weights = None if class_weights is None else class_weights.to(logits)
    total = F.cross_entropy(logits, truth, weights, ignore_index=ignore_index, reduction='sum')
    if reduction == 'sum':
        return total / (logits.shape[1] * logits.shape[0])
    counted = truth != ignore_index
    if weights is None:
        return total / counted.sum().clamp(min=1)
    norm = (weights[truth.where(counted, torch.zeros_like(truth))] * counted).sum()
    return total / norm.clamp(min=torch.finfo(norm.dtype).tiny)


def _check(logits: Tensor, truth: Tensor, class_weights: Tensor | None, ignore_index: int) -> None:
    if logits.dim() != 4 or truth.dim() != 3 or logits.shape[0] != truth.shape[0]:
        raise ValueError(
            'ParsingLoss: logits must be (B, C, h, w) and the class map (B, h, w), '
            f'not {tuple(logits.shape)} and {tuple(truth.shape)}'
        )
    if logits.shape[2:] != truth.shape[1:]:
        raise ValueError(
            f'ParsingLoss: logits have {tuple(logits.shape[2:])} pixels, the class map '
            f"{tuple(truth.shape[1:])}; the dataset's prior_size must be the size of the network's map"
        )
    if class_weights is not None and len(class_weights) != logits.shape[1]:
        raise ValueError(
            f'ParsingLoss: {len(class_weights)} class_weights for {logits.shape[1]} classes; give one for each'
        )
    if truth.dtype != torch.int64:
        raise ValueError(f'ParsingLoss: the class map must be int64, not {truth.dtype}; convert it with .long()')
    if truth.device.type == 'cpu':
        strange = truth[((truth < 0) | (truth >= logits.shape[1])) & (truth != ignore_index)]
        if strange.numel():
            raise ValueError(
                f'ParsingLoss: the class map holds class {strange[0].item()}, the logits have classes '
                f'0 to {logits.shape[1] - 1}; mark pixels to leave out with {ignore_index}'
            )


@LOSS_REGISTRY.register()
class ParsingLoss(nn.Module):
    """Pixel-wise cross-entropy of face parsing (RIM, Eq. 4), see :func:`parsing_loss`.

    Args:
        loss_weight: lambda_2 of Eq. 1, with 1/C in it.
        class_weights: one factor >= 0 for each class.
        ignore_index: class of pixels that do not count.
        reduction: ``mean`` | ``sum``.

    Raises:
        OptionsError: an unknown ``reduction``.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        loss_weight: float = 1.0,
        class_weights: Sequence[NotNegative] | None = None,
        ignore_index: int = 255,
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__()
        check_reduction('ParsingLoss', reduction)
        self.loss_weight, self.ignore_index, self.reduction = loss_weight, ignore_index, reduction
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
        # not in the checkpoint: an option, not state
        self.register_buffer('class_weights', weights, persistent=False)

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Scalar of class logits (B, C, h, w) and true classes (B, h, w), int64."""
        return self.loss_weight * parsing_loss(logits, truth, self.class_weights, self.ignore_index, self.reduction)

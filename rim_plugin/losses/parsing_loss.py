"""Face parsing loss of the face hallucination sub-net."""

import torch
from torch import nn
from torch.nn import functional as F

from basicsr.utils.registry import LOSS_REGISTRY


def parsing_loss(logits, truth, class_weights=None, ignore_index=255, reduction='mean'):
    r"""Pixel-wise cross-entropy of face parsing (RIM, Eq. 4).

    .. math::
        -\frac{1}{C} \sum_{c=1}^{C} y_{ij} \log \tilde y_{ij}

    Args:
        logits (Tensor): (B, C, h, w), any floating dtype; computed in float32 at least.
        truth (Tensor): (B, h, w) int64, classes 0 to C - 1 or ``ignore_index``.
        class_weights (Tensor | None): (C,) factor on each class.
        ignore_index (int): pixels of this class do not count.
        reduction (str): 'mean' over the pixels that count, weighted by their class weights, with 1/C left to the loss
            weight | 'sum': Eq. 4 as written, with 1/C, summed over the pixels and averaged over the batch.

    Returns:
        Tensor: scalar; 0 where no pixel counts.

    Raises:
        ValueError: shapes or dtype do not fit, or (checked on the CPU, where it costs no wait) a class beyond C - 1.
    """
    _check(logits, truth, ignore_index)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    weights = None if class_weights is None else class_weights.to(logits)
    total = F.cross_entropy(logits, truth, weights, ignore_index=ignore_index, reduction='sum')
    if reduction == 'sum':
        return total / (logits.shape[1] * logits.shape[0])
    counted = truth != ignore_index
    if weights is None:
        return total / counted.sum().clamp(min=1)
    norm = (weights[truth.where(counted, torch.zeros_like(truth))] * counted).sum()
    return total / norm.clamp(min=torch.finfo(norm.dtype).tiny)


def _check(logits, truth, ignore_index):
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
    if truth.dtype != torch.int64:
        raise ValueError(f'ParsingLoss: the class map must be int64, not {truth.dtype}; convert it with .long()')
    if not truth.is_cuda:
        strange = truth[((truth < 0) | (truth >= logits.shape[1])) & (truth != ignore_index)]
        if strange.numel():
            raise ValueError(
                f'ParsingLoss: the class map holds class {strange[0].item()}, the logits have classes '
                f'0 to {logits.shape[1] - 1}; mark pixels to leave out with {ignore_index}'
            )


@LOSS_REGISTRY.register()
class ParsingLoss(nn.Module):
    """Pixel-wise cross-entropy of face parsing (RIM, Eq. 4; see :func:`parsing_loss`).

    Args:
        loss_weight (float): lambda_2 of Eq. 1, with 1/C in it. Default: 1.0.
        class_weights (list[float] | None): one factor >= 0 for each class. Default: None.
        ignore_index (int): class of pixels that do not count. Default: 255.
        reduction (str): 'mean' | 'sum'. Default: 'mean'.

    Raises:
        ValueError: an unknown reduction or a negative class weight; in ``forward``, another number of class weights
            than of classes.
    """

    def __init__(self, loss_weight=1.0, class_weights=None, ignore_index=255, reduction='mean'):
        super().__init__()
        if reduction not in ('mean', 'sum'):
            raise ValueError(f'ParsingLoss: reduction must be mean or sum, not {reduction!r}')
        if class_weights is not None:
            if min(class_weights) < 0:
                raise ValueError(f'ParsingLoss: class_weights must not be negative, not {class_weights}')
            class_weights = torch.tensor(class_weights, dtype=torch.float64)
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self.reduction = reduction
        # not in the checkpoint: an option, not state
        self.register_buffer('class_weights', class_weights, persistent=False)

    def forward(self, logits, truth):
        """
        Args:
            logits (Tensor): (B, C, h, w).
            truth (Tensor): (B, h, w) int64.

        Returns:
            Tensor: scalar.
        """
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            raise ValueError(
                f'ParsingLoss: {len(self.class_weights)} class_weights for {logits.shape[1]} classes; give one for each'
            )
        loss = parsing_loss(logits, truth, self.class_weights, self.ignore_index, self.reduction)
        return self.loss_weight * loss

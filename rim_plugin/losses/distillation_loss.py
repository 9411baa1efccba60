"""Losses of the heterogeneous recognition sub-net: distillation (Eq. 11) and residual distillation (Eq. 12)."""

import torch
from torch import nn
from torch.nn import functional as F

from basicsr.utils.registry import LOSS_REGISTRY

_TARGETS = ('last', 'all', 'embedding')
_DISTANCES = ('l2', 'cosine')
_REDUCTIONS = ('mean', 'sum')


def distillation_loss(student, teacher, distance='l2', reduction='mean'):
    r"""Distance between a feature of the student and the same one of the teacher (RIM, Eq. 11).

    .. math::
        \| f_T - f_S \|_2^2

    Args:
        student (Tensor): (N, ...) block map or embedding, any floating dtype; computed in float32 at least.
        teacher (Tensor): same shape; constant.
        distance (str): 'l2': squared error | 'cosine': 1 - cosine similarity of the flattened features, in [0, 2],
            averaged over the batch.
        reduction (str): of 'l2': 'mean' over all elements | 'sum': Eq. 11 as written, averaged over the batch.

    Returns:
        Tensor: scalar.
    """
    student, teacher = _widened(student, teacher.detach())
    if distance == 'cosine':
        return (1 - F.cosine_similarity(student.flatten(1), teacher.flatten(1))).mean()
    squared = (teacher - student).square()
    return squared.mean() if reduction == 'mean' else squared.sum() / len(squared)


def residual_distillation_loss(assistant, student, teacher, reduction='mean'):
    r"""Squared error of the assistant's estimate of what the student misses (RIM, Eq. 12).

    .. math::
        \sum_{k=1}^{K} \| (f_T^k - f_S^k) - f_A^k \|_2^2

    Args:
        assistant (tuple[Tensor]): the K block maps (N, C_k, h_k, w_k), any floating dtype; computed in float32 at
            least.
        student (tuple[Tensor]): same shapes; constant.
        teacher (tuple[Tensor]): same shapes; constant.
        reduction (str): 'mean' over the elements of each block | 'sum': Eq. 12 as written, averaged over the batch.

    Returns:
        Tensor: scalar.
    """
    total = 0
    for f_a, f_s, f_t in zip(assistant, student, teacher, strict=True):
        f_s, f_t = _widened(f_s, f_t)
        total = total + distillation_loss(f_a, f_t - f_s, reduction=reduction)  # detaches f_t - f_s
    return total


def _widened(*features):
    """In one dtype, float32 or float64: squares and differences of half-precision maps lose too much."""
    dtype = torch.float32
    for feature in features:
        dtype = torch.promote_types(dtype, feature.dtype)
    return [feature.to(dtype) for feature in features]


def _check_choice(loss, option, value, choices):
    if value not in choices:
        raise ValueError(f'{loss}: {option} must be one of {", ".join(choices)}, not {value!r}')


def _check_shapes(loss, place, **features):
    """Anything else than equal shapes would be broadcast in silence."""
    shapes = {name: tuple(feature.shape) for name, feature in features.items()}
    if len(set(shapes.values())) > 1:
        told = ', '.join(f'{name} {shape}' for name, shape in shapes.items())
        raise ValueError(f'{loss}: {place} must have one shape: {told}')


def _check_blocks(loss, **networks):
    counts = {name: len(blocks) for name, blocks in networks.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        told = ', '.join(f'{name} {count}' for name, count in counts.items())
        raise ValueError(f'{loss}: every network must give equally many block maps, one or more: {told}')
    for number, maps in enumerate(zip(*networks.values(), strict=True), 1):
        _check_shapes(loss, f'block {number}', **dict(zip(networks, maps, strict=True)))


@LOSS_REGISTRY.register()
class DistillationLoss(nn.Module):
    """Distance of the student to the teacher (RIM, Eq. 11; see :func:`distillation_loss`). No gradient to the teacher.

    Args:
        loss_weight (float): factor on the result. Default: 1.0.
        target (str): 'last': block K, as Eq. 11 | 'all': the sum over the K blocks | 'embedding'. Default: 'last'.
        distance (str): 'l2' | 'cosine'. Default: 'l2'.
        reduction (str): 'mean' | 'sum', the latter for 'l2' only. Default: 'mean'.

    Raises:
        ValueError: an unknown option, or features that do not fit; the message names the block and the shapes.
    """

    def __init__(self, loss_weight=1.0, target='last', distance='l2', reduction='mean'):
        super().__init__()
        _check_choice('DistillationLoss', 'target', target, _TARGETS)
        _check_choice('DistillationLoss', 'distance', distance, _DISTANCES)
        _check_choice('DistillationLoss', 'reduction', reduction, _REDUCTIONS)
        if distance == 'cosine' and reduction == 'sum':
            raise ValueError('DistillationLoss: reduction sum applies to distance l2 only; leave it out')
        self.loss_weight, self.target = loss_weight, target
        self.distance, self.reduction = distance, reduction

    def forward(self, student, teacher):
        """
        Args:
            student (RecogniserOutput): block maps (N, C_k, h_k, w_k) and embedding (N, D); only what ``target`` names
                is read.
            teacher (RecogniserOutput): of the same shapes; constant.

        Returns:
            Tensor: scalar, float32 or float64.
        """
        if self.target == 'embedding':
            _check_shapes('DistillationLoss', 'embedding', student=student.embedding, teacher=teacher.embedding)
            pairs = [(student.embedding, teacher.embedding)]
        else:
            _check_blocks('DistillationLoss', student=student.blocks, teacher=teacher.blocks)
            pairs = list(zip(student.blocks, teacher.blocks, strict=True))
        if self.target == 'last':
            pairs = pairs[-1:]
        return self.loss_weight * sum(distillation_loss(*pair, self.distance, self.reduction) for pair in pairs)


@LOSS_REGISTRY.register()
class ResidualDistillationLoss(nn.Module):
    """Error of the assistant's block maps (RIM, Eq. 12; see :func:`residual_distillation_loss`).

    The paper optimises theta_A alone by Eq. 12: no gradient to student or teacher.

    Args:
        loss_weight (float): factor on the result. Default: 1.0.
        reduction (str): 'mean' | 'sum'. Default: 'mean'.

    Raises:
        ValueError: an unknown reduction, or maps that do not fit; the message names the block and the shapes.
    """

    def __init__(self, loss_weight=1.0, reduction='mean'):
        super().__init__()
        _check_choice('ResidualDistillationLoss', 'reduction', reduction, _REDUCTIONS)
        self.loss_weight, self.reduction = loss_weight, reduction

    def forward(self, assistant_blocks, student_blocks, teacher_blocks):
        """
        Args:
            assistant_blocks (tuple[Tensor]): the K block maps (N, C_k, h_k, w_k).
            student_blocks (tuple[Tensor]): of the same shapes; constant.
            teacher_blocks (tuple[Tensor]): of the same shapes; constant.

        Returns:
            Tensor: scalar, float32 or float64.
        """
        _check_blocks(
            'ResidualDistillationLoss', assistant=assistant_blocks, student=student_blocks, teacher=teacher_blocks
        )
        return self.loss_weight * residual_distillation_loss(
            assistant_blocks, student_blocks, teacher_blocks, self.reduction
        )

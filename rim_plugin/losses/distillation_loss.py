"""Distillation loss of the heterogeneous recognition sub-net."""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.losses.inputs import Reduction, check_blocks, check_reduction, check_shapes, widened

from basicsr.utils.registry import LOSS_REGISTRY

Target = Literal['last', 'all', 'embedding']
Distance = Literal['l2', 'cosine']


def distillation_loss(student: Tensor, teacher: Tensor, distance: str = 'l2', reduction: str = 'mean') -> Tensor:
    r"""Distance between a feature of the student and the same one of the teacher (RIM, Eq. 11).

    .. math::
        \| f_T - f_S \|_2^2

    Args:
        student: (N, ...) block map or embedding, any floating dtype; computed in float32 at least.
        teacher: same shape; constant.
        distance: ``l2``: squared error | ``cosine``: 1 - cosine similarity of the flattened features, in [0, 2],
            averaged over the batch.
        reduction: of ``l2``: ``mean`` over all elements | ``sum``: Eq. 11 as written, averaged over the batch.

    Returns:
        Scalar.

    Raises:
        ValueError: shapes differ.

    Example:
        >>> teacher = torch.ones(2, 512, 7, 7)
        >>> distillation_loss(3 * teacher, teacher)
        tensor(4.)
        >>> distillation_loss(-teacher, teacher, distance='cosine')
        tensor(2.)
    """
    check_shapes('DistillationLoss', 'features', student=student, teacher=teacher)
    student, teacher = widened(student, teacher.detach())
    if distance == 'cosine':
        return (1 - F.cosine_similarity(student.flatten(1), teacher.flatten(1))).mean()
    squared = (teacher - student).square()
    return squared.mean() if reduction == 'mean' else squared.sum() / len(squared)


@LOSS_REGISTRY.register()
class DistillationLoss(nn.Module):
    """Distance of the student to the teacher (RIM, Eq. 11), see :func:`distillation_loss`. No gradient to the teacher.

    Args:
        loss_weight: factor on the result.
        target: ``last``: block K, as Eq. 11 | ``all``: the sum over the K blocks | ``embedding``.
        distance: ``l2`` | ``cosine``.
        reduction: ``mean`` | ``sum``, the latter for ``l2`` only.

    Raises:
        OptionsError: an unknown ``target``, ``distance`` or ``reduction``; ``sum`` of cosines.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        target: Target = 'last',
        distance: Distance = 'l2',
        reduction: Reduction = 'mean',
    ) -> None:
        super().__init__()
        check_choice('DistillationLoss: target', target, get_args(Target))
        check_choice('DistillationLoss: distance', distance, get_args(Distance))
        check_reduction('DistillationLoss', reduction)
        if distance == 'cosine' and reduction != 'mean':
            raise OptionsError(f'DistillationLoss: reduction of distance cosine must be mean, not {reduction!r}')
        self.loss_weight, self.target, self.distance, self.reduction = loss_weight, target, distance, reduction

    def forward(self, student: RecogniserOutput, teacher: RecogniserOutput) -> Tensor:
        """Distance of block maps or embeddings.

        Args:
            student: block maps (N, C_k, h_k, w_k) and embedding (N, D); only what ``target`` names is read.
            teacher: of the same shapes; constant.

        Returns:
            Scalar, float32 or float64.

        Raises:
            ValueError: features that do not fit; names the block and the shapes.
        """
        if self.target == 'embedding':
            pairs = [(student.embedding, teacher.embedding)]
        else:
            check_blocks('DistillationLoss', student=student.blocks, teacher=teacher.blocks)
            pairs = list(zip(student.blocks, teacher.blocks, strict=True))
        if self.target == 'last':
            pairs = pairs[-1:]
        terms = [distillation_loss(*pair, self.distance, self.reduction) for pair in pairs]
        return self.loss_weight * sum(terms[1:], terms[0])

"""Residual distillation loss of the heterogeneous recognition sub-net."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from rim_plugin.errors import check_choice
from rim_plugin.losses.distillation_loss import distillation_loss
from rim_plugin.losses.inputs import Reduction, check_blocks, check_reduction, widened

from basicsr.utils.registry import LOSS_REGISTRY

Target = Literal['all', 'last']
_LEAST = 1e-12  # error of an assistant that gives zero, below which there is nothing to be relative to


def residual_distillation_loss(
    assistant: Sequence[Tensor],
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    reduction: str = 'mean',
    relative: bool = False,
) -> Tensor:
    r"""Squared error of the assistant's estimate of what the student misses (RIM, Eq. 12).

    .. math::
        \sum_{k=1}^{K} \| (f_T^k - f_S^k) - f_A^k \|_2^2

    Args:
        assistant: the K block maps (N, C_k, h_k, w_k), any floating dtype; computed in float32 at least.
        student: same shapes; constant.
        teacher: same shapes; constant.
        reduction: ``mean`` over the elements of each block | ``sum``: Eq. 12 as written, averaged over the batch.
        relative: each block's error over that of an assistant that gives zero, which is 1 then, whatever the size of
            the block's maps; :math:`\| f_T^k - f_S^k \|_2^2` of the batch is constant.

    Returns:
        Scalar.

    Raises:
        ValueError: maps that do not fit; names the block and the shapes.

    Example:
        >>> teacher = [torch.full((2, 64, 56, 56), 5.0), torch.full((2, 512, 7, 7), 5.0)]
        >>> student, assistant = [block - 3 for block in teacher], [block - 4 for block in teacher]
        >>> residual_distillation_loss(assistant, student, teacher)  # two blocks of ((5 - 2) - 1)^2
        tensor(8.)
    """
    check_blocks('ResidualDistillationLoss', assistant=assistant, student=student, teacher=teacher)
    terms = []
    for f_a, f_s, f_t in zip(assistant, student, teacher, strict=True):
        f_s, f_t = widened(f_s, f_t)
        left = f_t - f_s  # constant: distillation_loss detaches it
        error = distillation_loss(f_a, left, reduction=reduction)
        if relative:
            error = error / distillation_loss(left.new_zeros(left.shape), left, reduction=reduction).clamp_min(_LEAST)
        terms.append(error)
    return sum(terms[1:], terms[0])


@LOSS_REGISTRY.register()
class ResidualDistillationLoss(nn.Module):
    """Error of the assistant's block maps (RIM, Eq. 12), see :func:`residual_distillation_loss`.

    The paper optimises theta_A alone by Eq. 12: no gradient to student or teacher.

    Args:
        loss_weight: factor on the result.
        reduction: ``mean`` | ``sum``.
        target: ``all``: the sum over the K blocks, as Eq. 12 | ``last``: block K, the one that is embedded.
        relative: every block counts alike, see :func:`residual_distillation_loss`.

    Raises:
        OptionsError: an unknown ``reduction`` or ``target``.
    """

    def __init__(
        self, loss_weight: float = 1.0, reduction: Reduction = 'mean', target: Target = 'all', relative: bool = False
    ) -> None:
        super().__init__()
        check_reduction('ResidualDistillationLoss', reduction)
        check_choice('ResidualDistillationLoss: target', target, get_args(Target))
        self.loss_weight, self.reduction, self.target, self.relative = loss_weight, reduction, target, relative

    def forward(self, assistant: Sequence[Tensor], student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Scalar, float32 or float64, of the K block maps (N, C_k, h_k, w_k) of each; student and teacher constant."""
        if self.target == 'last':
            assistant, student, teacher = assistant[-1:], student[-1:], teacher[-1:]
        return self.loss_weight * residual_distillation_loss(assistant, student, teacher, self.reduction, self.relative)

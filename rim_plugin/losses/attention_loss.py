"""Distillation of where the teacher looks: likeness of attention maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.inputs import check_blocks, widened

from basicsr.utils.registry import LOSS_REGISTRY


def attention_similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    r"""How unlike two block maps are in which places and which channels are strong.

    .. math::
        1 - \tfrac12 (\cos(a_S, a_T) + \cos(c_S, c_T)), \quad
        a = \operatorname{mean}_{channels} f^2, \quad c = \operatorname{mean}_{places} f^2

    The cosines of spatial and channel attention are those of Shin et al., *Teaching Where to Look* (ECCV 2022, Eq. 4),
    whose maps come from CBAM modules within both networks; a network without has the attention of Zagoruyko and
    Komodakis (ICLR 2017), the mean of squares.

    Args:
        student: (N, C, h, w), any floating dtype; computed in float32 at least.
        teacher: of the same shape; constant.

    Returns:
        Scalar, 0 to 1; of a map that is zero everywhere the cosine is 0.

    Example:
        >>> maps = torch.eye(2).reshape(1, 1, 2, 2)
        >>> attention_similarity_loss(3 * maps, maps)
        tensor(0.)
        >>> attention_similarity_loss(maps.flip(2), maps)  # elsewhere, in the same channel
        tensor(0.5000)
    """
    student, teacher = widened(student, teacher.detach())
    seen, wanted = student.square(), teacher.square()
    places = F.cosine_similarity(seen.mean(1).flatten(1), wanted.mean(1).flatten(1))
    channels = F.cosine_similarity(seen.mean((2, 3)), wanted.mean((2, 3)))
    return (1 - (places + channels) / 2).mean()


@LOSS_REGISTRY.register()
class AttentionSimilarityLoss(nn.Module):
    """Mean over the blocks of :func:`attention_similarity_loss`; a ``distill_opt``. No gradient to the teacher.

    (Likeness of the features themselves: ``DistillationLoss`` with ``target: all`` and ``distance: cosine``.)

    Args:
        loss_weight: factor on the result.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: RecogniserOutput, teacher: RecogniserOutput) -> Tensor:
        """Unlikeness of block maps.

        Args:
            student: block maps (N, C_k, h_k, w_k); nothing else is read.
            teacher: of the same shapes; constant.

        Returns:
            Scalar, float32 or float64, 0 to ``loss_weight``.

        Raises:
            ValueError: block maps that do not fit; names the block and the shapes.
        """
        check_blocks('AttentionSimilarityLoss', student=student.blocks, teacher=teacher.blocks)
        pairs = zip(student.blocks, teacher.blocks, strict=True)
        return self.loss_weight * torch.stack([attention_similarity_loss(*pair) for pair in pairs]).mean()

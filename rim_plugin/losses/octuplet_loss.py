"""Triplets of faces of both resolutions: the octuplet loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.distributed import all_ranks, gather_over_ranks
from rim_plugin.losses.inputs import check_shapes, full_precision, widened
from rim_plugin.options.kinds import NotNegative

from basicsr.utils.registry import LOSS_REGISTRY


def batch_hard_triplet_loss(
    anchors: Tensor, others: Tensor, labels: Tensor, margin: float, exclude_self: bool = True
) -> Tensor:
    r"""Triplet loss with the farthest positive and the nearest negative of the batch (Hermans et al., 2017, Eq. 5).

    .. math::
        \max(0, m + \max_{p} d(a, p) - \min_{n} d(a, n)), \quad d = 1 - \cos

    Args:
        anchors: (N, D).
        others: (N, D), among which positives and negatives are looked for, in the order of ``anchors``.
        labels: (N,) int64 identities; below 0 where unknown: left out, as anchors and as others.
        margin: m.
        exclude_self: whether a face is no positive of its own; else it is, in its other resolution.

    Returns:
        Scalar, averaged over the anchors that have a positive and a negative; zero without any.

    Example:
        >>> faces = torch.eye(2).repeat(2, 1)  # of two persons by turns
        >>> batch_hard_triplet_loss(faces, faces, torch.tensor([0, 1, 0, 1]), margin=1.5)  # 1.5 + 0 - 1
        tensor(0.5000)
    """
    distances = 1 - F.normalize(anchors) @ F.normalize(others).T
    known = (labels >= 0)[:, None] & (labels >= 0)
    same = labels[:, None] == labels
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device) & exclude_self
    positive, negative = known & same & ~own, known & ~same
    farthest = distances.masked_fill(~positive, -torch.inf).amax(1)
    nearest = distances.masked_fill(~negative, torch.inf).amin(1)
    complete = positive.any(1) & negative.any(1)
    terms = torch.where(complete, margin + farthest - nearest, 0).clamp(min=0)
    return terms.sum() / complete.sum().clamp(min=1)


@LOSS_REGISTRY.register()
class OctupletLoss(nn.Module):
    """Sum of four triplet losses, of faces at full (H) and at low resolution (L), an ``octuplet_opt``.

    Anchor and others are H, H; H, L; L, H; and L, L (Knoche et al., *Octuplet Loss*, FG 2023, Eq. 3), each
    :func:`batch_hard_triplet_loss`. H are the teacher's embeddings of the HR faces, which are constant: the term H, H,
    which tells nothing then, is left out. Batches need several faces of a person, or the face itself in its other
    resolution is the only positive.

    Args:
        margin: m.
        loss_weight: factor on the result.
    """

    def __init__(self, margin: NotNegative = 0.25, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin, self.loss_weight = margin, loss_weight

    def forward(self, student: RecogniserOutput, teacher: RecogniserOutput, identities: Tensor) -> Tensor:
        """Triplets over the faces of all ranks.

        Args:
            student: embedding (N, D) of probes; nothing else is read.
            teacher: embedding (N, D) of the HR faces; constant.
            identities: (N,) int64; below 0 where unknown: left out.

        Returns:
            Scalar, float32 or float64; zero where no face has a positive and a negative.

        Raises:
            ValueError: shapes that do not fit.
        """
        check_shapes('OctupletLoss', 'embedding', student=student.embedding, teacher=teacher.embedding)
        if identities.shape != student.embedding.shape[:1]:
            raise ValueError(
                f'OctupletLoss: identities must be (N,), not {tuple(identities.shape)}, of embeddings '
                f'{tuple(student.embedding.shape)}'
            )
        low, high = widened(student.embedding, teacher.embedding.detach())
        low, high, labels = gather_over_ranks(low), all_ranks(high), all_ranks(identities)
        with full_precision(low):
            terms = [
                batch_hard_triplet_loss(high, low, labels, self.margin, exclude_self=False),
                batch_hard_triplet_loss(low, high, labels, self.margin, exclude_self=False),
                batch_hard_triplet_loss(low, low, labels, self.margin),
            ]
        return self.loss_weight * torch.stack(terms).sum()

"""Loss on identity labels whose margin follows the quality of the face: AdaFace."""

import math
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional as F

from rim_plugin.losses.arcface_loss import ArcFaceLoss
from rim_plugin.options.kinds import Count, Positive, Rate

from basicsr.utils.registry import LOSS_REGISTRY

_NORMS = (1e-3, 100.0)  # to which lengths are clipped, as in the authors' code
_EPSILON = 1e-3


def adaface_loss(
    embeddings: Tensor, weight: Tensor, labels: Tensor, quality: Tensor, margin: float = 0.4, scale: float = 64.0
) -> Tensor:
    r"""Margin that adapts to the quality of a face (Kim et al., *AdaFace*, CVPR 2022, Eqs. 8 to 11).

    .. math::
        f = s (\cos(\theta_y + g_{angle}) - g_{add}), \quad g_{angle} = -m q, \quad g_{add} = m q + m

    in the place of s cos(theta_y) in a softmax over the persons. With quality q = 1 the margin is CosFace's of 2 m and
    an angle less, at 0 CosFace's of m, at -1 ArcFace's of m: unclear faces pull less on those that are hard.

    Args:
        embeddings: (N, D), of any length.
        weight: (persons, D), one vector a person, of any length.
        labels: (N,) int64, below ``persons``; below 0 where unknown: left out.
        quality: (N,), -1 to 1; constant.
        margin: m, 0 to pi / 2.
        scale: s, above 0.

    Returns:
        Scalar, averaged over the known faces; zero without any.

    Example:
        >>> persons = torch.eye(3)
        >>> adaface_loss(persons, persons, torch.arange(3), torch.zeros(3), margin=0.0, scale=1.0)
        tensor(0.5519)
    """
    cosines = (F.normalize(embeddings) @ F.normalize(weight).T).clamp(-1 + _EPSILON, 1 - _EPSILON)
    known = labels >= 0
    columns = labels.clamp(min=0)[:, None]
    angle = cosines.gather(1, columns).acos() - margin * quality[:, None]
    own = angle.clamp(_EPSILON, math.pi - _EPSILON).cos() - margin * (quality[:, None] + 1)
    logits = scale * cosines.scatter(1, columns, own)
    total = F.cross_entropy(logits, labels.where(known, -1), ignore_index=-1, reduction='sum')
    return total / known.sum().clamp(min=1)


@LOSS_REGISTRY.register()
class AdaFaceLoss(ArcFaceLoss):
    """Quality-adaptive margin on faces of known identity, see :func:`adaface_loss`; an ``identity_opt``.

    Quality is the length of the embedding, by how many deviations it is from the mean of the faces seen lately. The
    weights, one vector a person, learn with the student.

    Args:
        num_classes: persons.
        embedding_size: D.
        margin: m, 0 to pi / 2.
        concentration: h; lengths within 1 / h deviations of the mean are told apart.
        momentum: share of the batch in the mean and deviation of the lengths.
        scale: s, above 0.
        loss_weight: factor on the result.
    """

    length_mean: Tensor
    length_deviation: Tensor

    def __init__(
        self,
        num_classes: Count,
        embedding_size: Count,
        margin: Annotated[float, Meta(ge=0, le=math.pi / 2)] = 0.4,
        concentration: Positive = 0.333,
        momentum: Rate = 0.01,
        scale: Positive = 64.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(num_classes, embedding_size, margin, scale, loss_weight)
        self.concentration, self.momentum = concentration, momentum
        self.register_buffer('length_mean', torch.tensor(20.0))  # as in the authors' code
        self.register_buffer('length_deviation', torch.tensor(100.0))

    def classification(self, embeddings: Tensor, weight: Tensor, identities: Tensor) -> Tensor:
        """See :class:`ArcFaceLoss`."""
        return adaface_loss(embeddings, weight, identities, self._quality(embeddings), self.margin, self.scale)

    @torch.no_grad()
    def _quality(self, embeddings: Tensor) -> Tensor:
        """(N,) in [-1, 1], of lengths against the running mean and deviation, which take in the batch first."""
        lengths = torch.linalg.vector_norm(embeddings, dim=1).clamp(*_NORMS)
        if self.training and len(lengths) > 1:
            self.length_mean.lerp_(lengths.mean().to(self.length_mean), self.momentum)
            self.length_deviation.lerp_(lengths.std().to(self.length_deviation), self.momentum)
        deviations = (lengths - self.length_mean) / (self.length_deviation + _EPSILON)
        return (self.concentration * deviations).clamp(-1, 1)

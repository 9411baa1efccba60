"""Loss on identity labels: ArcFace's additive angular margin."""

import math
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.distributed import all_ranks, gather_over_ranks
from rim_plugin.losses.inputs import full_precision, readable, widened
from rim_plugin.options.kinds import Count, Positive

from basicsr.utils.registry import LOSS_REGISTRY


def arcface_loss(
    embeddings: Tensor, weight: Tensor, labels: Tensor, margin: float = 0.5, scale: float = 64.0
) -> Tensor:
    r"""Additive angular margin (Deng et al., *ArcFace*, CVPR 2019, Eq. 3).

    .. math::
        -\log \frac{\exp(s \cos(\theta_y + m))}{\exp(s \cos(\theta_y + m)) + \sum_{j \ne y} \exp(s \cos \theta_j)}

    with theta_j the angle between embedding and weight vector j. Where theta_y + m exceeds pi, cos would rise again:
    there cos(theta_y) - m sin(m) takes its place, as in the authors' code.

    Args:
        embeddings: (N, D), of any length.
        weight: (persons, D), one vector a person, of any length.
        labels: (N, ) int64, below ``persons``; below 0 where unknown: left out.
        margin: m in radians, 0 to pi / 2; 0 is a softmax over cosines.
        scale: s, above 0.

    Returns:
        Scalar, averaged over the known faces; zero without any.

    Example:
        >>> persons = torch.eye(3)
        >>> arcface_loss(persons, persons, torch.arange(3), margin=0.0, scale=1.0)  # log(1 + 2 / e)
        tensor(0.5514)
    """
    cosines = F.normalize(embeddings) @ F.normalize(weight).T
    known = labels >= 0
    columns = labels.clamp(min=0)[:, None]
    own = cosines.gather(1, columns)
    sines = (1 - own.square()).clamp(min=1e-12).sqrt()  # the root's slope is infinite at 0
    with_margin = own * math.cos(margin) - sines * math.sin(margin)
    beyond = own < math.cos(math.pi - margin)
    with_margin = torch.where(beyond, own - margin * math.sin(margin), with_margin)
    logits = scale * cosines.scatter(1, columns, with_margin)
    total = F.cross_entropy(logits, labels.where(known, -1), ignore_index=-1, reduction='sum')
    return total / known.sum().clamp(min=1)  # no face is picked out: a GPU would be waited for


@LOSS_REGISTRY.register()
class ArcFaceLoss(nn.Module):
    """Additive angular margin on faces of known identity, see :func:`arcface_loss`.

    Its weights, one vector a person, learn with the student.

    Args:
        num_classes: persons.
        embedding_size: D.
        margin: m in radians, 0 to pi / 2.
        scale: s, above 0.
        loss_weight: factor on the result.
    """

    def __init__(
        self,
        num_classes: Count,
        embedding_size: Count,
        margin: Annotated[float, Meta(ge=0, le=math.pi / 2)] = 0.5,
        scale: Positive = 64.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_classes, self.margin, self.scale, self.loss_weight = num_classes, margin, scale, loss_weight
        start = torch.Generator().manual_seed(0)  # the same on every rank
        self.weight = nn.Parameter(torch.randn(num_classes, embedding_size, generator=start) * 0.01)

    def forward(self, student: RecogniserOutput, identities: Tensor) -> Tensor:
        """Classification of the faces of all ranks whose identity is known.

        Args:
            student: embedding (N, D); nothing else is read.
            identities: (N, ) int64, below ``num_classes``; below 0 where unknown: left out.

        Returns:
            Scalar, float32 or float64; zero where no identity is known.

        Raises:
            ValueError: shapes that do not fit, or an identity beyond ``num_classes``.
        """
        embeddings = student.embedding
        check_identities(type(self).__name__, embeddings, identities, self.num_classes)
        (embeddings,) = widened(embeddings)
        embeddings, identities = gather_over_ranks(embeddings), all_ranks(identities)
        weight = self.weight.to(embeddings.dtype)
        with full_precision(embeddings):
            loss = self.classification(embeddings, weight, identities)
        return self.loss_weight * loss

    def classification(self, embeddings: Tensor, weight: Tensor, identities: Tensor) -> Tensor:
        """The loss, a scalar, of embeddings (N, D), weights (C, D) and identities (N, ) of all ranks."""
        return arcface_loss(embeddings, weight, identities, self.margin, self.scale)


def check_identities(loss: str, embeddings: Tensor, identities: Tensor, num_classes: int) -> None:
    """Check what a loss on labels is given; ValueError, in its name, where shapes or an identity do not fit."""
    if embeddings.ndim != 2 or identities.shape != embeddings.shape[:1]:
        raise ValueError(
            f'{loss}: embedding must be (N, D) and identities (N, ), not {tuple(embeddings.shape)} and '
            f'{tuple(identities.shape)}'
        )
    if identities.numel() and readable(identities) and identities.max() >= num_classes:
        raise ValueError(
            f'{loss}: there is an identity {identities.max().item()}, but num_classes is {num_classes}; '
            'set it to the number of persons in the training data'
        )

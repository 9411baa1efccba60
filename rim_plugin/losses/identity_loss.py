"""Losses on identity labels: softmax, and ArcFace's additive angular margin."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from rim_plugin.losses.distributed import all_ranks, gather_over_ranks

from basicsr.utils.registry import LOSS_REGISTRY


def labelled_embeddings(name, recogniser_output, identities, num_classes):
    """Embeddings (M, D) in float32 or float64 and labels (M, ) of the faces whose identity is known, of all ranks.

    Args:
        name (str): of the loss, for messages.
        recogniser_output (RecogniserOutput): its embedding (N, D) is read.
        identities (Tensor): (N, ) int64, below 0 where it is not known.
        num_classes (int): how many identities there are.

    Raises:
        ValueError: shapes that do not fit, or an identity that is not below ``num_classes``.
    """
    embeddings = recogniser_output.embedding
    if embeddings.ndim != 2 or identities.shape != embeddings.shape[:1]:
        raise ValueError(
            f'{name}: embedding must be (N, D) and identities (N, ), not {tuple(embeddings.shape)} and '
            f'{tuple(identities.shape)}'
        )
    if identities.numel() and identities.max() >= num_classes:
        raise ValueError(
            f'{name}: there is an identity {identities.max().item()}, but num_classes is {num_classes}; '
            'set it to the number of persons in the training data'
        )
    embeddings = gather_over_ranks(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))
    identities = all_ranks(identities)
    return embeddings[identities >= 0], identities[identities >= 0]


class _ClassifierLoss(nn.Module):
    """Cross-entropy over classes with a weight vector each, (num_classes, D), which the model's optimizer trains."""

    def __init__(self, num_classes, embedding_size, loss_weight):
        super().__init__()
        for option, value in (('num_classes', num_classes), ('embedding_size', embedding_size)):
            if type(value) is not int or value < 1:
                raise ValueError(f'{type(self).__name__}: {option} must be a whole number above 0, not {value!r}')
        self.num_classes, self.loss_weight = num_classes, loss_weight
        start = torch.Generator().manual_seed(0)  # the same on every rank
        self.weight = nn.Parameter(torch.randn(num_classes, embedding_size, generator=start) * 0.01)

    def forward(self, student, identities):
        """
        Args:
            student (RecogniserOutput): embedding (N, D).
            identities (Tensor): (N, ) int64, below ``num_classes``; below 0 where unknown: left out.

        Returns:
            Tensor: scalar, float32 or float64; zero where no identity is known.
        """
        embeddings, labels = labelled_embeddings(type(self).__name__, student, identities, self.num_classes)
        logits = self.logits(embeddings, self.weight.to(embeddings.dtype), labels)
        return self.loss_weight * F.cross_entropy(logits, labels, reduction='sum') / max(len(labels), 1)


@LOSS_REGISTRY.register()
class SoftmaxLoss(_ClassifierLoss):
    r"""Classification of persons by a linear layer without bias and softmax.

    .. math::
        -\log \frac{\exp(w_y \cdot x)}{\sum_j \exp(w_j \cdot x)}

    Args:
        num_classes (int): persons. embedding_size (int): D.
        loss_weight (float): factor on the result. Default: 1.0.

    Raises:
        ValueError: an option out of its range, shapes that do not fit, or an identity beyond ``num_classes``.
    """

    def __init__(self, num_classes, embedding_size, loss_weight=1.0):
        super().__init__(num_classes, embedding_size, loss_weight)

    @staticmethod
    def logits(embeddings, weight, labels):
        return embeddings @ weight.T


@LOSS_REGISTRY.register()
class ArcFaceLoss(_ClassifierLoss):
    r"""Additive angular margin (Deng et al., *ArcFace*, CVPR 2019, Eq. 3).

    .. math::
        -\log \frac{\exp(s \cos(\theta_y + m))}{\exp(s \cos(\theta_y + m)) + \sum_{j \ne y} \exp(s \cos \theta_j)}

    with theta_j the angle between embedding and weight vector j. Where theta_y + m exceeds pi, cos would rise again:
    there cos(theta_y) - m sin(m) takes its place, as in the authors' code.

    Args:
        num_classes (int): persons. embedding_size (int): D.
        margin (float): m in radians, 0 to pi / 2. Default: 0.5.
        scale (float): s, above 0. Default: 64.
        loss_weight (float): factor on the result. Default: 1.0.

    Raises:
        ValueError: an option out of its range, shapes that do not fit, or an identity beyond ``num_classes``.
    """

    def __init__(self, num_classes, embedding_size, margin=0.5, scale=64.0, loss_weight=1.0):
        super().__init__(num_classes, embedding_size, loss_weight)
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(f'ArcFaceLoss: margin is an angle of 0 to pi / 2, not {margin}')
        if scale <= 0:
            raise ValueError(f'ArcFaceLoss: scale must be above 0, not {scale}')
        self.margin, self.scale = margin, scale

    def logits(self, embeddings, weight, labels):
        cosines = F.normalize(embeddings) @ F.normalize(weight).T
        own = cosines.gather(1, labels[:, None])
        sines = (1 - own.square()).clamp(min=1e-12).sqrt()  # the root's slope is infinite at 0
        with_margin = own * math.cos(self.margin) - sines * math.sin(self.margin)
        beyond = own < math.cos(math.pi - self.margin)
        with_margin = torch.where(beyond, own - self.margin * math.sin(self.margin), with_margin)
        return self.scale * cosines.scatter(1, labels[:, None], with_margin)

"""Center loss: embeddings of a person near their common centre."""

import torch
from torch import nn

from rim_plugin.losses.identity_loss import labelled_embeddings

from basicsr.utils.registry import LOSS_REGISTRY


@LOSS_REGISTRY.register()
class CenterLoss(nn.Module):
    r"""Distance of embeddings to the centre of their person (Wen et al., ECCV 2016, Eq. 2), averaged over the faces.

    .. math::
        \frac{1}{2} \| x_i - c_{y_i} \|_2^2

    Each step moves the centres of the persons in the batch towards their embeddings (Eq. 4 of that paper):
    :math:`c_j \leftarrow c_j - \alpha \frac{\sum_{i: y_i = j} (c_j - x_i)}{1 + |\{i: y_i = j\}|}`. To be used beside a
    SoftmaxLoss, which keeps persons apart.

    Args:
        num_classes (int): persons. embedding_size (int): D.
        alpha (float): alpha of Eq. 4, 0 to 1. Default: 0.5.
        loss_weight (float): factor on the result, lambda of Eq. 5. Default: 0.003, as there.

    Raises:
        ValueError: an option out of its range, shapes that do not fit, or an identity beyond ``num_classes``.
    """

    def __init__(self, num_classes, embedding_size, alpha=0.5, loss_weight=0.003):
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f'CenterLoss: alpha must be 0 to 1, not {alpha}')
        self.num_classes, self.alpha, self.loss_weight = num_classes, alpha, loss_weight
        self.register_buffer('centers', torch.zeros(num_classes, embedding_size))

    def forward(self, student, identities):
        """
        Args:
            student (RecogniserOutput): embedding (N, D).
            identities (Tensor): (N, ) int64, below ``num_classes``; below 0 where unknown: left out.

        Returns:
            Tensor: scalar, float32 or float64; zero where no identity is known.
        """
        embeddings, labels = labelled_embeddings('CenterLoss', student, identities, self.num_classes)
        away = embeddings - self.centers[labels]
        if self.training and torch.is_grad_enabled():
            self._move(away.detach().to(self.centers.dtype), labels)
        return self.loss_weight * 0.5 * away.square().sum() / max(len(labels), 1)

    @torch.no_grad()
    def _move(self, away, labels):
        counts = torch.bincount(labels, minlength=self.num_classes)[:, None]
        sums = torch.zeros_like(self.centers).index_add_(0, labels, away)
        self.centers = self.centers + self.alpha * sums / (1 + counts)

"""Identity of SR faces: their embeddings next to those of the HR faces."""

import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.losses.inputs import check_shapes, widened

from basicsr.utils.registry import LOSS_REGISTRY


def cosine_identity_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """One less the cosine of a recogniser's embeddings of SR and HR face (SICNN; Zhang et al., 2018), over the faces.

    Args:
        sr: (N, D), any length but zero.
        hr: (N, D).

    Returns:
        Scalar, 0 to 2.

    Example:
        >>> cosine_identity_loss(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor(0.5000)
    """
    return (1 - F.cosine_similarity(sr, hr)).mean()


@LOSS_REGISTRY.register()
class CosineIdentityLoss(nn.Module):
    """How far SR faces are from their identity, see :func:`cosine_identity_loss`.

    Args:
        loss_weight: factor on the result.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The loss of embeddings, any floating dtype; computed in float32 at least.

        Args:
            sr: of SR faces, (N, D).
            hr: of HR faces, (N, D).

        Returns:
            Scalar, float32 or float64.

        Raises:
            ValueError: embeddings of different shapes.
        """
        check_shapes('CosineIdentityLoss', 'embeddings', sr=sr, hr=hr)
        sr, hr = widened(sr, hr)
        return self.loss_weight * cosine_identity_loss(sr, hr)

"""Domain loss of the face hallucination sub-net: multi-kernel maximum mean discrepancy."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.losses.distributed import gather_over_ranks
from rim_plugin.losses.inputs import full_precision, widened
from rim_plugin.options.kinds import Positive

from basicsr.utils.registry import LOSS_REGISTRY

MULTIPLIERS = (1 / 4, 1 / 2, 1, 2, 4)
Statistic = Literal['median', 'mean']
MIN_BANDWIDTH = 1e-12  # where every pair coincides the median of d^2 is 0, and 0 / 0 is NaN


def mkmmd(source: Tensor, target: Tensor, bandwidths: Tensor, kernel_weights: Tensor) -> Tensor:
    r"""Squared MK-MMD between two sets of embeddings for given bandwidths (RIM, Eqs. 7 to 9), the biased estimate.

    .. math::
        \frac{1}{N_1^2}\sum_{n,n'} k(s_n, s_{n'}) - \frac{2}{N_1 N_2}\sum_{n,m} k(s_n, t_m)
        + \frac{1}{N_2^2}\sum_{m,m'} k(t_m, t_{m'})

        k = \sum_u \beta_u k_u,\quad k_u(x, y) = \exp\left(-\frac{|x - y|^2}{2 \sigma_u}\right)

    It is >= 0 up to rounding, and exactly 0 on identical sets.

    Args:
        source: (N1, D), float32 or float64.
        target: (N2, D), same dtype.
        bandwidths: (U,) the sigma_u, variances as Eq. 9 writes them, > 0.
        kernel_weights: (U,) the beta_u.

    Returns:
        Scalar.

    Example:
        >>> one = torch.ones(1)
        >>> mkmmd(torch.tensor([[0.0]]), torch.tensor([[2.0]]), one, one)  # 2 - 2 exp(-2)
        tensor(1.7293)
    """

    def kernel(squared_distances: Tensor) -> Tensor:
        exponents = -squared_distances.unsqueeze(-1) / (2 * bandwidths)
        return exponents.exp() @ kernel_weights

    within_source = kernel(_squared_distances(source, source))
    within_target = kernel(_squared_distances(target, target))
    between = kernel(_squared_distances(source, target)).mean()
    return within_source.mean() + within_target.mean() - 2 * between


def pooled_bandwidth(source: Tensor, target: Tensor, statistic: str = 'median') -> Tensor:
    """Median or mean of d^2 over all pairs of two different samples of the pooled set, no gradient.

    Pairs within the source, within the target and between them count alike; a sample's zero distance to itself does
    not count. The median of an even number of pairs is the lower of the two middle ones.

    Args:
        source: (N1, D), N1 >= 1.
        target: (N2, D), N2 >= 1.
        statistic: ``median`` | ``mean``.

    Returns:
        Scalar, at least 1e-12.

    Example:
        >>> pooled_bandwidth(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))  # of 1, 4 and 9
        tensor(4.)
    """
    squared_distances = F.pdist(torch.cat([source, target]).detach()).square()
    value = squared_distances.median() if statistic == 'median' else squared_distances.mean()
    return value.clamp(min=MIN_BANDWIDTH)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by the Gram matrix: |a|^2 + |b|^2 - 2ab leaves rounding noise, even below 0, where samples nearly coincide.
    return torch.cdist(a, b, compute_mode='donot_use_mm_for_euclid_dist').square()


@LOSS_REGISTRY.register()
class MKMMDLoss(nn.Module):
    """Multi-kernel maximum mean discrepancy between two domains (RIM, Eqs. 7 to 9), see :func:`mkmmd`.

    In RIM the domain discriminator's embeddings of coarse and of real HR faces: theta_G minimises it (Eq. 1), theta_d
    minimises its negative (Eq. 6). With several ranks it is the loss of the global batch, to which every rank brings
    equally many samples; after DDP's averaging the gradient equals that of one process. With bandwidths taken from the
    batch and one sample a domain the value does not depend on their distance; only the gradient does.

    Args:
        loss_weight: factor on the result.
        bandwidth: ``median`` or ``mean`` of d^2 (see :func:`pooled_bandwidth`), detached, times ``multipliers``; or the
            sigma_u themselves, variances.
        multipliers: 1/4, 1/2, 1, 2 and 4 by default. Not to be given with fixed sigma_u.
        kernel_weights: beta_u, positive, sum 1. None: 1 / U each.

    Raises:
        OptionsError: options that do not go together.
    """

    scales: Tensor
    kernel_weights: Tensor

    def __init__(
        self,
        loss_weight: float = 1.0,
        bandwidth: Statistic | Positive | Sequence[Positive] = 'median',
        multipliers: Sequence[Positive] | None = None,
        kernel_weights: Sequence[Positive] | None = None,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.statistic = bandwidth if isinstance(bandwidth, str) else None
        if self.statistic is None and multipliers is not None:
            raise OptionsError('MKMMDLoss: multipliers apply to bandwidth median or mean only: leave them out')
        if isinstance(bandwidth, str):
            check_choice('bandwidth', bandwidth, get_args(Statistic))
            scales = list(MULTIPLIERS if multipliers is None else multipliers)
        else:
            scales = [bandwidth] if isinstance(bandwidth, (int, float)) else list(bandwidth)
        weights = [1 / len(scales) for _ in scales] if kernel_weights is None else list(kernel_weights)
        if not scales or not all(0 < value < math.inf for value in (*scales, *weights)):
            raise OptionsError('MKMMDLoss: bandwidth, multipliers and kernel_weights must be positive, one at least')
        if len(weights) != len(scales) or abs(sum(weights) - 1) > 1e-6:
            raise OptionsError(f'MKMMDLoss: kernel_weights must be {len(scales)} numbers of sum 1, not {weights}')
        # not in the checkpoint: options, not state
        self.register_buffer('scales', torch.tensor(scales, dtype=torch.float64), persistent=False)
        self.register_buffer('kernel_weights', torch.tensor(weights, dtype=torch.float64), persistent=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Discrepancy of two domains, in float32 (float64 if given), also under autocast.

        Args:
            source: (N1, D) embeddings of one domain, any floating dtype.
            target: (N2, D) embeddings of the other.

        Returns:
            Scalar, float32 or float64.

        Raises:
            ValueError: sets of samples that are empty or whose shapes do not fit.
        """
        self._check(source, target)
        with full_precision(source):
            source, target = (gather_over_ranks(embeddings) for embeddings in widened(source, target))
            bandwidths = self.scales.to(source)
            if self.statistic:
                bandwidths = bandwidths * pooled_bandwidth(source, target, self.statistic)
            return self.loss_weight * mkmmd(source, target, bandwidths, self.kernel_weights.to(source))

    @staticmethod
    def _check(source: Tensor, target: Tensor) -> None:
        if source.dim() != 2 or target.dim() != 2 or source.shape[1] != target.shape[1]:
            raise ValueError(
                'MKMMDLoss: source and target must be (N1, D) and (N2, D), '
                f'not {tuple(source.shape)} and {tuple(target.shape)}'
            )
        if not (len(source) and len(target)):
            raise ValueError(f'MKMMDLoss: needs at least 1 sample a domain, not {len(source)} and {len(target)}')

"""Domain loss of the face hallucination sub-net: multi-kernel maximum mean discrepancy."""

import torch
from torch import nn
from torch.nn import functional as F

from rim_plugin.losses.distributed import gather_over_ranks

from basicsr.utils.registry import LOSS_REGISTRY

_ESTIMATORS = ('biased', 'unbiased', 'linear')
_MULTIPLIERS = [1 / 4, 1 / 2, 1, 2, 4]
_MIN_BANDWIDTH = 1e-12  # where every pair coincides the median of d^2 is 0, and 0 / 0 is NaN


def mkmmd(source, target, bandwidths, kernel_weights, estimator='biased'):
    r"""Squared MK-MMD between two sets of embeddings for given bandwidths (RIM, Eqs. 7 to 9).

    .. math::
        \text{biased (Eq. 8):}\quad \frac{1}{N_1^2}\sum_{n,n'} k(s_n, s_{n'})
        - \frac{2}{N_1 N_2}\sum_{n,m} k(s_n, t_m) + \frac{1}{N_2^2}\sum_{m,m'} k(t_m, t_{m'})

        k = \sum_u \beta_u k_u,\quad k_u(x, y) = \exp\left(-\frac{|x - y|^2}{2 \sigma_u}\right)

    ``unbiased`` leaves the pairs n = n' and m = m' out (Gretton et al., A Kernel Two-Sample Test, 2012, Eq. 3);
    ``linear`` averages k(s1, s2) + k(t1, t2) - k(s1, t2) - k(s2, t1) over neighbouring pairs (ibid., Lemma 14), an odd
    last sample left out. Both can be negative. ``biased`` is >= 0 up to rounding, and exactly 0 on identical sets.

    Args:
        source (Tensor): (N1, D), float32 or float64.
        target (Tensor): (N2, D), same dtype.
        bandwidths (Tensor): (U,) the sigma_u, variances as Eq. 9 writes them, > 0.
        kernel_weights (Tensor): (U,) the beta_u.
        estimator (str): 'biased' | 'unbiased' | 'linear'.

    Returns:
        Tensor: scalar.
    """

    def kernel(squared_distances):
        exponents = -squared_distances.unsqueeze(-1) / (2 * bandwidths)
        return exponents.exp() @ kernel_weights

    if estimator == 'linear':
        count = len(source) // 2 * 2
        s1, s2, t1, t2 = source[0:count:2], source[1:count:2], target[0:count:2], target[1:count:2]
        return sum(
            sign * kernel((a - b).square().sum(1)).mean()
            for sign, a, b in ((1, s1, s2), (1, t1, t2), (-1, s1, t2), (-1, s2, t1))
        )
    within_source = kernel(_squared_distances(source, source))
    within_target = kernel(_squared_distances(target, target))
    between = kernel(_squared_distances(source, target)).mean()
    if estimator == 'unbiased':
        return _off_diagonal_mean(within_source) + _off_diagonal_mean(within_target) - 2 * between
    return within_source.mean() + within_target.mean() - 2 * between


def pooled_bandwidth(source, target, statistic='median'):
    """Median or mean of d^2 over all pairs of two different samples of the pooled set, no gradient.

    Pairs within the source, within the target and between them count alike; a sample's zero distance to itself does
    not count. The median of an even number of pairs is the lower of the two middle ones.

    Args:
        source (Tensor): (N1, D), N1 >= 1.
        target (Tensor): (N2, D), N2 >= 1.
        statistic (str): 'median' | 'mean'.

    Returns:
        Tensor: scalar, at least 1e-12.
    """
    squared_distances = F.pdist(torch.cat([source, target]).detach()).square()
    value = squared_distances.median() if statistic == 'median' else squared_distances.mean()
    return value.clamp(min=_MIN_BANDWIDTH)


def _squared_distances(a, b):
    # Not by the Gram matrix: |a|^2 + |b|^2 - 2ab leaves rounding noise, even below 0, where samples nearly coincide.
    return torch.cdist(a, b, compute_mode='donot_use_mm_for_euclid_dist').square()


def _off_diagonal_mean(matrix):
    count = len(matrix)
    return (matrix.sum() - matrix.diagonal().sum()) / (count * (count - 1))


@LOSS_REGISTRY.register()
class MKMMDLoss(nn.Module):
    """Multi-kernel maximum mean discrepancy between two domains (RIM, Eqs. 7 to 9; see :func:`mkmmd`).

    In RIM the domain discriminator's embeddings of coarse and of real HR faces: theta_G minimises it (Eq. 1), theta_d
    minimises its negative (Eq. 6). Computed in float32 (float64 if given), also under autocast. With bandwidths taken
    from the batch and one sample a domain the value does not depend on their distance; only the gradient does.

    Args:
        loss_weight (float): factor on the result. Default: 1.0.
        estimator (str): 'biased' (Eq. 8, defined for one sample) | 'unbiased' (two samples or more a domain) |
            'linear' (equal numbers, two or more). Default: 'biased'.
        bandwidth (str | float | list[float]): 'median' or 'mean' of d^2 (see :func:`pooled_bandwidth`), detached, times
            ``multipliers``; or the sigma_u themselves, variances. Default: 'median'.
        multipliers (list[float]): default [1/4, 1/2, 1, 2, 4]. Not to be given with fixed sigma_u.
        kernel_weights (list[float]): beta_u, positive, sum 1. Default: 1 / U each.
        gather (bool): with several ranks, compute the loss of the global batch; every rank must bring equally many
            samples. After DDP's averaging the gradient equals that of one process. Default: True.

    Raises:
        ValueError: an option out of its range, or sets of samples whose shapes do not fit.
    """

    def __init__(
        self,
        loss_weight=1.0,
        estimator='biased',
        bandwidth='median',
        multipliers=None,
        kernel_weights=None,
        gather=True,
    ):
        super().__init__()
        if estimator not in _ESTIMATORS:
            raise ValueError(f'MKMMDLoss: estimator must be one of {", ".join(_ESTIMATORS)}, not {estimator!r}')
        self.loss_weight = loss_weight
        self.estimator = estimator
        self.gather = gather
        if isinstance(bandwidth, str):
            if bandwidth not in ('median', 'mean'):
                raise ValueError(f"MKMMDLoss: bandwidth must be 'median', 'mean' or numbers, not {bandwidth!r}")
            self.statistic = bandwidth
            scales = _positive_numbers('multipliers', _MULTIPLIERS if multipliers is None else multipliers)
        else:
            if multipliers is not None:
                raise ValueError('MKMMDLoss: multipliers apply to bandwidth median or mean only; leave them out')
            self.statistic = None
            scales = _positive_numbers('bandwidth', bandwidth)
        if kernel_weights is None:
            kernel_weights = [1 / len(scales)] * len(scales)
        weights = _positive_numbers('kernel_weights', kernel_weights)
        if len(weights) != len(scales):
            raise ValueError(f'MKMMDLoss: {len(weights)} kernel_weights for {len(scales)} kernels; give one for each')
        if abs(sum(weights) - 1) > 1e-6:
            raise ValueError(f'MKMMDLoss: kernel_weights must sum to 1 (Eq. 9), not {sum(weights):g}')
        # not in the checkpoint: options, not state
        self.register_buffer('scales', torch.tensor(scales, dtype=torch.float64), persistent=False)
        self.register_buffer('kernel_weights', torch.tensor(weights, dtype=torch.float64), persistent=False)

    def forward(self, source, target):
        """
        Args:
            source (Tensor): (N1, D) embeddings of one domain, any floating dtype.
            target (Tensor): (N2, D) embeddings of the other.

        Returns:
            Tensor: scalar, float32 or float64.
        """
        self._check(source, target)
        dtype = torch.promote_types(torch.promote_types(source.dtype, target.dtype), torch.float32)
        with torch.autocast(source.device.type, enabled=False):
            source, target = source.to(dtype), target.to(dtype)
            if self.gather:
                source, target = gather_over_ranks(source), gather_over_ranks(target)
            self._check_counts(len(source), len(target))
            bandwidths = self.scales.to(source)
            if self.statistic:
                bandwidths = bandwidths * pooled_bandwidth(source, target, self.statistic)
            loss = mkmmd(source, target, bandwidths, self.kernel_weights.to(source), self.estimator)
        return self.loss_weight * loss

    @staticmethod
    def _check(source, target):
        if source.dim() != 2 or target.dim() != 2 or source.shape[1] != target.shape[1]:
            raise ValueError(
                'MKMMDLoss: source and target must be (N1, D) and (N2, D), '
                f'not {tuple(source.shape)} and {tuple(target.shape)}'
            )
        if not (source.is_floating_point() and target.is_floating_point()):
            raise ValueError(f'MKMMDLoss: embeddings must be floating point, not {source.dtype} and {target.dtype}')

    def _check_counts(self, n1, n2):
        least = 1 if self.estimator == 'biased' else 2
        if min(n1, n2) < least:
            raise ValueError(
                f'MKMMDLoss: estimator {self.estimator} needs at least {least} samples a domain, not {n1} and {n2}'
            )
        if self.estimator == 'linear' and n1 != n2:
            raise ValueError(f'MKMMDLoss: estimator linear needs equally many samples a domain, not {n1} and {n2}')


def _positive_numbers(name, values):
    numbers = [float(value) for value in (values if isinstance(values, (list, tuple)) else [values])]
    if not numbers or not all(0 < number < float('inf') for number in numbers):
        raise ValueError(f'MKMMDLoss: {name} must be positive numbers, not {values!r}')
    return numbers

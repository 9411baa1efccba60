"""Means with bootstrap intervals."""

import numpy as np
from scipy.stats import bootstrap

_RESAMPLES = 2000


def mean_interval(values, seed=0):
    """Mean and its 95 % percentile bootstrap interval (Efron and Tibshirani, 1993), faces, or pairs of faces, being the
    samples.

    Args:
        values (list[float] | ndarray): of each sample; infinite ones (PSNR of identical images) make the mean infinite.
        seed (int): of the resampling.

    Returns:
        tuple[float]: mean, lower, upper; all three the same for a single value or equal ones.
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) < 2 or not np.isfinite(mean) or np.ptp(values) == 0:
        return mean, mean, mean
    interval = bootstrap(
        (values,), np.mean, n_resamples=_RESAMPLES, method='percentile', rng=np.random.default_rng(seed)
    ).confidence_interval
    return mean, float(interval.low), float(interval.high)

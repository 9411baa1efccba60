"""Means with bootstrap intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

_RESAMPLES = 2000


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % bootstrap interval; None where a figure is no mean over samples."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> Interval:
    """Mean and its 95 % percentile bootstrap interval (Efron and Tibshirani, 1993).

    Args:
        values: of each sample, a face or a pair of faces; infinite ones (PSNR of identical images) make the mean
            infinite.
        seed: of the resampling.

    Returns:
        All three numbers are the same for a single value or equal ones.
    """
    samples = np.asarray(values, np.float64)
    mean = float(samples.mean())
    if len(samples) < 2 or not np.isfinite(mean) or np.ptp(samples) == 0:
        return Interval(mean, mean, mean)
    interval = bootstrap(
        (samples,), np.mean, n_resamples=_RESAMPLES, method='percentile', rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean, float(interval.low), float(interval.high))

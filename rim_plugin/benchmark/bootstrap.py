"""What resampling says of a mean, of a difference, of figures of pairs, and of many comparisons at once."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, bootstrap

RESAMPLES = 2000
_PAIR_RESAMPLES = 500  # of whole lists of pairs, whose curves are computed anew each time
LEVEL = 0.05  # of significance
_COUNT_BEYOND = 3  # impostor pairs that a rate has to leave above the threshold, so that there is something to count


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % bootstrap interval; None where a figure is no mean over samples."""

    mean: float
    low: float | None = None
    high: float | None = None


def _constant(samples: np.ndarray) -> bool:
    """Whether resampling says nothing: one value, equal ones, or infinite ones."""
    return len(samples) < 2 or not np.isfinite(samples).all() or np.ptp(samples) == 0


def _resampled(samples: np.ndarray, seed: int):  # type: ignore[no-untyped-def]  # scipy has no public name for it
    return bootstrap((samples,), np.mean, n_resamples=RESAMPLES, method='percentile', rng=np.random.default_rng(seed))


def mean_interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> Interval:
    """Mean and its 95 % percentile bootstrap interval (Efron and Tibshirani, 1993).

    Args:
        values: of each sample, a face or a pair of faces; infinite ones (PSNR of identical images) make the mean
            infinite.
        seed: of the resampling.

    Returns:
        All three numbers are the same for a single value, equal or infinite ones.
    """
    samples = np.asarray(values, np.float64)
    mean = float(samples.mean())
    if _constant(samples):
        return Interval(mean, mean, mean)
    interval = _resampled(samples, seed).confidence_interval
    return Interval(mean, float(interval.low), float(interval.high))


def spread_interval(value: float, resampled: Sequence[float] | np.ndarray) -> Interval:
    """A figure of a whole set with its 95 % normal interval, by the bootstrap's standard deviation.

    Not the percentiles: a resample repeats faces, so that all its figures lean one way (FIDs are too high).

    Args:
        value: over all faces.
        resampled: over bootstrap samples of them, or differences of two methods on the same samples.
    """
    half = 1.96 * float(np.std(resampled, ddof=1))
    return Interval(value, value - half, value + half) if np.isfinite(half) else Interval(value)


def share_p(distribution: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of a difference of 0: twice the smaller share of resampled differences on either side of it."""
    values = np.asarray(distribution, np.float64)
    if not np.isfinite(values).all() or not values.any():
        return 1.0
    smaller = min((values <= 0).sum(), (values >= 0).sum())
    return float(min(1, 2 * (smaller + 1) / (len(values) + 1)))


def share_interval(share: float, probes: int) -> Interval:
    """Wilson's interval of a share of probes, of open searches at the threshold that was found."""
    found = binomtest(round(share * probes), probes).proportion_ci(method='wilson')
    return Interval(share, float(found.low), float(found.high))


def paired_p(differences: Sequence[float] | np.ndarray, seed: int = 0) -> float:
    """Two-sided p-value of a mean difference of 0: twice the smaller share of resampled means on either side of it.

    At least 2 / (resamples + 1). 1 where all differences are 0, and where one is not finite.

    Args:
        differences: of two methods on each sample.
        seed: of the resampling.
    """
    samples = np.asarray(differences, np.float64)
    if not np.isfinite(samples).all() or not samples.any():
        return 1.0
    return share_p(samples[:1] if _constant(samples) else _resampled(samples, seed).bootstrap_distribution)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): the chance of one false finding among all stays below the level."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(1, np.maximum.accumulate(np.asarray(p_values, np.float64)[order] * factors))
    result = np.empty(len(p_values))
    result[order] = adjusted
    return result.tolist()


class Ranking(NamedTuple):
    """The best and the second of some methods, and the p-value of the best against each other one, Holm-adjusted."""

    best: str
    second: str | None
    p: dict[str, float]

    @property
    def significant(self) -> bool:
        """Whether the best is better than each other one at :data:`LEVEL`."""
        return bool(self.p) and max(self.p.values()) < LEVEL


def ranking(
    values: Mapping[str, float],
    samples: Mapping[str, Sequence[float] | np.ndarray],
    higher_is_better: bool,
    p_value: Callable[[np.ndarray], float] = paired_p,
) -> Ranking | None:
    """Who is best by a figure, and how sure that is.

    Args:
        values: method to its figure over all samples.
        samples: method to its value of each sample, the same ones for all; methods without are not compared.
        higher_is_better: which of two figures is the better.
        p_value: of the differences of two methods' samples; :func:`share_p` where these are figures of resampled sets.

    Returns:
        None with fewer than two methods.
    """
    if len(values) < 2:
        return None
    best, second, *_ = sorted(values, key=lambda name: values[name], reverse=higher_is_better)
    others = [name for name in values if name != best and name in samples and best in samples]
    p_values = [p_value(np.subtract(samples[best], samples[name])) for name in others]
    return Ranking(best, second, dict(zip(others, holm(p_values))))


def measurable(far: float, impostor_pairs: int) -> bool:
    """Whether a list has enough impostor pairs to tell a false accept rate: at least 3 beyond the threshold."""
    return far * impostor_pairs >= _COUNT_BEYOND


@lru_cache(maxsize=2)
def _weights(count: int, seed: int) -> np.ndarray:
    """How often each of ``count`` pairs is in each resample, (R, count); one draw for all methods on a list."""
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _PAIR_RESAMPLES)
    return counts.astype(np.float32)


def pair_intervals(
    scores: np.ndarray, issame: np.ndarray, fars: Mapping[str, float], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals over the pairs of AUC, EER and TAR at FARs.

    Args:
        scores, issame: (P,) similarities, and whether a pair shows one person.
        fars: column to the false accept rate of its TAR.
        seed: of the resampling.

    Returns:
        Bounds, by column: ``auc``, ``eer`` and those of ``fars``.
    """
    order = np.argsort(-scores, kind='stable')
    weights = _weights(len(scores), seed)[:, order]
    same = issame[order]
    genuine, impostor = np.cumsum(weights * same, 1), np.cumsum(weights * ~same, 1)
    tar, far = genuine / genuine[:, -1:].clip(1), impostor / impostor[:, -1:].clip(1)
    rows = np.arange(len(weights))
    places = {column: ((far <= rate).sum(1) - 1).clip(0) for column, rate in fars.items()}
    figures = {column: tar[rows, place] for column, place in places.items()}
    figures['auc'] = (tar * np.diff(far, axis=1, prepend=0)).sum(1)
    crossing = np.abs(1 - tar - far).argmin(1)
    figures['eer'] = (far[rows, crossing] + 1 - tar[rows, crossing]) / 2
    bounds = {column: np.percentile(values, (2.5, 97.5)) for column, values in figures.items()}
    return {column: (float(low), float(high)) for column, (low, high) in bounds.items()}

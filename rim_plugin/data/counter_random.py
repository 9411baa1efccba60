"""Random numbers by counting: each follows from a seed and its own place alone, on every device, whole batches at once.

SplitMix64 (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014), whose n-th number is a hash of
seed + n times a constant, so that no state goes from one face to the next.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from scipy.stats import poisson

_GOLDEN, _FIRST, _SECOND = (
    int(np.uint64(word).astype(np.int64)) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_STREAM = 2**32  # numbers of a stream
_WHITE = 256  # counts of a white pixel: BasicSR's for an image of more than 128 levels
_TOP = _WHITE + 160  # ten standard deviations above


def _shift(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift to the right of int64."""
    return (words >> bits) & (2 ** (64 - bits) - 1)


def _hash(words: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser: int64 to int64, one to one."""
    words = (words ^ _shift(words, 30)) * _FIRST
    words = (words ^ _shift(words, 27)) * _SECOND
    return words ^ _shift(words, 31)


def _words(seeds: torch.Tensor, stream: int, shape: Sequence[int]) -> torch.Tensor:
    """Random int64 (N, *shape)."""
    count = torch.Size(shape).numel()
    places = torch.arange(count, device=seeds.device) + (stream * _STREAM + 1)
    return _hash(_hash(seeds)[:, None] + places * _GOLDEN).view(len(seeds), *shape)


def uniform(
    seeds: torch.Tensor, stream: int, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Uniform random numbers.

    Args:
        seeds: (N, ) int64, one an item.
        stream: another one gives other numbers.
        shape: of an item's numbers.
        dtype: float32, 23 random bits; or float64, 52.

    Returns:
        (N, *shape), above 0 and below 1, on the device of ``seeds`` and equal on all.
    """
    bits = 52 if dtype == torch.float64 else 23
    return (_shift(_words(seeds, stream, shape), 64 - bits).to(dtype) + 0.5) * 2.0**-bits


def integers(seeds: torch.Tensor, stream: int) -> torch.Tensor:
    """Random numbers of 63 bits, int64 (N, ), which may be seeds themselves; arguments of :func:`uniform`."""
    return _shift(_words(seeds, stream, ()), 1)


def moved(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """On the device of another tensor, which is not waited for."""
    return values.to(like.device, non_blocking=True)


def normal(seeds: torch.Tensor, stream: int, shape: Sequence[int]) -> torch.Tensor:
    """Standard normal random numbers, float32 (N, *shape), at most 5.3 from 0; arguments of :func:`uniform`."""
    return (2 * uniform(seeds, stream, shape) - 1).erfinv_() * 2**0.5


@cache
def _poisson_steps(device: torch.device) -> torch.Tensor:
    """The Poisson distributions of all 256 grey levels one after the other, ascending: level + P(count <= k).

    float64 (256 * (_TOP + 1), ).
    """
    levels = np.arange(256)[:, None]
    steps = poisson.cdf(np.arange(_TOP + 1), levels / 255 * _WHITE) + levels
    return torch.from_numpy(steps.ravel()).to(device)


def poisson_counts(levels: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """Photons counted where a white pixel has 256 on average, by inversion of the distribution.

    Args:
        levels: grey levels, whole numbers, 0 to 255.
        chances: float64 of that shape, above 0 and below 1, see :func:`uniform`.

    Returns:
        float32 of that shape; divided by 256, of mean ``levels`` / 255.
    """
    levels = levels.double().contiguous()
    index = torch.searchsorted(_poisson_steps(levels.device), levels + chances.contiguous())
    return (index - levels.long() * (_TOP + 1)).clamp_(0, _TOP).float()

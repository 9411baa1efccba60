"""Low-resolution probes as cameras and the web make them: blur, reduction, noise, JPEG, and a second round.

The order is that of Wang et al., *Real-ESRGAN* (2021), with BasicSR's kernels, noise and JPEG, for a batch of faces at
once. What becomes of a face follows from its seed and the options alone, not from the other faces of the batch. All
choices are made on the CPU, so that a GPU is never waited for.
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rim_plugin.data.blur import filter_images, gaussian_kernels, motion_kernels
from rim_plugin.data.counter_random import moved, normal, poisson_counts, uniform
from rim_plugin.data.resampling import BILINEAR, MODES, resample, resampling_matrices
from rim_plugin.data.resize import check_image, degrade, reduce_levels
from rim_plugin.options.datasets import BlurOptions, DegradationOptions
from rim_plugin.options.kinds import ends_of

SMALLEST = 7  # side, pixels, below which the second round leaves none: that of the smallest probes
_OVERSAMPLING = 4  # blur is applied at so many times the side of the probe, which keeps kernels and their time small
_SHARP = 0.1  # deviation, pixels, below which a kernel is one point
_JPEG_SIDE = 16  # of a block of JPEG with its halved colours
_FINEST = 0.01  # factor of JPEG's tables at quality 99.5, for at 100 it is 0
_CHOICES = 32  # at least as many as there are for an item
_GREY = (0.2989, 0.587, 0.114)

Change = Callable[[Tensor, Tensor], Tensor]  # of images (n, ...), whose places in the batch are (n, ) int64, on the CPU


class _Draws:
    """The random choices of a batch, each of the same place in the sequence of its item's seed.

    Args:
        seeds: (N, ) int64, on the CPU.
        device: of the images.
    """

    def __init__(self, seeds: Tensor, device: torch.device) -> None:
        self._seeds, self._device, self._stream = seeds, device, 1
        self._choices = iter(uniform(seeds, self._stream, (_CHOICES,)).unbind(1))

    def stream(self) -> int:
        """The next stream of numbers, of noise."""
        self._stream += 1
        return self._stream

    def uniform(self) -> Tensor:
        """(N, ), above 0 and below 1, on the CPU."""
        return next(self._choices)

    def chance(self, share: float) -> Tensor:
        """(N, ) bool, on the CPU."""
        return self.uniform() < share

    def between(self, ends: float | tuple[float, ...]) -> Tensor:
        """(N, ), evenly from a range, on the CPU."""
        low, high = ends_of(ends)
        return low + (high - low) * self.uniform()

    def choice(self, weights: Sequence[float]) -> Tensor:
        """(N, ) int64, in proportion to weights, on the CPU."""
        steps = torch.tensor(weights, dtype=torch.float32).cumsum(0)
        return torch.searchsorted(steps, self.uniform() * steps[-1], right=True).clamp_(max=len(weights) - 1)

    def seeds(self, places: Tensor) -> Tensor:
        """Those of some items, on the device."""
        return self.moved(self._seeds[places])

    def moved(self, values: Tensor) -> Tensor:
        """On the device of the images, which is not waited for."""
        return values.to(self._device, non_blocking=True)


def degrade_batch(hr: Tensor, size: int, options: DegradationOptions | None, seeds: Tensor) -> Tensor:
    """Low-resolution probes of a batch of faces.

    Args:
        hr: float32 (N, 3, S, S), RGB, 0 to 1, on any device.
        size: side of the probes, 1 to S.
        options: what is done to them; None for the antialiased bicubic reduction of
            :func:`~rim_plugin.data.resize.degrade` alone.
        seeds: (N, ) int64, on the CPU, one a face.

    Returns:
        float32 (N, 3, size, size), 0 to 1, whole levels of 255.

    Raises:
        ValueError: shapes, sizes or the number of seeds do not fit.
    """
    if hr.ndim != 4 or hr.shape[1] != 3 or hr.shape[2] != hr.shape[3] or not 1 <= size <= hr.shape[3]:
        raise ValueError(
            f'Faces (N, 3, S, S) and a size of 1 to S were expected, but got {tuple(hr.shape)} and {size}.'
        )
    if seeds.shape != hr.shape[:1]:
        raise ValueError(f'Each of the {len(hr)} faces needs one seed, but the seeds have shape {tuple(seeds.shape)}.')

    def clean(images: Tensor, places: Tensor) -> Tensor:
        return reduce_levels(images * 255, size) / 255

    def changed(images: Tensor, places: Tensor) -> Tensor:
        return _degraded(images, size, options, _Draws(seeds[places], hr.device)) if options else images

    with torch.no_grad(), torch.autocast(hr.device.type, enabled=False):
        chosen = uniform(seeds, 0) < (options.probability if options else 0)
        return _split(hr.float(), chosen, changed, clean)


def degrade_face(hr: np.ndarray, size: int, options: DegradationOptions | None, seed: int = 0) -> np.ndarray:
    """:func:`degrade_batch` of one 8-bit image.

    Args:
        hr: uint8 RGB (S, S, 3), 0 to 255.
        size: side of the result in pixels, 1 to S.
        options: None for the antialiased bicubic reduction alone.
        seed: 0 to 2^63 - 1.

    Returns:
        uint8 (size, size, 3).

    Raises:
        ValueError: ``hr`` is no 8-bit colour image, or a size does not fit.
    """
    if options is None:
        return degrade(hr, size)
    check_image(hr)
    image = torch.tensor(np.ascontiguousarray(hr)).permute(2, 0, 1)[None] / 255
    small = degrade_batch(image, size, options, torch.tensor([seed]))
    return (small[0] * 255).round_().byte().permute(1, 2, 0).contiguous().numpy()


def _same(images: Tensor, places: Tensor) -> Tensor:
    return images


def _split(images: Tensor, chosen: Tensor, change: Change, otherwise: Change = _same) -> Tensor:
    """One change for the chosen images, another for the others; ``chosen`` (N, ) bool, on the CPU."""
    both = [(flags.nonzero()[:, 0], each) for flags, each in ((chosen, change), (~chosen, otherwise))]
    parts = [(places, each) for places, each in both if len(places)]
    if len(parts) < 2:
        places, each = (parts or both)[-1]
        return each(images, places)
    changed = torch.cat([each(images[moved(places, images)], places) for places, each in parts])
    return changed[moved(torch.cat([places for places, _ in parts]).argsort(), images)]


def _degraded(hr: Tensor, size: int, options: DegradationOptions, draws: _Draws) -> Tensor:
    """The two rounds, (N, 3, S, S) to (N, 3, size, size)."""
    small = _reduced(hr, size, options, draws)
    for images_of in (_noisy, _compressed):
        small = images_of(small, options, draws, torch.ones(len(hr), dtype=torch.bool))
    repeated = draws.chance(options.second.probability)
    for images_of in (_coarsened, _noisy, _compressed):
        small = images_of(small, options, draws, repeated)
    return (small * 255).round_() / 255


def _reduced(hr: Tensor, size: int, options: DegradationOptions, draws: _Draws) -> Tensor:
    """Blur, then a reduction to ``size``."""
    modes, blurred = _modes(options, draws), draws.chance(options.blur.probability)
    between = min(hr.shape[-1], _OVERSAMPLING * size)
    kernels_of = _blur_kernels(options.blur, between / size, draws)

    def sharp(images: Tensor, places: Tensor) -> Tensor:
        matrices = _reductions(images.shape[-1], size, images.device)
        return resample(images, matrices[draws.moved(modes[places])]).clamp_(0, 1)

    def soft(images: Tensor, places: Tensor) -> Tensor:
        if images.shape[-1] > between:
            images = F.interpolate(images, (between, between), mode='bicubic', antialias=True)
        return sharp(filter_images(images, kernels_of(places)), places)

    return _split(hr, blurred, soft, sharp)


@lru_cache(maxsize=32)  # sizes of a training
def _reductions(side: int, size: int, device: torch.device) -> Tensor:
    """Matrices of all modes, (4, size, side)."""
    sides = torch.tensor([side]), torch.tensor([size])
    return resampling_matrices(torch.arange(len(MODES)), *sides, columns=side, rows=size).to(device)


def _modes(options: DegradationOptions, draws: _Draws) -> Tensor:
    """(N, ) int64 of :data:`~rim_plugin.data.resampling.MODES`."""
    weights = options.resize
    return draws.choice((weights.area, weights.bilinear, weights.bicubic, weights.nearest))


def _blur_kernels(options: BlurOptions, scale: float, draws: _Draws) -> Callable[[Tensor], Tensor]:
    """Draw blurs; (n, ) places to (n, K, K) kernels of images of ``scale`` times the probe's side."""
    moved, anisotropic = draws.chance(options.motion), draws.chance(options.anisotropic)
    sigma, other = draws.between(options.sigma), draws.between(options.sigma)
    length, angle = draws.between(options.length), draws.uniform() * math.pi
    sigma, length = (sigma * scale).clamp_(min=_SHARP), length * scale
    other = torch.where(anisotropic, (other * scale).clamp_(min=_SHARP), sigma)
    radius = math.ceil(scale * max(3 * ends_of(options.sigma)[1], ends_of(options.length)[1] / 2)) + 1

    def kernels(places: Tensor) -> Tensor:
        values = torch.stack((sigma, other, angle, length, moved.float()))[:, places]
        sigmas, others, angles, lengths, lines = draws.moved(values)
        gaussian = gaussian_kernels(sigmas, others, angles, radius)
        return torch.where(lines[:, None, None] > 0, motion_kernels(lengths, angles, radius), gaussian)

    return kernels


def _noisy(images: Tensor, options: DegradationOptions, draws: _Draws, among: Tensor) -> Tensor:
    """Noise for a share of the images ``among`` (N, ) bool."""
    noise = options.noise
    chosen, poisson, grey = draws.chance(noise.probability), draws.chance(noise.poisson), draws.chance(noise.grey)
    sigma, scale = draws.between(noise.sigma) / 255, draws.between(noise.poisson_scale)
    stream = draws.stream()

    def gaussian_noise(images: Tensor, places: Tensor) -> Tensor:
        values = _one_colour(normal(draws.seeds(places), stream, images.shape[1:]), draws.moved(grey[places]))
        return _plus(images, values, draws.moved(sigma[places]))

    def poisson_noise(images: Tensor, places: Tensor) -> Tensor:
        flags = draws.moved(grey[places])
        chances = uniform(draws.seeds(places), stream, images.shape[1:], torch.float64)
        light = sum(weight * images[:, channel : channel + 1] for channel, weight in enumerate(_GREY))
        levels = (torch.where(flags[:, None, None, None], light, images) * 255).round_()
        values = poisson_counts(levels, _one_colour(chances, flags)) / 256 - levels / 255
        return _plus(images, values, draws.moved(scale[places]))

    images = _split(images, chosen & among & ~poisson, gaussian_noise)
    return _split(images, chosen & among & poisson, poisson_noise)


def _one_colour(values: Tensor, flags: Tensor) -> Tensor:
    """The first channel in all three, in the items with a flag; (N, 3, H, W), (N, )."""
    return torch.where(flags[:, None, None, None], values[:, :1], values)


def _plus(images: Tensor, values: Tensor, factors: Tensor) -> Tensor:
    return (images + values * factors[:, None, None, None]).clamp_(0, 1)


def _compressed(images: Tensor, options: DegradationOptions, draws: _Draws, among: Tensor) -> Tensor:
    """JPEG for a share of the images ``among`` (N, ) bool."""
    chosen, quality = draws.chance(options.jpeg.probability), draws.between(options.jpeg.quality)
    return _split(images, chosen & among, lambda some, places: compress_jpeg(some, draws.moved(quality[places])))


def compress_jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """JPEG with halved colours (4:2:0) by BasicSR's ``DiffJPEG``, each image with its quality.

    Sides are filled up with the last pixels. As in libjpeg, and not as in BasicSR, the table of brightness is not
    transposed, and colours are enlarged smoothly.

    Args:
        images: float32 (N, 3, H, W), RGB, 0 to 1; rounded to 8 bits first, as in files.
        quality: (N, ), 1 to 100.

    Returns:
        (N, 3, H, W), 0 to 1.
    """
    codec = _jpeg(images.device)
    height, width = images.shape[-2:]
    images = F.pad((images * 255).round_() / 255, (0, -width % _JPEG_SIDE, 0, -height % _JPEG_SIDE), mode='replicate')
    factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp_(min=_FINEST)
    planes = codec.compress(images.transpose(-1, -2), factor=factor)  # its table of brightness is transposed
    return codec.decompress(*planes, *images.shape[:-3:-1], factor=factor).transpose(-1, -2)[..., :height, :width]


@cache
def _jpeg(device: torch.device) -> Any:
    from basicsr.utils.diffjpeg import DiffJPEG  # here, for BasicSR takes seconds to import

    codec = copy.deepcopy(DiffJPEG(differentiable=False))  # all instances share their tables, which change device
    codec.decompress.chroma = _SmoothColours()
    return codec.requires_grad_(False).to(device)


class _SmoothColours(torch.nn.Module):
    """Enlarges the halved colours as libjpeg does, by 3/4 and 1/4 of the nearest two, where BasicSR repeats them."""

    def forward(self, light: Tensor, *colours: Tensor) -> Tensor:
        planes = F.interpolate(torch.stack(colours, 1), scale_factor=2, mode='bilinear')
        return torch.cat((light[:, None], planes), 1).permute(0, 2, 3, 1)


def _coarsened(images: Tensor, options: DegradationOptions, draws: _Draws, among: Tensor) -> Tensor:
    """Those ``among`` (N, ) bool reduced by a factor, at least to :data:`SMALLEST`, and enlarged to the same side."""
    size, down = images.shape[-1], _modes(options, draws)
    up = draws.choice((1, 1)) + BILINEAR
    left = (size / draws.between(options.second.factor)).round_().long().clamp_(min=min(size, SMALLEST))

    def change(images: Tensor, places: Tensor) -> Tensor:
        modes, back, side = draws.moved(torch.stack((down, up, left))[:, places])
        whole = torch.full_like(side[:1], size)
        reduced = resample(images, resampling_matrices(modes, whole, side, size, size)).clamp_(0, 1)
        return resample(reduced, resampling_matrices(back, side, whole, size, size)).clamp_(0, 1)

    return _split(images, among & (left < size), change)

"""Blur of a batch of images, each by its own kernel: Gaussian or of motion."""

import torch
from torch.fft import irfft2, rfft2
from torch.nn import functional as F


def _grid(radius: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x (1, 1, K) and y (1, K, 1) from the middle, K = 2 radius + 1."""
    ticks = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
    return ticks[None, None], ticks[None, :, None]


def _turned(radius: int, angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates along and across a direction, (N, K, K)."""
    x, y = _grid(radius, angle)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * x + sin * y, cos * y - sin * x


def _normalised(kernels: torch.Tensor) -> torch.Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


def gaussian_kernels(sigma: torch.Tensor, other: torch.Tensor, angle: torch.Tensor, radius: int) -> torch.Tensor:
    """BasicSR's ``bivariate_Gaussian``, for a batch.

    Args:
        sigma: (N, ) standard deviation along the angle, pixels, above 0.
        other: (N, ) across it.
        angle: (N, ) radians.
        radius: pixels.

    Returns:
        (N, K, K), K = 2 radius + 1, of sum 1.
    """
    along, across = _turned(radius, angle)
    sigma, other = sigma[:, None, None], other[:, None, None]
    return _normalised(torch.exp(-0.5 * ((along / sigma) ** 2 + (across / other) ** 2)))


def motion_kernels(length: torch.Tensor, angle: torch.Tensor, radius: int) -> torch.Tensor:
    """Lines with smooth edges, one pixel wide: the path of a point while the shutter is open.

    Args:
        length: (N, ) pixels; 0 leaves the image all but as it is.
        angle: (N, ) radians.
        radius: pixels.

    Returns:
        (N, K, K), K = 2 radius + 1, of sum 1.
    """
    along, across = _turned(radius, angle)
    line = ((length[:, None, None] + 1) / 2 - along.abs()).clamp_(0, 1)
    return _normalised(line * (1 - across.abs()).clamp_(min=0))


def filter_images(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Convolve each image with its kernel, by FFT, whose time does not grow with the kernel.

    Equals BasicSR's ``filter2D`` for these kernels, which a turn by 180 degrees leaves as they are, but for the border,
    where pixels are repeated: reflection needs images larger than the radius.

    Args:
        images: float32 (N, C, H, W).
        kernels: (N, K, K), K odd.

    Returns:
        (N, C, H, W).
    """
    size, pad = kernels.shape[-1], kernels.shape[-1] // 2
    height, width = images.shape[-2:]
    padded = F.pad(images, (pad, pad, pad, pad), mode='replicate')
    shape = [_fast(side + 2 * pad) for side in (height, width)]
    spectrum = rfft2(padded, s=shape) * rfft2(kernels, s=shape)[:, None]
    return irfft2(spectrum, s=shape)[..., size - 1 : size - 1 + height, size - 1 : size - 1 + width]


def _fast(side: int) -> int:
    """The next side with factors 2, 3 and 5 alone, which FFTs like."""
    while True:
        rest = side
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return side
        side += 1

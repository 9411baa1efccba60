"""The one way in which low-resolution images are made, in training, validation, benchmark and scripts alike."""

import numpy as np
import torch
from torch.nn import functional as F


def check_image(image: object) -> None:
    """Raise ValueError unless ``image`` is a uint8 array of shape (H, W, 3)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f'Expected an 8-bit colour image, a uint8 array of shape (H, W, 3), but got {got}.')


def degrade(hr: np.ndarray, size: int) -> np.ndarray:
    """Reduce an image by antialiased bicubic interpolation, rounded to 8 bits.

    Equals MATLAB's ``imresize`` but for the border pixels.

    Args:
        hr: uint8 (H, W, 3), 0 to 255, any channel order.
        size: side of the result in pixels, at least 1.

    Returns:
        uint8 (size, size, 3).

    Raises:
        ValueError: ``hr`` is no 8-bit colour image, or ``size`` is below 1.
    """
    check_image(hr)
    if size < 1:
        raise ValueError(f'The size of a low-resolution image must be at least 1 pixel, but got {size}.')
    image = torch.tensor(np.ascontiguousarray(hr)).permute(2, 0, 1)[None].float()
    return reduce_levels(image, size).byte()[0].permute(1, 2, 0).contiguous().numpy()


def reduce_levels(images: torch.Tensor, size: int) -> torch.Tensor:
    """:func:`degrade` for a batch, float32 (N, 3, H, W) to (N, 3, size, size), 0 to 255, on any device."""
    images = images.contiguous(memory_format=torch.channels_last)  # one order of sums, whatever the caller's
    small = F.interpolate(images, (size, size), mode='bicubic', align_corners=False, antialias=True)
    return small.round_().clamp_(0, 255)


def enlarge(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images of more pixels, bicubic, float32 (N, 3, H, W) to (N, 3, size, size), 0 to 1."""
    images = images.contiguous(memory_format=torch.channels_last)  # one order of sums, whatever the caller's
    return F.interpolate(images, (size, size), mode='bicubic', align_corners=False).clamp_(0, 1)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Image to network input.

    Args:
        image: uint8 (H, W, 3), RGB, 0 to 255.

    Returns:
        float32 (3, H, W), 0 to 1.

    Raises:
        ValueError: ``image`` is no 8-bit colour image.
    """
    check_image(image)
    return torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)

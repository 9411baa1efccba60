"""Building blocks that RIM's networks share."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

PRIOR_STRIDE = 4  # the tri-path features live on a grid of a quarter of the image: 56 for 224
NORMS = {'instance': lambda channels: nn.InstanceNorm2d(channels, affine=True), 'none': lambda channels: nn.Identity()}


def make_norm(name, channels):
    """Normalisation layer by its option name: ``instance`` (the paper's authors) or ``none`` (faster, sharper)."""
    name = name or 'none'  # BasicSR's --force_yml turns the word into None
    if name not in NORMS:
        raise ValueError(f"norm: '{name}' is unknown; choose one of {', '.join(NORMS)}")
    return NORMS[name](channels)


def resize(image, size):
    """Bicubic resize of (N, C, h, w) to (N, C, size, size), antialiased where it shrinks; the identity at that size."""
    if image.shape[-2:] == (size, size):
        return image
    if image.dtype in (torch.float16, torch.bfloat16):  # 8 bits of mantissa are not enough for an image
        image = image.float()
    return F.interpolate(image, (size, size), mode='bicubic', align_corners=False, antialias=True)


def probe_groups(lq):
    """Probes, (N, 3, q, q) or a list of such tensors of several sizes, as a list."""
    return [lq] if torch.is_tensor(lq) else lq


def resize_groups(groups, size):
    """Images of several sizes, tensors (n, C, h, w), as one batch (N, C, size, size), see :func:`resize`."""
    return torch.cat([resize(images, size) for images in groups])


def he_init(module):
    """He initialisation of all convolutions below ``module`` for PReLU (slope 0.25), with zero biases."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight, a=0.25)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def conv_prelu(in_channels, channels, kernel=3, stride=1):
    """Convolution and PReLU with He initialisation: (N, in_channels, h, w) to (N, channels, h / stride, w / stride)."""
    layers = nn.Sequential(nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2), nn.PReLU(channels))
    he_init(layers)
    return layers


class ResidualBlock(nn.Module):
    """conv3 - norm - PReLU - conv3 - norm, plus the identity: (N, C, h, w) to the same shape.

    The second convolution starts near zero (``init_scale``), so that a deep stack starts as the identity.
    """

    def __init__(self, channels, norm='none', init_scale=0.1):
        super().__init__()
        bias = norm in ('none', None)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            make_norm(norm, channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            make_norm(norm, channels),
        )
        he_init(self)
        self.body[3].weight.data.mul_(init_scale)

    def forward(self, x):
        return x + self.body(x)


def residual_stack(channels, blocks, norm='none'):
    """``blocks`` residual blocks in a row."""
    return nn.Sequential(*[ResidualBlock(channels, norm) for _ in range(blocks)])


class Hourglass(nn.Module):
    """Recursive hourglass of Newell et al. 2016: (N, C, h, w) to the same shape; h and w divisible by 2 ** depth.

    Args:
        depth (int): number of poolings.
        channels (int): width on every grid.
        blocks (int): residual blocks in each of its places.
        norm (str): ``instance`` or ``none``.
    """

    def __init__(self, depth, channels, blocks=1, norm='none'):
        super().__init__()
        self.skip = residual_stack(channels, blocks, norm)
        self.down = residual_stack(channels, blocks, norm)
        self.inner = (
            Hourglass(depth - 1, channels, blocks, norm) if depth > 1 else residual_stack(channels, blocks, norm)
        )
        self.up = residual_stack(channels, blocks, norm)

    def forward(self, x):
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        return self.skip(x) + F.interpolate(low, scale_factor=2, mode='nearest')


class SubPixelImage(nn.Module):
    """Features (N, C, h, w) to an image (N, 3, h * scale, w * scale): conv3 and pixel shuffle (Shi et al. 2016).

    Zero weights at the start, so that a network with a bicubic or coarse skip starts as that skip.
    """

    def __init__(self, channels, scale):
        super().__init__()
        self.conv = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        return self.shuffle(self.conv(x))


def renamed_arguments(**names: str) -> Callable[[type], type]:
    """Class decorator: the constructor also takes an argument's former name, and says once which one is right.

    Args:
        names: former name to present name. The class keeps them as ``renamed_arguments``, for who checks options.
    """

    def decorate(cls: type) -> type:
        construct = cls.__init__  # type: ignore[misc]

        @functools.wraps(construct)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            for former in kwargs.keys() & names.keys():
                warnings.warn(f'{cls.__name__}: {former} is called {names[former]} now')
                kwargs[names[former]] = kwargs.pop(former)
            construct(self, *args, **kwargs)

        init.__signature__ = inspect.signature(construct)  # type: ignore[attr-defined]
        cls.__init__ = init  # type: ignore[misc]
        cls.renamed_arguments = names  # type: ignore[attr-defined]
        return cls

    return decorate

"""Building blocks that RIM's networks share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.errors import check_choice

Net = TypeVar('Net', bound=nn.Module)

_BY_PRODUCTS = False  # see resizing_by_products
PRIOR_STRIDE = 4  # the tri-path features live on a grid of a quarter of the image: 56 for 224
Activation = Literal['prelu', 'relu']
Norm = Literal['instance', 'none'] | None  # BasicSR's --force_yml turns the word none into None


def make_norm(name: Norm, channels: int) -> nn.Module:
    """Normalisation layer by its option name: ``instance`` (the paper's authors) or ``none`` (faster, sharper)."""
    check_choice('norm', name or 'none', ('instance', 'none'))
    return nn.InstanceNorm2d(channels, affine=True) if name == 'instance' else nn.Identity()


def bicubic(images: Tensor, size: int) -> Tensor:
    """Plain bicubic interpolation (a = -0.75, as torch and OpenCV have it), the baseline of every margin.

    Args:
        images: (N, C, h, w).
        size: side of the result.
    """
    return _interpolated(images, size, antialias=False)


def resize(image: Tensor, size: int) -> Tensor:
    """Bicubic resize of (N, C, h, w) to (N, C, size, size), antialiased where it shrinks; the identity at that size."""
    if image.shape[-2:] == (size, size):
        return image
    if image.dtype in (torch.float16, torch.bfloat16):  # 8 bits of mantissa are not enough for an image
        image = image.float()
    return _interpolated(image, size, antialias=True)


@contextmanager
def resizing_by_products() -> Iterator[None]:
    """Antialiased interpolation as products of matrices, in both directions: ONNX has no such operator."""
    global _BY_PRODUCTS
    _BY_PRODUCTS = True
    try:
        yield
    finally:
        _BY_PRODUCTS = False


def _interpolated(images: Tensor, size: int, antialias: bool) -> Tensor:
    height, width = map(int, images.shape[-2:])
    # Enlarging by two products of matrices takes a CPU a fifth to a twentieth of the time.
    enlarges = images.device.type == 'cpu' and size >= max(height, width)
    enlarges = enlarges and not torch.compiler.is_compiling() and not torch.jit.is_tracing()
    if images.dtype != torch.float32 or not (enlarges or antialias and _BY_PRODUCTS):
        return F.interpolate(images, (size, size), mode='bicubic', align_corners=False, antialias=antialias)
    rows, columns = (resize_matrix(side, size, antialias).to(images.device) for side in (height, width))
    with torch.autocast(images.device.type, enabled=False):
        return rows @ images @ columns.mT


@lru_cache(64)
def resize_matrix(side: int, size: int, antialias: bool) -> Tensor:
    """What bicubic interpolation does to a column of pixels, (size, side), found from unit vectors."""
    with torch.inference_mode(False):  # to be used in training, too
        unit = torch.eye(side, dtype=torch.float64)[None, None]
        matrix = F.interpolate(unit, (size, side), mode='bicubic', align_corners=False, antialias=antialias)
        return matrix[0, 0].float()


def probe_groups(lq: Tensor | list[Tensor]) -> list[Tensor]:
    """Probes, (N, 3, q, q) or a list of such tensors of several sizes, as a list."""
    return [lq] if isinstance(lq, Tensor) else lq


def resize_groups(groups: Sequence[Tensor], size: int) -> Tensor:
    """Images of several sizes, tensors (n, C, h, w), as one batch (N, C, size, size), see :func:`resize`."""
    return torch.cat([resize(images, size) for images in groups])


def he_init(module: nn.Module, slope: float = 0.25) -> None:
    """He initialisation of all convolutions below ``module``, for a slope below zero (PReLU: 0.25); zero biases."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            if not layer.weight.is_meta:  # for which torch would import its compiler, for seconds
                nn.init.kaiming_normal_(layer.weight, a=slope)
            zero_bias(layer)


def zero_bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Set the bias to zero, if the layer has one."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def starting_at_zero(layer: Net) -> Net:
    """The layer itself, with all its parameters set to zero."""
    for value in layer.parameters():
        nn.init.zeros_(value)
    return layer


def assembled(cls: type[Net], **parts: nn.Module | None) -> Net:
    """A network of a class made of parts that exist, with which it shares its parameters."""
    net = cls.__new__(cls)
    nn.Module.__init__(net)
    for name, part in parts.items():
        setattr(net, name, part)
    return net


def conv_prelu(in_channels: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution and PReLU with He initialisation: (N, in_channels, h, w) to (N, channels, h / stride, w / stride)."""
    layers = nn.Sequential(nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2), nn.PReLU(channels))
    he_init(layers)
    return layers


class ResidualBlock(nn.Module):
    """conv3 - norm - PReLU or ReLU - conv3 - norm, plus the identity: (N, C, h, w) to the same shape.

    The second convolution starts near zero (``init_scale``), so that a deep stack starts as the identity.
    """

    def __init__(
        self, channels: int, norm: Norm = 'none', init_scale: float = 0.1, activation: Activation = 'prelu'
    ) -> None:
        super().__init__()
        bias = norm in ('none', None)
        between = nn.PReLU(channels) if activation == 'prelu' else nn.ReLU()
        first = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        second = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.body = nn.Sequential(first, make_norm(norm, channels), between, second, make_norm(norm, channels))
        he_init(self)
        second.weight.data.mul_(init_scale)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def residual_stack(
    channels: int, blocks: int, norm: Norm = 'none', activation: Activation = 'prelu', init_scale: float = 0.1
) -> nn.Sequential:
    """``blocks`` residual blocks in a row."""
    return nn.Sequential(*[ResidualBlock(channels, norm, init_scale, activation) for _ in range(blocks)])


class Hourglass(nn.Module):
    """Recursive hourglass of Newell et al. 2016: (N, C, h, w) to the same shape; h and w divisible by 2 ** depth.

    Args:
        depth: number of poolings.
        channels: width on every grid.
        blocks: residual blocks in each of its places.
        norm: ``instance`` or ``none``.
    """

    def __init__(self, depth: int, channels: int, blocks: int = 1, norm: Norm = 'none') -> None:
        super().__init__()
        self.skip = residual_stack(channels, blocks, norm)
        self.down = residual_stack(channels, blocks, norm)
        self.inner = (
            Hourglass(depth - 1, channels, blocks, norm) if depth > 1 else residual_stack(channels, blocks, norm)
        )
        self.up = residual_stack(channels, blocks, norm)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        return self.skip(x) + F.interpolate(low, scale_factor=2, mode='nearest')


class SubPixelImage(nn.Module):
    """Features (N, C, h, w) to an image (N, 3, h * scale, w * scale): conv3 and pixel shuffle (Shi et al. 2016).

    Zero weights at the start, so that a network with a bicubic or coarse skip starts as that skip.
    """

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.conv = starting_at_zero(nn.Conv2d(channels, 3 * scale**2, 3, padding=1))
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.conv(x))

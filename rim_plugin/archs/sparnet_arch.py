"""SPARNet: spatial attention for face hallucination (Chen et al., IEEE TIP 2021, arXiv 2012.01211)."""

import math
from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from rim_plugin.archs.layers import resize
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

Scale = Literal['down', 'same', 'up']
SLOPE = 0.2  # of LeakyReLU
ATTENTION_CHANNELS = 64
LEAST_GRID = 4  # to which the attention's hourglass reduces


def conv3(in_channels: int, channels: int, scale: Scale = 'same', bias: bool = True) -> nn.Sequential:
    """3x3 convolution, (N, in_channels, h, w) to (N, channels, h, w): half of both (``down``) or twice (``up``)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if scale == 'up':
        layers['enlarge'] = nn.Upsample(scale_factor=2)
    stride = 2 if scale == 'down' else 1
    layers['conv'] = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=bias, padding_mode='reflect')
    return nn.Sequential(layers)


def conv_norm(in_channels: int, channels: int, scale: Scale = 'same', activation: bool = True) -> nn.Sequential:
    """:func:`conv3`, BatchNorm, and LeakyReLU with ``activation``."""
    layers = nn.Sequential(*conv3(in_channels, channels, scale, bias=False), nn.BatchNorm2d(channels))
    return layers.append(nn.LeakyReLU(SLOPE)) if activation else layers


class AttentionHourglass(nn.Module):
    """Features (N, in_channels, h, w) to (N, 64, h, w), with context from ``depth`` grids, each half the last."""

    def __init__(self, in_channels: int, depth: int) -> None:
        super().__init__()
        width = ATTENTION_CHANNELS
        self.skip = conv_norm(in_channels, width)
        self.down = conv_norm(in_channels, width, 'down')
        self.inner = AttentionHourglass(width, depth - 1) if depth > 1 else conv_norm(width, width)
        self.up = conv_norm(width, width, 'up')

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.up(self.inner(self.down(x)))


class FaceAttentionUnit(nn.Module):
    r"""Residual block whose residual counts where attention looks (section III-B of the paper).

    .. math::
        x_j = x_{j-1} + \sigma(A(F(x_{j-1}))) \otimes F(x_{j-1})

    with F two convolutions behind BatchNorm and LeakyReLU, and A an hourglass that makes a map of one channel.

    Args:
        in_channels, channels: of the features.
        grid: side of the result, on which the hourglass's depth depends.
        scale: ``down`` halves and ``up`` doubles the grid; the identity becomes a convolution then, and where the
            channels change.

    Shapes:
        (N, in_channels, h, w) to (N, channels, grid, grid).
    """

    def __init__(self, in_channels: int, channels: int, grid: int, scale: Scale = 'same') -> None:
        super().__init__()
        same = scale == 'same' and in_channels == channels
        self.identity = nn.Identity() if same else conv3(in_channels, channels, scale)
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.LeakyReLU(SLOPE),
            conv_norm(in_channels, channels, 'up' if scale == 'up' else 'same'),
            conv_norm(channels, channels, 'down' if scale == 'down' else 'same', activation=False),
        )
        depth = int(math.log2(grid / LEAST_GRID))
        self.attention = nn.Sequential(AttentionHourglass(channels, depth), conv3(ATTENTION_CHANNELS, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        residual = self.residual(x)
        return self.identity(x) + self.attention(residual) * residual


@ARCH_REGISTRY.register()
class SPARNet(nn.Module):
    """The probe enlarged, encoded, seen by attention units on a coarse grid, and decoded.

    10.5 million parameters and 22 GMACs a face, with the widths of the paper, whose faces of 128 pixels are seen on a
    grid of an eighth, too.

    Args:
        image_size: side of the HR image, a multiple of 8, at least 64.
        channels: width at full resolution; doubled on each coarser grid up to ``most_channels``.
        most_channels: greatest width.
        blocks: attention units on the coarsest grid.

    Shapes:
        lq (N, 3, h, w) in [0, 1], any h and w, to (N, 3, image_size, image_size), not clamped.

    Raises:
        OptionsError: ``image_size`` is below 64 or no multiple of 8.
    """

    def __init__(
        self, image_size: Count = 224, channels: Count = 32, most_channels: Count = 128, blocks: Count = 10
    ) -> None:
        super().__init__()
        if image_size % 8 or image_size < 64:
            raise OptionsError(f'image_size: {image_size} is no multiple of 8 of at least 64')
        self.image_size = image_size
        widths = [min(channels * 2**level, most_channels) for level in range(4)]
        grids = [image_size // 2**level for level in range(4)]
        self.head = conv3(3, widths[0])
        self.encoder = nn.Sequential(
            *[FaceAttentionUnit(widths[i], widths[i + 1], grids[i + 1], 'down') for i in range(3)]
        )
        self.body = nn.Sequential(*[FaceAttentionUnit(widths[3], widths[3], grids[3]) for _ in range(blocks)])
        self.decoder = nn.Sequential(
            *[FaceAttentionUnit(widths[i + 1], widths[i], grids[i], 'up') for i in reversed(range(3))]
        )
        self.tail = conv3(widths[0], 3)

    def forward(self, lq: Tensor) -> Tensor:
        return self.tail(self.decoder(self.body(self.encoder(self.head(resize(lq, self.image_size))))))

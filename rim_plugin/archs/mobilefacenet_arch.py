"""MobileFaceNet of Chen et al. 2018 (arXiv 1804.07573): a recogniser of a million parameters."""

from collections import OrderedDict

from torch import Tensor, nn

from rim_plugin.archs.layers import he_init
from rim_plugin.archs.recogniser import FeatureInfo, Recogniser

from basicsr.utils.registry import ARCH_REGISTRY

# expansion, channels, repeats, stride of the first (Tab. 1 of the paper)
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def _conv_bn(
    in_channels: int, channels: int, kernel: int | tuple[int, int], stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(channels)))


def _conv_bn_prelu(
    in_channels: int, channels: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Sequential:
    layers = _conv_bn(in_channels, channels, kernel, stride, padding, groups)
    layers.add_module('prelu', nn.PReLU(channels))
    return layers


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times the channels, 3x3 depthwise, 1x1 back (Sandler et al. 2018), with PReLU.

    Shapes:
        (N, in_channels, h, w) to (N, channels, h / stride, w / stride); the identity is added where both are equal.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == channels
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


@ARCH_REGISTRY.register()
class MobileFaceNet(Recogniser):
    """MobileFaceNet for 112x96, columns 8 to 103 of the 112-pixel face, normalised as (x - 127.5) / 128.

    Shapes:
        see Recogniser; block maps 64x56x48, 64x28x24, 128x14x12, 512x7x6; embedding 128-D.
    """

    feature_info = tuple(FeatureInfo(channels, stride) for channels, stride in ((64, 2), (64, 4), (128, 8), (512, 16)))
    embedding_size = 128
    head_layers = ('linear7', 'linear1')

    def __init__(self) -> None:
        super().__init__(mean=0.5, std=128 / 255, crop=(8, 104))
        self.conv1 = _conv_bn_prelu(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = _conv_bn_prelu(64, 64, 3, padding=1, groups=64)
        self.blocks = nn.Sequential()
        in_channels = 64
        for expansion, channels, repeats, stride in STAGES:
            for index in range(repeats):
                self.blocks.append(InvertedResidual(in_channels, channels, 1 if index else stride, expansion))
                in_channels = channels
        self.conv2 = _conv_bn_prelu(128, 512, 1)
        self.linear7 = _conv_bn(512, 512, (7, 6), groups=512)
        self.linear1 = _conv_bn(512, self.embedding_size, 1)
        he_init(self)

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        first = self.dw_conv1(self.conv1(face))
        second = self.blocks[:5](first)  # the stage of stride 4
        third = self.blocks[5:12](second)  # the two of stride 8
        return first, second, third, self.conv2(self.blocks[12:](third))

    def head(self, block: Tensor) -> Tensor:
        return self.linear1(self.linear7(block)).flatten(1)

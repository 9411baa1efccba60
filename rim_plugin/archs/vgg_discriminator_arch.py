"""VGG-style discriminator of ESRGAN's GAN stage for images of any size; BasicSR's own takes 128 or 256 pixels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

SLOPE = 0.2  # of every LeakyReLU
WIDTHS = (1, 2, 4, 8, 8)  # of the stages, times num_feat


def conv_norm(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """3x3 convolution, or 4x4 with stride 2, then BatchNorm and LeakyReLU."""
    conv = nn.Conv2d(in_channels, channels, 2 + stride, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(SLOPE, inplace=True))


@ARCH_REGISTRY.register()
class VGGDiscriminator(nn.Module):
    """Discriminator of SRGAN (Ledig et al. 2017) and ESRGAN (Wang et al. 2018): five stages, each halving the image.

    An average pool to ``pool`` x ``pool`` before the two fully connected layers admits any size; at 224 pixels the maps
    have 7 x 7 already, and it does nothing.

    Args:
        num_in_ch: image channels.
        num_feat: width of the first stage.
        pool: side of the grid that the fully connected layers see.

    Shapes:
        image (N, num_in_ch, h, w) in [0, 1], h and w at least 32, to logits (N, 1); large is real.
    """

    def __init__(self, num_in_ch: Count = 3, num_feat: Count = 64, pool: Count = 7) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(num_in_ch, num_feat, 3, padding=1), nn.LeakyReLU(SLOPE, inplace=True))
        layers, width = [conv_norm(num_feat, num_feat, 2)], num_feat
        for factor in WIDTHS[1:]:
            layers += [conv_norm(width, factor * num_feat, 1), conv_norm(factor * num_feat, factor * num_feat, 2)]
            width = factor * num_feat
        self.body = nn.Sequential(*layers)
        self.pool = pool
        self.head = nn.Sequential(nn.Linear(width * pool**2, 100), nn.LeakyReLU(SLOPE, inplace=True), nn.Linear(100, 1))

    def forward(self, image: Tensor) -> Tensor:
        features = self.body(self.first(image))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(features, self.pool), 1))

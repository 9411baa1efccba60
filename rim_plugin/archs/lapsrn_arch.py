"""LapSRN: Lai et al., *Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution*, CVPR 2017."""

import torch
from torch import Tensor, nn

from rim_plugin.archs.layers import he_init, resize, zero_bias
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count, Several

from basicsr.utils.registry import ARCH_REGISTRY

SLOPE = 0.2  # of every LeakyReLU


def bilinear_enlargement(channels: int) -> nn.ConvTranspose2d:
    """4x4 transposed convolution, one filter a channel, that begins as bilinear enlargement by 2 (not at borders)."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=channels, bias=False)
    profile = torch.tensor([0.25, 0.75, 0.75, 0.25])
    layer.weight.data.copy_(torch.outer(profile, profile))
    return layer


class PyramidLevel(nn.Module):
    """One doubling of features (N, num_feat, h, w) and image (N, C, h, w).

    Args:
        num_in_ch: C.
        num_feat: width.
        depth: 3x3 convolutions before the doubling.
    """

    def __init__(self, num_in_ch: int, num_feat: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Conv2d(num_feat, num_feat, 3, padding=1), nn.LeakyReLU(SLOPE, inplace=True)]
        layers += [
            nn.ConvTranspose2d(num_feat, num_feat, 3, stride=2, padding=1, output_padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
        ]
        self.features = nn.Sequential(*layers)
        self.residual = nn.Conv2d(num_feat, num_in_ch, 3, padding=1)
        he_init(self, SLOPE)
        self.enlarge = bilinear_enlargement(num_in_ch)

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(features)
        return features, self.enlarge(image) + self.residual(features)


@ARCH_REGISTRY.register()
class LapSRN(nn.Module):
    """Laplacian pyramid: each level doubles the image and adds a residual; 671,833 parameters, 667,123 for one channel.

    Probes of any size are first brought to ``image_size / scale``, 28 pixels, by (antialiased) bicubic: a larger probe
    loses what detail it has beyond that.

    Args:
        image_size: side of the HR image.
        scale: enlargement, 2 to the number of levels; divides ``image_size``.
        num_in_ch: image channels.
        num_feat: width.
        depth: convolutions of a level; the paper's is 5 for x8, 10 for x2 and x4.

    Attributes:
        level_sizes: sides of the levels' images, for x8 56, 112 and 224.

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_in_ch, image_size, image_size), not clamped.

    Raises:
        OptionsError: ``scale`` is no power of 2 from 2 on, or does not divide ``image_size``.
    """

    def __init__(
        self, image_size: Count = 224, scale: Several = 8, num_in_ch: Count = 3, num_feat: Count = 64, depth: int = 5
    ) -> None:
        super().__init__()
        if scale < 2 or scale & (scale - 1):
            raise OptionsError(f'scale: {scale} is no power of 2 from 2 on; each level of LapSRN doubles the image')
        if image_size % scale:
            raise OptionsError(f'scale: {scale} does not divide image_size {image_size}')
        self.input_size = image_size // scale
        self.level_sizes = [self.input_size * 2**level for level in range(1, scale.bit_length())]
        first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        nn.init.normal_(first.weight, std=1e-3)
        zero_bias(first)
        self.first = nn.Sequential(first, nn.LeakyReLU(SLOPE, inplace=True))
        self.levels = nn.ModuleList(PyramidLevel(num_in_ch, num_feat, depth) for _ in self.level_sizes)

    def forward(self, lq: Tensor, levels: bool = False) -> Tensor | list[Tensor]:
        """Probe to the SR image; with ``levels`` to the list of all levels' images, from small to large."""
        image = resize(lq, self.input_size)
        features, images = self.first(image), []
        for level in self.levels:
            features, image = level(features, image)
            images.append(image)
        return images if levels else image

"""The three paths of RIM's tri-path generator, section 3.1.1 of the paper: global, landmark and parsing path."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from rim_plugin.archs.layers import PRIOR_STRIDE, Hourglass, Norm, conv_prelu, residual_stack, starting_at_zero


@dataclass(frozen=True)
class PriorConfig:
    """Options of PriorPath.

    Attributes:
        channels: width.
        blocks: residual blocks before the hourglass.
        hourglass_depth: poolings in the hourglass.
        hourglass_blocks: residual blocks in each place of the hourglass.
        norm: ``instance`` or ``none``.
    """

    channels: int = 128
    blocks: int = 3
    hourglass_depth: int = 2
    hourglass_blocks: int = 2
    norm: Norm = 'instance'


def image_stem(channels: int) -> nn.Sequential:
    """7x7 convolution with stride 4 and PReLU, as in the authors' code: the image to the prior grid."""
    return conv_prelu(3, channels, 7, stride=PRIOR_STRIDE)


class GlobalPath(nn.Module):
    """G_theta_f: image (N, 3, S, S) to features of the global structure (N, channels, S / 4, S / 4)."""

    def __init__(self, channels: int = 64, blocks: int = 3, norm: Norm = 'instance') -> None:
        super().__init__()
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, blocks, norm)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(self.stem(image))


def prior_head(channels: int, count: int) -> nn.Sequential:
    """Features (N, channels, h, w) to an estimate (N, count, h, w), by 1x1 convolutions.

    The wide hidden layer matters where ``channels`` is below ``count``: maps that are linear in fewer features than
    there are landmarks cannot peak at one place each. The estimate starts at zero; else the first, arbitrary ones shake
    the coarse network's optimizer.
    """
    hidden = conv_prelu(channels, 2 * count, 1)
    return nn.Sequential(*hidden, starting_at_zero(nn.Conv2d(2 * count, count, 1)))


class PriorPath(nn.Module):
    """G_theta_l or G_theta_p: image to features on a quarter of its side, through an hourglass, and 1x1 heads.

    Args:
        heads: name and channels of each estimate, e.g. ``{'heatmaps': 68}``.
        config: width and depth.
    """

    def __init__(self, heads: Mapping[str, int], config: PriorConfig) -> None:
        super().__init__()
        channels, norm = config.channels, config.norm
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, config.blocks, norm)
        self.hourglasses = nn.ModuleList(  # a list of one: weights are stored under hourglasses.0
            [Hourglass(config.hourglass_depth, channels, config.hourglass_blocks, norm)]
        )
        self.heads = nn.ModuleDict({name: prior_head(channels, count) for name, count in heads.items()})

    def forward(self, image: Tensor, estimates: bool = True) -> tuple[Tensor, dict[str, Tensor]]:
        """Features and estimates.

        Args:
            image: (N, 3, S, S).
            estimates: False leaves the estimates out.

        Returns:
            Features (N, channels, S / 4, S / 4), and each head's name and map (N, count, S / 4, S / 4).
        """
        features = self.body(self.stem(image))
        for hourglass in self.hourglasses:
            features = features + hourglass(features)
        return features, {name: head(features) for name, head in self.heads.items()} if estimates else {}

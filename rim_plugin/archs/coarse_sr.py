"""RIM's coarse super-resolution network G_theta_c, section 3.1.1 of the paper."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rim_plugin.archs.layers import (
    Norm,
    SubPixelImage,
    conv_prelu,
    probe_groups,
    residual_stack,
    resize_groups,
    starting_at_zero,
)
from rim_plugin.errors import OptionsError

REFERENCE_SIZE = 20  # side of the probe, in pixels, for which SizeModulation's input is 0


class SizeModulation(nn.Module):
    """Scale and shift of feature maps by the side of the probe (FiLM: Perez et al. 2018); at the start the identity.

    One network for probes of many sizes has to undo a different blur for each.

    Args:
        layers: how many feature maps are modulated.
        channels: of each.
    """

    def __init__(self, layers: int, channels: int) -> None:
        super().__init__()
        self.layers, self.channels = layers, channels
        first = nn.Linear(1, 32)
        self.net = nn.Sequential(first, nn.PReLU(), starting_at_zero(nn.Linear(32, layers * 2 * channels)))

    def forward(self, groups: Sequence[Tensor]) -> Tensor:
        """Scales and shifts for probes of several sizes.

        Args:
            groups: tensors (n, 3, q, q), N faces in all.

        Returns:
            (layers, 2, N, channels, 1, 1); for one size (layers, 2, 1, channels, 1, 1).
        """
        weight = next(self.net.parameters())
        # filled on the device: a copy of numbers to a GPU waits, and cannot be part of a CUDA graph
        sizes = [weight.new_full((1, 1), math.log2(probes.shape[-1] / REFERENCE_SIZE)) for probes in groups]
        values = self.net(torch.cat(sizes))
        values = values.view(len(groups), self.layers, 2, 1, self.channels, 1, 1)
        if len(groups) == 1:  # for a batch of any size, which an exported network may get
            return values[0]
        return torch.cat([each.expand(-1, -1, len(probes), -1, -1, -1) for each, probes in zip(values, groups)], 2)


def modulate(features: Tensor, modulation: Tensor | None, index: int) -> Tensor:
    """Features (N, C, h, w) scaled by 1 + modulation[index, 0], shifted by modulation[index, 1]; None: as they are."""
    return features if modulation is None else features * (1 + modulation[index, 0]) + modulation[index, 1]


class CoarseSRNet(nn.Module):
    """G_theta_c: probes, (N, 3, h, w) or a list of such tensors of several sizes, to (N, 3, image_size, image_size).

    The probe is enlarged to ``input_size`` by bicubic and folded into channels on ``feature_size`` (pixel unshuffle); a
    sub-pixel step goes from there to ``image_size`` (neither where they are equal, as in the paper). Learns the
    residual over bicubic.

    Args:
        image_size: side of the HR image.
        feature_size: side of the grid on which the blocks work; divides ``image_size``.
        channels: width.
        blocks: residual blocks.
        repeats: times that the same blocks are applied (authors' code: 3).
        norm: ``instance`` or ``none``.
        input_size: side at which the probe comes in, a multiple of ``feature_size``. Larger probes lose detail. None:
            ``feature_size``.
        size_modulation: whether the probe's size modulates the features of every block, see SizeModulation.

    Raises:
        OptionsError: sizes that do not divide.
    """

    def __init__(
        self,
        image_size: int,
        feature_size: int = 224,
        channels: int = 64,
        blocks: int = 3,
        repeats: int = 3,
        norm: Norm = 'instance',
        input_size: int | None = None,
        size_modulation: bool = False,
    ) -> None:
        super().__init__()
        self.image_size, self.input_size, self.repeats = image_size, input_size or feature_size, repeats
        if self.input_size % feature_size:
            raise OptionsError(f'input_size: {input_size} is no multiple of feature_size {feature_size}')
        if image_size % feature_size:
            raise OptionsError(f'feature_size: {feature_size} does not divide image_size {image_size}')
        fold = self.input_size // feature_size
        self.fold = nn.PixelUnshuffle(fold)
        self.head = conv_prelu(3 * fold**2, channels)
        self.body = residual_stack(channels, blocks, norm)
        self.modulation = SizeModulation(blocks + 1, channels) if size_modulation else None
        self.tail = SubPixelImage(channels, image_size // feature_size)

    def forward(self, lq: Tensor | list[Tensor]) -> Tensor:
        groups = probe_groups(lq)
        modulation = None if self.modulation is None else self.modulation(groups)
        features = modulate(self.head(self.fold(resize_groups(groups, self.input_size))), modulation, 0)
        for _ in range(self.repeats):
            for index, block in enumerate(self.body, 1):
                features = modulate(block(features), modulation, index)
        return resize_groups(groups, self.image_size) + self.tail(features)

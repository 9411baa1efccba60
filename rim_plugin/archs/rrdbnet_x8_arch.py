"""ESRGAN's generator at x8. BasicSR's own RRDBNet with ``scale: 8`` silently enlarges by 4 (BasicSR#652)."""

import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.archs.layers import resize
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count

from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class RRDBNetX8(RRDBNet):
    """RRDBNet of Wang et al. 2018 (ESRGAN) with a third nearest-neighbour upsampling step: 16,734,915 parameters.

    Probes of any size are first brought to ``image_size / 8``, 28 pixels, by (antialiased) bicubic: a larger probe
    loses what detail it has beyond that.

    Args:
        num_in_ch: image channels of the probe.
        num_out_ch: image channels of the result.
        num_feat: width.
        num_block: RRDB blocks.
        num_grow_ch: growth of the dense blocks.
        image_size: side of the HR image, a multiple of 8.

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_out_ch, image_size, image_size), not clamped.

    Raises:
        OptionsError: ``image_size`` is no multiple of 8.
    """

    def __init__(
        self,
        num_in_ch: Count = 3,
        num_out_ch: Count = 3,
        num_feat: Count = 64,
        num_block: int = 23,
        num_grow_ch: Count = 32,
        image_size: Count = 224,
    ) -> None:
        super().__init__(num_in_ch, num_out_ch, 4, num_feat, num_block, num_grow_ch)
        if image_size % 8:
            raise OptionsError(f'image_size: {image_size} is no multiple of 8, by which RRDBNetX8 enlarges')
        self.input_size = image_size // 8
        self.conv_up3 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)

    def forward(self, lq: Tensor) -> Tensor:
        features = self.conv_first(resize(lq, self.input_size))
        features = features + self.conv_body(self.body(features))
        for conv in (self.conv_up1, self.conv_up2, self.conv_up3):
            features = self.lrelu(conv(F.interpolate(features, scale_factor=2, mode='nearest')))
        return self.conv_last(self.lrelu(self.conv_hr(features)))

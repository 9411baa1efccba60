"""Peak signal-to-noise ratio of 8-bit images.

torchmetrics computes its constants in float32, which shifts every value by about 1e-6 dB; the equation below does not.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rim_plugin.evaluation.eight_bit import compared, image_pair
from rim_plugin.evaluation.metric import ImageMetric, register_metric
from rim_plugin.options.kinds import Size


@register_metric('calculate_psnr_batch')
class PSNR(ImageMetric):
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / MSE) on 8-bit values, as BasicSR's ``calculate_psnr``.

    ``inf`` for identical images.

    Args:
        crop_border: pixels left out at each edge.
        test_y_channel: on Y of YCbCr (BT.601, 16 to 235) instead of RGB.
    """

    digits = 2
    needs = ('sr', 'gt')
    standard = {'psnr_y': {'test_y_channel': True}, 'psnr_rgb': {}}
    order = 10
    replaces = 'calculate_psnr'

    def __init__(self, crop_border: Size = 0, test_y_channel: bool = False) -> None:
        super().__init__()
        self.crop_border, self.test_y_channel = crop_border, test_y_channel
        self.title = 'PSNR Y' if test_y_channel else 'PSNR RGB'

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64 of ``sr`` and ``gt``, (n, 3 or 1, H, W) in [0, 1], RGB.

        Raises:
            ValueError: the shapes differ, are not 4-D, or nothing is left after cropping.
        """
        sr, gt = (compared(each, self.crop_border, self.test_y_channel, 'PSNR') for each in image_pair(data, 'PSNR'))
        mse = (sr - gt).square_().flatten(1).mean(1, dtype=torch.float64)
        return 10 * torch.log10(255**2 / mse)

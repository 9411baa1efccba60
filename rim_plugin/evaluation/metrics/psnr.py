"""Peak signal-to-noise ratio of 8-bit images.

torchmetrics computes its constants in float32, which shifts every value by about 1e-6 dB; the equation below does not.
"""

import torch
from torch import Tensor

from rim_plugin.evaluation.eight_bit import EightBitMetric
from rim_plugin.evaluation.metric import register_metric


@register_metric('calculate_psnr_batch')
class PSNR(EightBitMetric):
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / MSE) on 8-bit values, as BasicSR's ``calculate_psnr``.

    ``inf`` for identical images. Arguments: see :class:`EightBitMetric`.
    """

    label = 'PSNR'
    unit = ' (dB)'
    digits = 2
    standard = {'psnr_y': {'test_y_channel': True}, 'psnr_rgb': {}}
    order = 10
    replaces = 'calculate_psnr'

    def score(self, sr: Tensor, gt: Tensor) -> Tensor:
        """(n,) float64 of images (n, C, H, W) in 0 to 255."""
        mse = (sr - gt).square_().flatten(1).mean(1, dtype=torch.float64)
        return 10 * torch.log10(255**2 / mse)

"""Structural similarity of 8-bit images.

torchmetrics' ``structural_similarity_index_measure``, cropped to where the window is inside, takes 5 times as long in
float32, off by 5e-6, and 69 times as long in float64 (16 faces of 224 pixels, one core); hence a function of our own.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rim_plugin.evaluation.eight_bit import EightBitMetric
from rim_plugin.evaluation.metric import register_metric

_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


@register_metric('calculate_ssim_batch')
class SSIM(EightBitMetric):
    """Structural similarity (Wang et al., 2004): 11 x 11 Gaussian window, sigma 1.5, mean over channels, at most 1.

    Equals BasicSR's ``calculate_ssim`` to 1e-6. Arguments: see :class:`EightBitMetric`.
    """

    label = 'SSIM'
    least = _WINDOW
    standard = {'ssim_y': {'test_y_channel': True}, 'ssim_rgb': {}}
    order = 20
    replaces = 'calculate_ssim'

    def score(self, sr: Tensor, gt: Tensor) -> Tensor:
        """(n,) float64 of images (n, C, H, W) in 0 to 255."""
        # A variance does not change with a shift: values about 0 keep E[x^2] - E[x]^2 accurate in float32, and only the
        # sum of the two variances is needed, so four maps are smoothed instead of five.
        x, y = (_planes_as_channels(image) - 128 for image in (sr, gt))
        mean_x, mean_y, mean_squares, mean_product = _smooth(torch.cat([x, y, x * x + y * y, x * y], 1)).chunk(4, 1)
        mean_xy = mean_x * mean_y
        mean_xx_yy = mean_x.square().addcmul_(mean_y, mean_y)
        # in place: new maps cost a third of the time; structure = (2 cov + C2) / (variances + C2)
        structure = (mean_product - mean_xy).mul_(2).add_(_C2).div_((mean_squares - mean_xx_yy).add_(_C2))
        # the shift undone: (x + 128)(y + 128) = xy + 128 (x + y) + 128^2
        offset = (mean_x + mean_y).mul_(128).add_(128**2)
        luminance = mean_xy.add_(offset).mul_(2).add_(_C1).div_(mean_xx_yy.add_(offset, alpha=2).add_(_C1))
        of_planes = luminance.mul_(structure).mean((0, 2, 3), dtype=torch.float64)
        return of_planes.view(sr.shape[:2]).mean(1)


def _planes_as_channels(image: Tensor) -> Tensor:
    """(N, C, H, W) to (1, N * C, H, W) in channels_last, in which a CPU's depthwise convolution is fastest."""
    planes = image.flatten(0, 1).unsqueeze(0)
    # float64 elsewhere: a GPU may round float32 convolutions to TF32
    wide = torch.float32 if image.device.type == 'cpu' else torch.float64
    return planes.to(wide, memory_format=torch.channels_last)


def _smooth(maps: Tensor) -> Tensor:
    """Gaussian window along both axes, inside only: (1, K, H, W) to (1, K, H - 10, W - 10)."""
    half = _WINDOW // 2
    weights = [math.exp(-((offset - half) ** 2) / (2 * _SIGMA**2)) for offset in range(_WINDOW)]
    channels = maps.shape[1]
    window = (torch.tensor(weights, dtype=torch.float64) / sum(weights)).to(maps).expand(channels, 1, _WINDOW)
    with torch.autocast(maps.device.type, enabled=False):
        maps = F.conv2d(maps, window.unsqueeze(3), groups=channels)
        return F.conv2d(maps, window.unsqueeze(2), groups=channels)

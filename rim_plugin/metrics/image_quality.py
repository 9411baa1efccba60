"""PSNR and SSIM of whole batches, equal to BasicSR's per-image metrics and several times as fast."""

import math

import torch
from torch.nn import functional as F

from basicsr.utils.registry import METRIC_REGISTRY

_WINDOW = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_IMAGES_AT_A_TIME = 4  # keeps the intermediate maps small, and on a CPU in its cache


@METRIC_REGISTRY.register()
def calculate_psnr_batch(data, crop_border=0, test_y_channel=False):
    """Peak signal-to-noise ratio of each image in dB: 10 log10(255^2 / MSE) on 8-bit values.

    Equals BasicSR's ``calculate_psnr`` on ``tensor2img`` of the images.

    Args:
        data (dict): ``sr`` and ``gt``, (N, 3 or 1, H, W) in [0, 1], RGB; both are rounded to 8 bits first.
        crop_border (int): pixels left out at each edge. Default: 0.
        test_y_channel (bool): on Y of YCbCr (BT.601, 16 to 235) instead of RGB. Default: False.

    Returns:
        Tensor: (N,) float64; inf for identical images.

    Raises:
        ValueError: shapes differ, are not 4-D, or nothing is left after cropping.
    """
    return _by_chunks(_psnr, data, crop_border, test_y_channel, least=1, name='PSNR')


@METRIC_REGISTRY.register()
def calculate_ssim_batch(data, crop_border=0, test_y_channel=False):
    """Structural similarity of each image (Wang et al., 2004): 11 x 11 Gaussian window, sigma 1.5, channel mean.

    Equals BasicSR's ``calculate_ssim`` on ``tensor2img`` of the images to 1e-6.

    Args:
        data (dict): ``sr`` and ``gt``, (N, 3 or 1, H, W) in [0, 1], RGB; both are rounded to 8 bits first.
        crop_border (int): pixels left out at each edge. Default: 0.
        test_y_channel (bool): on Y of YCbCr (BT.601, 16 to 235) instead of RGB. Default: False.

    Returns:
        Tensor: (N,) float64, at most 1.

    Raises:
        ValueError: shapes differ, are not 4-D, or less than 11 pixels are left after cropping.
    """
    return _by_chunks(_ssim, data, crop_border, test_y_channel, least=_WINDOW, name='SSIM')


for _metric in (calculate_psnr_batch, calculate_ssim_batch):
    _metric.batched = _metric.images_alone = True
    _metric.better = 'higher'


def _by_chunks(chunk_metric, data, crop_border, test_y_channel, least, name):
    sr, gt = data['sr'], data['gt']
    if sr.dim() != 4 or sr.shape != gt.shape:
        raise ValueError(
            f'{name}: sr and gt must have one shape (N, C, H, W), not {tuple(sr.shape)} and {tuple(gt.shape)}'
        )
    height, width = (side - 2 * crop_border for side in sr.shape[2:])
    if min(height, width) < least:
        raise ValueError(
            f'{name}: {height} x {width} pixels are left after crop_border {crop_border}, '
            f'at least {least} x {least} are needed'
        )

    def prepare(image):
        image = image[:, :, crop_border : crop_border + height, crop_border : crop_border + width]
        return _luma(_eight_bits(image)) if test_y_channel else _eight_bits(image)

    chunks = zip(sr.detach().split(_IMAGES_AT_A_TIME), gt.detach().split(_IMAGES_AT_A_TIME))
    return torch.cat([chunk_metric(prepare(a), prepare(b)) for a, b in chunks])


def _eight_bits(image):
    """Values 0 to 255 as float32, rounded as BasicSR's ``tensor2img`` does."""
    return image.float().clamp(0, 1).mul_(255).round_()


def _luma(image):
    """Y of YCbCr (ITU-R BT.601, studio swing) of (N, 3, H, W) in 0 to 255; a grey image stays as it is."""
    if image.shape[1] == 1:
        return image
    red, green, blue = image.split(1, dim=1)
    return (65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16


def _psnr(sr, gt):
    mse = (sr - gt).square_().flatten(1).mean(1, dtype=torch.float64)
    return 10 * torch.log10(255**2 / mse)


def _ssim(sr, gt):
    # A variance does not change with a shift: values about 0 keep E[x^2] - E[x]^2 accurate in float32, and only the
    # sum of the two variances is needed, so four maps are smoothed instead of five.
    x, y = (_planes_as_channels(image) - 128 for image in (sr, gt))
    mean_x, mean_y, mean_squares, mean_product = _smooth(torch.cat([x, y, x * x + y * y, x * y], 1)).chunk(4, 1)
    mean_xy = mean_x * mean_y
    mean_xx_yy = mean_x.square() + mean_y.square()
    structure = (2 * (mean_product - mean_xy) + _C2) / (mean_squares - mean_xx_yy + _C2)
    # the shift undone: (x + 128)(y + 128) = xy + 128 (x + y) + 128^2
    offset = 128 * (mean_x + mean_y) + 128**2
    luminance = (2 * (mean_xy + offset) + _C1) / (mean_xx_yy + 2 * offset + _C1)
    of_planes = (luminance * structure).mean((0, 2, 3), dtype=torch.float64)
    return of_planes.view(sr.shape[:2]).mean(1)


def _planes_as_channels(image):
    """(N, C, H, W) to (1, N * C, H, W) in channels_last, in which a CPU's depthwise convolution is fastest."""
    planes = image.flatten(0, 1).unsqueeze(0)
    # float64 elsewhere: a GPU may round float32 convolutions to TF32
    wide = torch.float32 if image.device.type == 'cpu' else torch.float64
    return planes.to(wide, memory_format=torch.channels_last)


def _smooth(maps):
    """Gaussian window along both axes, inside only: (1, K, H, W) to (1, K, H - 10, W - 10)."""
    half = _WINDOW // 2
    weights = [math.exp(-((offset - half) ** 2) / (2 * _SIGMA**2)) for offset in range(_WINDOW)]
    channels = maps.shape[1]
    window = (torch.tensor(weights, dtype=torch.float64) / sum(weights)).to(maps).expand(channels, 1, _WINDOW)
    with torch.autocast(maps.device.type, enabled=False):
        maps = F.conv2d(maps, window.unsqueeze(3), groups=channels)
        return F.conv2d(maps, window.unsqueeze(2), groups=channels)

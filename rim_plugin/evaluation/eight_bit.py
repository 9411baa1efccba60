"""SR and HR images as metrics of images compare them: 8-bit values, cropped, as RGB or as Y."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def image_pair(data: Mapping[str, Any], metric: str) -> tuple[Tensor, Tensor]:
    """``sr`` and ``gt`` of a batch, (N, C, H, W).

    Raises:
        ValueError: not of one shape of this kind; the message begins with the name of the metric.
    """
    sr, gt = data['sr'].detach(), data['gt'].detach()
    if sr.dim() != 4 or sr.shape != gt.shape:
        raise ValueError(
            f'{metric}: sr and gt must have one shape (N, C, H, W), not {tuple(sr.shape)} and {tuple(gt.shape)}'
        )
    return sr, gt


def compared(image: Tensor, crop_border: int, test_y_channel: bool, metric: str, least: int = 1) -> Tensor:
    """Values 0 to 255 as float32, as BasicSR's metrics compare them.

    Args:
        image: (N, 3 or 1, H, W), RGB in [0, 1]; rounded to 8 bits as BasicSR's ``tensor2img`` does.
        crop_border: pixels left out at each edge.
        test_y_channel: Y alone.
        metric: for messages.
        least: pixels that must be left along both sides.

    Raises:
        ValueError: too few pixels are left.
    """
    height, width = (side - 2 * crop_border for side in image.shape[2:])
    if min(height, width) < least:
        raise ValueError(
            f'{metric}: {height} x {width} pixels are left after crop_border {crop_border}, '
            f'at least {least} x {least} are needed'
        )
    image = eight_bits(image[:, :, crop_border : crop_border + height, crop_border : crop_border + width])
    return luma(image) if test_y_channel else image


def eight_bits(image: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1] to whole numbers 0 to 255 as float32; values outside are clamped."""
    return image.float().clamp(0, 1).mul_(255).round_()


def luma(image: Tensor) -> Tensor:
    """Y of YCbCr (ITU-R BT.601, studio swing: 16 to 235) of (N, 3, H, W) in 0 to 255; a grey image stays as it is."""
    if image.shape[1] == 1:
        return image
    red, green, blue = image.split(1, dim=1)
    return (65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16

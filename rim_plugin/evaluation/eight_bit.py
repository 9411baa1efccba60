"""Metrics of SR and HR images as 8-bit values, cropped, as RGB, as Y or by networks, and what these share."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from rim_plugin.evaluation.metric import ImageMetric
from rim_plugin.options.kinds import Size

_IMAGES_AT_A_TIME = 4  # keeps the intermediate maps small, and on a CPU in its cache


class EightBitMetric(ImageMetric):
    """A metric of the values that BasicSR's ``tensor2img`` writes. Subclasses implement :meth:`score`.

    Args:
        crop_border: pixels left out at each edge.
        test_y_channel: on Y of YCbCr (BT.601, 16 to 235) instead of RGB.

    Attributes:
        label: its name in titles and messages.
        unit: behind the name in figures, which show the metric of Y.
        least: pixels that must be left along both sides.
    """

    needs = ('sr', 'gt')
    label: ClassVar[str]
    unit: ClassVar[str] = ''
    least: ClassVar[int] = 1

    def __init__(self, crop_border: Size = 0, test_y_channel: bool = False) -> None:
        super().__init__()
        self.crop_border, self.test_y_channel = crop_border, test_y_channel
        self.title = f'{self.label} {"Y" if test_y_channel else "RGB"}'
        self.axis = f'{self.label} of Y{self.unit}' if test_y_channel else ''

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64 of ``sr`` and ``gt``, (n, 3 or 1, H, W) in [0, 1], RGB.

        Raises:
            ValueError: the shapes differ, are not 4-D, or too few pixels are left after cropping.
        """
        sr, gt = data['sr'].detach(), data['gt'].detach()
        if sr.dim() != 4 or sr.shape != gt.shape:
            raise ValueError(
                f'{self.label}: sr and gt must have one shape (N, C, H, W), not {tuple(sr.shape)} and {tuple(gt.shape)}'
            )
        chunks = zip(sr.split(_IMAGES_AT_A_TIME), gt.split(_IMAGES_AT_A_TIME))
        return torch.cat([self.score(self._compared(sr), self._compared(gt)) for sr, gt in chunks])

    def score(self, sr: Tensor, gt: Tensor) -> Tensor:
        """(n,) float64 of images (n, C, H, W), whole numbers 0 to 255, or Y, as float32."""
        raise NotImplementedError

    def _compared(self, image: Tensor) -> Tensor:
        border = self.crop_border
        height, width = (side - 2 * border for side in image.shape[2:])
        if min(height, width) < self.least:
            raise ValueError(
                f'{self.label}: {height} x {width} pixels are left after crop_border {border}, '
                f'at least {self.least} x {self.least} are needed'
            )
        image = levels(image[:, :, border : border + height, border : border + width])
        return luma(image) if self.test_y_channel else image


class PerceptualMetric(EightBitMetric):
    """A distance that a network sees between colour images. Subclasses implement :meth:`distance`.

    Args:
        weights: file of the network's weights.
    """

    higher_is_better = False
    digits = 3

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.title, self.weights = self.label, str(weights)

    def score(self, sr: Tensor, gt: Tensor) -> Tensor:
        """(n,) float64 of colour images (n, 3, H, W) in 0 to 255.

        Raises:
            OptionsError: the file is missing, damaged or another network's, or a package is not installed.
            ValueError: the images are not in colour.
        """
        if sr.shape[1] != 3:
            raise ValueError(f'{self.label}: sr and gt must have one shape (N, 3, H, W), not {tuple(sr.shape)} twice')
        return self.distance(sr / 255, gt / 255).reshape(-1).double()

    def distance(self, sr: Tensor, gt: Tensor) -> Tensor:
        """n values of images (n, 3, H, W) in [0, 1]."""
        raise NotImplementedError


def levels(images: Tensor) -> Tensor:
    """Values in [0, 1], clamped, as BasicSR's ``tensor2img`` writes them: whole numbers 0 to 255, float32."""
    return images.float().clamp(0, 1).mul_(255).round_()


def luma(image: Tensor) -> Tensor:
    """Y of YCbCr (ITU-R BT.601, studio swing: 16 to 235) of (N, 3, H, W) in 0 to 255; a grey image stays as it is."""
    if image.shape[1] == 1:
        return image
    red, green, blue = image.split(1, dim=1)
    return (65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16

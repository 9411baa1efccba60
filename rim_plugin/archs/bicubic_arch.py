"""Bicubic enlargement as a network: the row that every comparison begins with."""

from torch import Tensor, nn

from rim_plugin.archs.layers import bicubic
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class Bicubic(nn.Module):
    """Bicubic enlargement (a = -0.75, as torch and OpenCV have it); there are no parameters, so it is tested only.

    The same as the baseline of validation's margins.

    Args:
        image_size: side of the HR image.

    Shapes:
        lq (N, C, h, w) in [0, 1] to (N, C, image_size, image_size), not clamped.
    """

    def __init__(self, image_size: Count = 224) -> None:
        super().__init__()
        self.input_size = self.image_size = image_size

    def forward(self, lq: Tensor) -> Tensor:
        return bicubic(lq, self.image_size)

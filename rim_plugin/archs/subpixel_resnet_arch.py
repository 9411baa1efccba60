"""The plainest rival: residual blocks on the probe's own grid, one sub-pixel step, bicubic interpolation beside it."""

from torch import Tensor, nn

from rim_plugin.archs.layers import SubPixelImage, bicubic, he_init, residual_stack, resize
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class SubPixelResNet(nn.Module):
    """3x3 convolution, residual blocks (Lim et al. 2017, without a scale), 3x3 to one pixel shuffle (Shi et al. 2016).

    0.65 GFLOP a face and 0.42 million parameters at the default widths. It learns the residual over bicubic, and starts
    as that.

    Args:
        image_size: side of the HR image, a multiple of ``input_size``.
        input_size: side to which a probe is brought first; larger ones lose detail.
        channels: width.
        blocks: residual blocks.

    Shapes:
        lq (N, 3, h, w) in [0, 1], any h and w, to (N, 3, image_size, image_size), not clamped.

    Raises:
        OptionsError: ``input_size`` does not divide ``image_size``.
    """

    def __init__(
        self, image_size: Count = 224, input_size: Count = 28, channels: Count = 48, blocks: Count = 8
    ) -> None:
        super().__init__()
        if image_size % input_size:
            raise OptionsError(f'input_size: {input_size} does not divide image_size {image_size}')
        self.image_size, self.input_size = image_size, input_size
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        he_init(self.head)
        self.body = residual_stack(channels, blocks, activation='relu', init_scale=0.0)
        self.tail = SubPixelImage(channels, image_size // input_size)

    def forward(self, lq: Tensor) -> Tensor:
        small = resize(lq, self.input_size)
        return bicubic(small, self.image_size) + self.tail(self.body(self.head(small - 0.5)))

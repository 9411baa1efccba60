"""SRCNN: Dong et al., *Image Super-Resolution Using Deep Convolutional Networks*, TPAMI 2016."""

from torch import Tensor, nn

from rim_plugin.archs.layers import he_init, resize, zero_bias
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class SRCNN(nn.Module):
    """Three convolutions on the bicubic-enlarged probe: 69,251 parameters; 57,281 for one channel.

    Zero-padded, so that the output has the size of the HR image. Hidden layers begin with He's initialisation, the last
    one with the paper's sigma of 0.001; the paper has that everywhere, and a far longer training.

    Args:
        image_size: side of the HR image.
        num_in_ch: image channels. 3: RGB; 1: luma.
        channels: widths of the two hidden layers.
        kernels: sides of the three kernels, odd.

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_in_ch, image_size, image_size), not clamped.
    """

    def __init__(
        self,
        image_size: Count = 224,
        num_in_ch: Count = 3,
        channels: tuple[Count, Count] = (64, 32),
        kernels: tuple[Count, Count, Count] = (9, 5, 5),
    ) -> None:
        super().__init__()
        self.input_size = image_size
        widths = (num_in_ch, *channels, num_in_ch)
        patches, mapping, self.last_layer = (
            nn.Conv2d(widths[i], widths[i + 1], kernel, padding=kernel // 2) for i, kernel in enumerate(kernels)
        )
        self.body = nn.Sequential(patches, nn.ReLU(), mapping, nn.ReLU())
        he_init(self.body, slope=0)
        nn.init.normal_(self.last_layer.weight, std=1e-3)
        zero_bias(self.last_layer)

    def forward(self, lq: Tensor) -> Tensor:
        return self.last_layer(self.body(resize(lq, self.input_size)))

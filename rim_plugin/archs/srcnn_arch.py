"""SRCNN: Dong et al., *Image Super-Resolution Using Deep Convolutional Networks*, TPAMI 2016."""

from torch import nn

from rim_plugin.archs.layers import resize

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class SRCNN(nn.Module):
    """Three convolutions on the bicubic-enlarged probe: 69,251 parameters; 57,281 for one channel.

    Zero-padded, so that the output has the size of the HR image. Hidden layers begin with He's initialisation, the last
    one with the paper's sigma of 0.001; the paper has that everywhere, and a far longer training.

    Args:
        image_size (int): side of the HR image. Default: 224.
        num_in_ch (int): image channels. 3: RGB; 1: luma. Default: 3.
        channels (tuple[int]): widths of the hidden layers. Default: (64, 32).
        kernels (tuple[int]): sides of the three kernels, odd. Default: (9, 5, 5).

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_in_ch, image_size, image_size), not clamped.
    """

    def __init__(self, image_size=224, num_in_ch=3, channels=(64, 32), kernels=(9, 5, 5)):
        super().__init__()
        self.input_size = image_size
        widths = (num_in_ch, *channels, num_in_ch)
        patches, mapping, self.last_layer = (
            nn.Conv2d(widths[i], widths[i + 1], kernel, padding=kernel // 2) for i, kernel in enumerate(kernels)
        )
        for layer in (patches, mapping):
            nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.last_layer.weight, std=1e-3)
        nn.init.zeros_(self.last_layer.bias)
        self.body = nn.Sequential(patches, nn.ReLU(), mapping, nn.ReLU())

    def forward(self, lq):
        return self.last_layer(self.body(resize(lq, self.input_size)))

"""VDSR: Kim et al., *Accurate Image Super-Resolution Using Very Deep Convolutional Networks*, CVPR 2016."""

from torch import Tensor, nn

from rim_plugin.archs.layers import he_init, resize
from rim_plugin.options.kinds import Count, Several

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class VDSR(nn.Module):
    """Twenty 3x3 convolutions that learn the residual over the bicubic-enlarged probe: 668,227 parameters.

    Without biases 667,008. He initialisation, zero biases.

    Args:
        image_size: side of the HR image.
        num_in_ch: image channels.
        num_feat: width.
        num_layer: convolutions, at least 2.
        bias: whether they have biases.

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_in_ch, image_size, image_size), not clamped.
    """

    def __init__(
        self,
        image_size: Count = 224,
        num_in_ch: Count = 3,
        num_feat: Count = 64,
        num_layer: Several = 20,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = image_size
        layers: list[nn.Module] = []
        for number in range(num_layer - 1):
            width = num_feat if number else num_in_ch
            layers += [nn.Conv2d(width, num_feat, 3, padding=1, bias=bias), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.last_layer = nn.Conv2d(num_feat, num_in_ch, 3, padding=1, bias=bias)
        he_init(self, slope=0)

    def forward(self, lq: Tensor) -> Tensor:
        image = resize(lq, self.input_size)
        return image + self.last_layer(self.body(image))

"""VDSR: Kim et al., *Accurate Image Super-Resolution Using Very Deep Convolutional Networks*, CVPR 2016."""

from torch import nn

from rim_plugin.archs.layers import resize

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class VDSR(nn.Module):
    """Twenty 3x3 convolutions that learn the residual over the bicubic-enlarged probe: 668,227 parameters.

    Without biases 667,008. He initialisation, zero biases.

    Args:
        image_size (int): side of the HR image. Default: 224.
        num_in_ch (int): image channels. num_feat (int): width. num_layer (int): convolutions, at least 2.
        bias (bool): whether they have biases. Default: True.

    Shapes:
        lq (N, num_in_ch, h, w) in [0, 1], any h and w, to (N, num_in_ch, image_size, image_size), not clamped.

    Raises:
        ValueError: fewer than two layers.
    """

    def __init__(self, image_size=224, num_in_ch=3, num_feat=64, num_layer=20, bias=True):
        super().__init__()
        if num_layer < 2:
            raise ValueError(f'num_layer: {num_layer} is too few; VDSR needs a first and a last layer')
        self.input_size = image_size
        layers = []
        for width in (num_in_ch, *[num_feat] * (num_layer - 2)):
            layers += [nn.Conv2d(width, num_feat, 3, padding=1, bias=bias), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.last_layer = nn.Conv2d(num_feat, num_in_ch, 3, padding=1, bias=bias)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
                if bias:
                    nn.init.zeros_(layer.bias)

    def forward(self, lq):
        image = resize(lq, self.input_size)
        return image + self.last_layer(self.body(image))

"""ResNet-IR of Deng et al. 2019 (ArcFace, section 3.1), the paper's teacher: ResNet50-IR by default."""

from typing import Literal

from torch import Tensor, nn

from rim_plugin.archs.layers import he_init
from rim_plugin.archs.recogniser import FeatureInfo, Recogniser
from rim_plugin.errors import check_choice

from basicsr.utils.registry import ARCH_REGISTRY

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
Variant = Literal['insightface', 'face_evolve']
# mean and std of values in [0, 1]: (x - 127.5) / 127.5 and (x - 127.5) / 128 of values up to 255
NORMALISATION = {'insightface': (0.5, 0.5), 'face_evolve': (0.5, 128 / 255)}


def _shortcut(in_channels: int, channels: int, stride: int, variant: Variant) -> nn.Module:
    """What is added to a block's result: (N, in_channels, h, w) to (N, channels, h / stride, w / stride)."""
    if stride == 1:
        return nn.Identity()
    if variant == 'face_evolve' and in_channels == channels:
        return nn.MaxPool2d(1, stride)  # every second pixel
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class IRBlock(nn.Module):
    """BN - conv3 - BN - PReLU - conv3 - BN, plus the shortcut; ``face_evolve`` has no BN between conv3 and PReLU.

    Shapes:
        (N, in_channels, h, w) to (N, channels, h / stride, w / stride); the second convolution strides.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, variant: Variant) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels) if variant == 'insightface' else nn.Identity()
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(in_channels, channels, stride, variant)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(inner)) + self.downsample(x)


@ARCH_REGISTRY.register()
class IResNet(Recogniser):
    """ResNet-IR for faces of 112 pixels, with the parameter names of insightface's arcface_torch.

    ``load_recogniser_weights`` reads published weights into it, from three formats. Without dropout before the fully
    connected layer: it is a teacher and an evaluator here.

    Args:
        depth: 18, 34, 50 or 100 (face.evoLVe's IR-101).
        variant: ``insightface`` or ``face_evolve``, whose weights it takes; they differ in the blocks, in the first
            shortcut and in the normalisation.

    Shapes:
        see Recogniser; block maps 64x56x56, 128x28x28, 256x14x14, 512x7x7; embedding 512-D.

    Raises:
        OptionsError: an unknown ``depth`` or ``variant``.
    """

    feature_info = tuple(FeatureInfo(channels, stride) for channels, stride in ((64, 2), (128, 4), (256, 8), (512, 16)))
    embedding_size = 512
    head_layers = ('bn2', 'fc', 'features')

    def __init__(self, depth: Literal[18, 34, 50, 100] = 50, variant: Variant = 'insightface') -> None:
        check_choice('depth', depth, BLOCKS)
        check_choice('variant', variant, NORMALISATION)
        super().__init__(*NORMALISATION[variant])
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        in_channels = 64
        for index, (info, blocks) in enumerate(zip(self.feature_info, BLOCKS[depth], strict=True), 1):
            first = IRBlock(in_channels, info.channels, 2, variant)
            rest = [IRBlock(info.channels, info.channels, 1, variant) for _ in range(blocks - 1)]
            setattr(self, f'layer{index}', nn.Sequential(first, *rest))
            in_channels = info.channels
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * 7 * 7, self.embedding_size)
        self.features = nn.BatchNorm1d(self.embedding_size)
        he_init(self)

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        x, maps = self.prelu(self.bn1(self.conv1(face))), []
        for index in range(1, len(self.feature_info) + 1):
            x = getattr(self, f'layer{index}')(x)
            maps.append(x)
        return tuple(maps)

    def head(self, block: Tensor) -> Tensor:
        return self.features(self.fc(self.bn2(block).flatten(1)))

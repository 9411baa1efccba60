"""RIM's mix-adversarial discriminator, section 3.1.2 of the paper: feature integrator and domain discriminator."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.archs.layers import PRIOR_STRIDE, Norm, SubPixelImage, conv_prelu, he_init, residual_stack
from rim_plugin.building import build_network
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class FeatureIntegrator(nn.Module):
    """D_theta_i: concatenated tri-path features (N, C, S / 4, S / 4) to the SR image (N, 3, S, S).

    A 3x3 convolution, a transposed convolution to ``feature_size`` (none at S / 4), residual blocks there, and a
    sub-pixel step to S (none where ``feature_size`` is S, as in the paper). Learns what is missing in the coarse image.

    Args:
        in_channels: C.
        image_size: S.
        feature_size: grid of the residual blocks: S (*paper*) down to S / 4 (*fast*).
        channels: width.
        blocks: residual blocks.
        norm: ``instance`` or ``none``.

    Raises:
        OptionsError: sizes that do not divide.
    """

    def __init__(
        self,
        in_channels: Count,
        image_size: Count = 224,
        feature_size: Count = 224,
        channels: Count = 64,
        blocks: int = 3,
        norm: Norm = 'instance',
    ) -> None:
        super().__init__()
        grid = image_size // PRIOR_STRIDE
        if feature_size % grid or image_size % feature_size:
            raise OptionsError(f'feature_size: {feature_size} has to be a multiple of {grid} that divides {image_size}')
        stride = feature_size // grid
        self.head = conv_prelu(in_channels, channels)
        self.enlarge = (
            nn.Sequential(nn.ConvTranspose2d(channels, channels, stride, stride), nn.PReLU(channels))
            if stride > 1
            else nn.Identity()
        )
        he_init(self.enlarge)
        self.body = residual_stack(channels, blocks, norm)
        self.tail = SubPixelImage(channels, image_size // feature_size)

    def forward(self, fused: Tensor, coarse: Tensor) -> Tensor:
        """Fused features (N, C, S / 4, S / 4) and the coarse image (N, 3, S, S) to the SR image (N, 3, S, S)."""
        return coarse + self.tail(self.body(self.enlarge(self.head(fused))))


def build_integrator(options: dict[str, Any] | None, in_channels: int, image_size: int) -> Any:
    """The integrator of a block with its ``type``, FeatureIntegrator by default, and arguments."""
    sizes = {'in_channels': in_channels, 'image_size': image_size}
    return build_network({'type': 'FeatureIntegrator', **sizes, **(options or {})})


class DomainDiscriminator(nn.Module):
    """D_theta_d: concatenated tri-path features (N, C, h, w) to embeddings (N, embedding) for MK-MMD (Eq. 7).

    conv3 - PReLU - average pool - fully connected. The pool takes the place of the authors' 103 M parameters. Each
    embedding is normalised to length 1 by itself, never with batch statistics of a domain: those would erase the
    difference of means that MK-MMD is to see.

    Args:
        in_channels: C.
        channels: width.
        embedding: output size.
        pool: side of the pooled grid.
    """

    def __init__(self, in_channels: Count, channels: Count = 64, embedding: Count = 512, pool: Count = 7) -> None:
        super().__init__()
        self.conv = conv_prelu(in_channels, channels)
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.fc = nn.Linear(channels * pool**2, embedding)

    def forward(self, fused: Tensor) -> Tensor:
        return F.normalize(self.fc(torch.flatten(self.pool(self.conv(fused)), 1)), dim=1)


@ARCH_REGISTRY.register()
class MixAdversarialDiscriminator(nn.Module):
    """D_theta_D: feature integrator D_theta_i (Eq. 5) and domain discriminator D_theta_d (Eq. 6).

    Args:
        in_channels: channels of the generator's fused features; RIMModel fills it in.
        image_size: side of the SR image; RIMModel fills it in.
        integrator: ``type``, FeatureIntegrator by default, and its further arguments.
        discriminator: further arguments of DomainDiscriminator.
        image: a discriminator of images, ``type`` and arguments of any registered one, for ``gan_opt``, which the paper
            does not have; None for none.

    Shapes:
        fused (N, C, S / 4, S / 4), coarse (N, 3, S, S) to SR (N, 3, S, S) and embeddings (N, E).
    """

    inner_blocks: ClassVar[dict[str, Any]] = {
        'integrator': {'FeatureIntegrator': FeatureIntegrator},
        'discriminator': DomainDiscriminator,
        'image': {},
    }

    def __init__(
        self,
        in_channels: Count,
        image_size: Count = 224,
        integrator: dict[str, Any] | None = None,
        discriminator: dict[str, Any] | None = None,
        image: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.integrator = build_integrator(integrator, in_channels, image_size)
        self.discriminator = DomainDiscriminator(in_channels, **(discriminator or {}))
        self.image = None if image is None else build_network(image)

    def forward(self, fused: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        return self.integrator(fused, coarse), self.discriminator(fused)


def is_mixed(options: Mapping[str, Any]) -> bool:
    """Whether a block names a discriminator with an integrator, no other one."""
    return issubclass(ARCH_REGISTRY.get(options['type']), MixAdversarialDiscriminator)


def mixed_options(options: Mapping[str, Any], integrator: str) -> dict[str, Any]:
    """Options of the MixAdversarialDiscriminator that a tri-path generator needs.

    Args:
        options: its own; or those of a discriminator of images, which becomes ``image`` beside a default integrator.
        integrator: ``type`` of that.
    """
    if is_mixed(options):
        return dict(options)
    return {'type': MixAdversarialDiscriminator.__name__, 'integrator': {'type': integrator}, 'image': dict(options)}

"""RIM's mix-adversarial discriminator, section 3.1.2 of the paper: feature integrator and domain discriminator."""

import torch
import torch.nn.functional as F
from torch import nn

from rim_plugin.archs.layers import PRIOR_STRIDE, SubPixelImage, conv_prelu, he_init, renamed_arguments, residual_stack

from basicsr.utils.registry import ARCH_REGISTRY


@renamed_arguments(work_size='feature_size')
class FeatureIntegrator(nn.Module):
    """D_theta_i: concatenated tri-path features (N, C, S / 4, S / 4) to the SR image (N, 3, S, S).

    A 3x3 convolution, a transposed convolution to ``feature_size`` (none at S / 4), residual blocks there, and a
    sub-pixel step to S (none where ``feature_size`` is S, as in the paper).

    Args:
        in_channels (int): C. image_size (int): S.
        feature_size (int): grid of the residual blocks: S (*paper*) down to S / 4 (*fast*).
        channels (int): width. blocks (int): residual blocks. norm (str): ``instance`` or ``none``.
        skip (bool): add the coarse image to the output, so that the integrator learns what is missing there.
    """

    def __init__(
        self, in_channels, image_size=224, feature_size=224, channels=64, blocks=3, norm='instance', skip=True
    ):
        super().__init__()
        grid = image_size // PRIOR_STRIDE
        if feature_size % grid or image_size % feature_size:
            raise ValueError(f'feature_size: {feature_size} has to be a multiple of {grid} that divides {image_size}')
        stride = feature_size // grid
        self.skip = skip
        self.head = conv_prelu(in_channels, channels)
        self.enlarge = (
            nn.Sequential(nn.ConvTranspose2d(channels, channels, stride, stride), nn.PReLU(channels))
            if stride > 1
            else nn.Identity()
        )
        he_init(self.enlarge)
        self.body = residual_stack(channels, blocks, norm)
        self.tail = SubPixelImage(channels, image_size // feature_size)

    def forward(self, fused, coarse):
        """Fused features (N, C, S / 4, S / 4) and the coarse image (N, 3, S, S) to the SR image (N, 3, S, S)."""
        image = self.tail(self.body(self.enlarge(self.head(fused))))
        return coarse + image if self.skip else image


class DomainDiscriminator(nn.Module):
    """D_theta_d: concatenated tri-path features (N, C, h, w) to embeddings (N, embedding) for MK-MMD (Eq. 7).

    conv3 - PReLU - average pool - fully connected. The pool takes the place of the authors' 103 M parameters. The
    output is normalised per sample (``layer`` or ``l2``), never with batch statistics of a domain: those would erase
    the difference of means that MK-MMD is to see.

    Args:
        in_channels (int): C. channels (int): width. embedding (int): output size.
        pool (int): side of the pooled grid. normalise (str): ``l2`` or ``layer``.
    """

    def __init__(self, in_channels, channels=64, embedding=512, pool=7, normalise='l2'):
        super().__init__()
        if normalise not in ('l2', 'layer'):
            raise ValueError(f"normalise: '{normalise}' is unknown; choose one of l2, layer")
        self.normalise = normalise
        self.conv = conv_prelu(in_channels, channels)
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.fc = nn.Linear(channels * pool**2, embedding)

    def forward(self, fused):
        embedding = self.fc(torch.flatten(self.pool(self.conv(fused)), 1))
        if self.normalise == 'l2':
            return F.normalize(embedding, dim=1)
        return F.layer_norm(embedding, embedding.shape[1:])


@ARCH_REGISTRY.register()
class MixAdversarialDiscriminator(nn.Module):
    """D_theta_D: feature integrator D_theta_i (Eq. 5) and domain discriminator D_theta_d (Eq. 6).

    Args:
        in_channels (int): channels of the generator's fused features; RIMModel fills it in.
        image_size (int): side of the SR image; RIMModel fills it in.
        integrator (dict): further arguments of FeatureIntegrator.
        discriminator (dict): further arguments of DomainDiscriminator.

    Shapes:
        fused (N, C, S / 4, S / 4), coarse (N, 3, S, S) to SR (N, 3, S, S) and embeddings (N, E).
    """

    inner_blocks = {'integrator': FeatureIntegrator, 'discriminator': DomainDiscriminator}

    def __init__(self, in_channels, image_size=224, integrator=None, discriminator=None):
        super().__init__()
        self.integrator = FeatureIntegrator(in_channels, image_size, **(integrator or {}))
        self.discriminator = DomainDiscriminator(in_channels, **(discriminator or {}))

    def forward(self, fused, coarse):
        return self.integrator(fused, coarse), self.discriminator(fused)

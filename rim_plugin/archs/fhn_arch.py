"""RIM's face hallucination network (FHN), section 3.1 of the paper: prior-aided tri-path generator and integrator."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from rim_plugin.archs.coarse_sr import CoarseSRNet
from rim_plugin.archs.layers import PRIOR_STRIDE, Hourglass, Norm, conv_prelu, residual_stack, resize, starting_at_zero
from rim_plugin.archs.mix_discriminator_arch import FeatureIntegrator, build_integrator
from rim_plugin.building import build_network
from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

PriorPaths = Literal['separate', 'shared', 'landmark', 'parsing', 'none'] | None  # None as of Norm
Concat = Literal['features', 'features+priors']


class TriPathOutput(NamedTuple):
    """What the tri-path generator makes of an image; P is the prior grid, 56 for a 224-pixel face.

    Attributes:
        coarse: coarse SR image I_c (N, 3, S, S) in about [0, 1]; for ``encode`` the image itself.
        fused: the features of all paths, concatenated, which the mix-adversarial discriminator reads (N, C, P, P).
        heatmaps: (N, L, P, P), about [0, 1], or None.
        parsing: class logits (N, 11, P, P), or None.
        points: landmarks (N, L, 2), x and y over the side of the image, of a path that regresses them; or None.
    """

    coarse: Tensor
    fused: Tensor
    heatmaps: Tensor | None
    parsing: Tensor | None
    points: Tensor | None = None


def image_stem(channels: int) -> nn.Sequential:
    """7x7 convolution with stride 4 and PReLU, as in the authors' code: the image to the prior grid."""
    return conv_prelu(3, channels, 7, stride=PRIOR_STRIDE)


class GlobalPath(nn.Module):
    """G_theta_f: image (N, 3, S, S) to features of the global structure (N, channels, S / 4, S / 4)."""

    def __init__(self, channels: int = 64, blocks: int = 3, norm: Norm = 'instance') -> None:
        super().__init__()
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, blocks, norm)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(self.stem(image))


def prior_head(channels: int, count: int) -> nn.Sequential:
    """Features (N, channels, h, w) to an estimate (N, count, h, w), by 1x1 convolutions.

    The wide hidden layer matters where ``channels`` is below ``count``: maps that are linear in fewer features than
    there are landmarks cannot peak at one place each. The estimate starts at zero; else the first, arbitrary ones shake
    the coarse network's optimizer.
    """
    hidden = conv_prelu(channels, 2 * count, 1)
    return nn.Sequential(*hidden, starting_at_zero(nn.Conv2d(2 * count, count, 1)))


class PriorPath(nn.Module):
    """G_theta_l or G_theta_p: image to features on a quarter of its side, through an hourglass, and 1x1 heads.

    Args:
        heads: name and channels of each estimate, e.g. ``{'heatmaps': 68}``.
        channels: width.
        blocks: residual blocks before the hourglass.
        hourglass_depth: poolings in the hourglass.
        hourglass_blocks: residual blocks in each place of the hourglass.
        norm: ``instance`` or ``none``.
    """

    def __init__(
        self,
        heads: Mapping[str, int],
        channels: int = 128,
        blocks: int = 3,
        hourglass_depth: int = 2,
        hourglass_blocks: int = 2,
        norm: Norm = 'instance',
    ) -> None:
        super().__init__()
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, blocks, norm)
        hourglass = Hourglass(hourglass_depth, channels, hourglass_blocks, norm)
        self.hourglasses = nn.ModuleList([hourglass])  # a list of one: weights are stored under hourglasses.0
        self.heads = nn.ModuleDict({name: prior_head(channels, count) for name, count in heads.items()})

    def forward(self, image: Tensor, estimates: bool = True) -> tuple[Tensor, dict[str, Tensor]]:
        """Features and estimates.

        Args:
            image: (N, 3, S, S).
            estimates: False leaves the estimates out.

        Returns:
            Features (N, channels, S / 4, S / 4), and each head's name and map (N, count, S / 4, S / 4).
        """
        features = self.body(self.stem(image))
        for hourglass in self.hourglasses:
            features = features + hourglass(features)
        return features, {name: head(features) for name, head in self.heads.items()} if estimates else {}


@ARCH_REGISTRY.register()
class TriPathGenerator(nn.Module):
    """G_theta_G of Eq. 1: coarse SR network, global path, landmark path and parsing path.

    Args:
        image_size: side of the HR image, a multiple of ``4 * 2 ** hourglass_depth``.
        feature_size: grid of the coarse network. 224: *paper*; 56: *fast* (sub-pixel step to 224).
        num_landmarks: heatmaps.
        num_classes: parsing classes (Helen: 11).
        prior_paths: ``separate`` (paper), ``shared`` (one trunk with two heads, authors' code), ``landmark``,
            ``parsing`` (one path alone) or ``none`` (global path alone), for ablations.
        concat: ``features`` (paper) or ``features+priors`` (the estimated maps, too).
        coarse_channels: width of the coarse network, see CoarseSRNet.
        coarse_blocks: its residual blocks.
        coarse_repeats: times that these are applied.
        global_channels: width of the global path.
        global_blocks: its residual blocks.
        prior_channels: width of the landmark and of the parsing path, see PriorPath.
        prior_blocks: residual blocks of each before its hourglass.
        hourglass_depth: poolings in the hourglass.
        hourglass_blocks: residual blocks in each place of the hourglass.
        norm: ``instance`` (authors' code) or ``none``, in every path.
        prior_norm: the same for the prior paths alone. None: as ``norm``.
        coarse_input_size: side at which probes enter the coarse network, a multiple of ``feature_size``; it sees no
            more detail than that. None: ``feature_size``.
        coarse_size_modulation: whether the probe's size modulates the coarse network, for probes of many sizes.

    Raises:
        OptionsError: sizes that do not divide; an unknown ``prior_paths``, ``concat`` or ``norm``.
    """

    PATHS: ClassVar[dict[str, tuple[str, ...]]] = {
        'separate': ('heatmaps', 'parsing'),
        'shared': ('heatmaps', 'parsing'),
        'landmark': ('heatmaps',),
        'parsing': ('parsing',),
        'none': (),
    }
    integrator_type: ClassVar[str] = 'FeatureIntegrator'  # on the grid of the fused features
    coarse: nn.Module
    global_path: nn.Module

    def __init__(
        self,
        image_size: Count = 224,
        feature_size: Count = 224,
        num_landmarks: Count = 68,
        num_classes: Count = 11,
        prior_paths: PriorPaths = 'separate',
        concat: Concat = 'features',
        coarse_channels: Count = 64,
        coarse_blocks: int = 3,
        coarse_repeats: int = 3,
        global_channels: Count = 64,
        global_blocks: int = 3,
        prior_channels: Count = 128,
        prior_blocks: int = 3,
        hourglass_depth: int = 2,
        hourglass_blocks: int = 2,
        norm: Norm = 'instance',
        prior_norm: Norm = None,
        coarse_input_size: Count | None = None,
        coarse_size_modulation: bool = False,
    ) -> None:
        super().__init__()
        prior_paths = prior_paths or 'none'
        check_choice('prior_paths', prior_paths, self.PATHS)
        check_choice('concat', concat, get_args(Concat))
        if image_size % (PRIOR_STRIDE * 2**hourglass_depth):
            raise OptionsError(
                f'image_size: {image_size} is no multiple of {PRIOR_STRIDE * 2**hourglass_depth}, '
                f'which hourglass_depth {hourglass_depth} needs'
            )
        counts = {'heatmaps': num_landmarks, 'parsing': num_classes}
        heads = {name: counts[name] for name in self.PATHS[prior_paths]}
        paths = [heads] if prior_paths == 'shared' else [{name: count} for name, count in heads.items()]
        prior = (prior_channels, prior_blocks, hourglass_depth, hourglass_blocks, prior_norm or norm)
        coarse = (coarse_channels, coarse_blocks, coarse_repeats, norm, coarse_input_size, coarse_size_modulation)
        self.image_size, self.concat = image_size, concat
        self.coarse = CoarseSRNet(image_size, feature_size, *coarse)
        self.global_path = GlobalPath(global_channels, global_blocks, norm)
        self.priors = nn.ModuleDict({'+'.join(path): PriorPath(path, *prior) for path in paths})
        self.fused_channels = global_channels + prior_channels * len(paths)
        if concat == 'features+priors':
            self.fused_channels += sum(heads.values())

    def encode(self, image: Tensor, estimates: bool = True) -> TriPathOutput:
        """Tri-path features of an HR or coarse image, without the coarse network.

        Args:
            image: (N, 3, S, S) in [0, 1].
            estimates: False leaves heatmaps and parsing out, a quarter of the time, unless ``concat`` has them.

        Returns:
            With the image itself as ``coarse``.
        """
        image = resize(image, self.image_size)
        fused, maps = [self.global_path(image)], {}
        for path in self.priors.values():
            features, path_maps = path(image, estimates or self.concat == 'features+priors')
            fused.append(features)
            maps.update(path_maps)
        if self.concat == 'features+priors':
            fused += [maps['heatmaps']] if 'heatmaps' in maps else []
            fused += [maps['parsing'].softmax(1)] if 'parsing' in maps else []
        return TriPathOutput(image, torch.cat(fused, 1), maps.get('heatmaps'), maps.get('parsing'))

    def forward(
        self, lq: Tensor | list[Tensor], hr: Tensor | None = None
    ) -> TriPathOutput | tuple[TriPathOutput, TriPathOutput]:
        """Probes to TriPathOutput; with ``hr`` a pair of them, of which the second may lack the estimates.

        Both domains go through in one call, so that DistributedDataParallel sees one forward for one backward.

        Args:
            lq: (N, 3, h, w) in [0, 1], any h and w, or probes of several sizes, N in all.
            hr: (N, 3, S, S) in [0, 1].
        """
        probe = self.encode(self.coarse(lq))
        return probe if hr is None else (probe, self.encode(hr, estimates=False))

    def heatmaps(self, lq: Tensor | list[Tensor]) -> Tensor | None:
        """Those of ``forward``, by coarse network and landmark path alone: two thirds of the time."""
        for heads, path in self.priors.items():
            if 'heatmaps' in heads.split('+'):
                return path(resize(self.coarse(lq), self.image_size))[1]['heatmaps']
        return None


@ARCH_REGISTRY.register()
class FHN(nn.Module):
    """The face hallucination network for inference, G_theta_G followed by D_theta_i: lq to SR.

    Runs under BasicSR's own SRModel; RIMModel writes its weights as ``net_fhn_*.pth`` at every save.

    Args:
        generator: ``type``, TriPathGenerator by default, and its arguments.
        integrator: ``type``, FeatureIntegrator by default, and its arguments without ``in_channels``, ``image_size``.

    Shapes:
        lq (N, 3, h, w) in [0, 1] RGB, or a list of such tensors of several sizes, N faces in all, to SR (N, 3,
        image_size, image_size) in about [0, 1], not clamped.
    """

    inner_blocks: ClassVar[dict[str, Any]] = {
        'generator': {'TriPathGenerator': TriPathGenerator},
        'integrator': {'FeatureIntegrator': FeatureIntegrator},
    }

    def __init__(self, generator: dict[str, Any] | None = None, integrator: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.generator = build_network({'type': 'TriPathGenerator', **(generator or {})})
        self.integrator = build_integrator(integrator, self.generator.fused_channels, self.generator.image_size)

    def restore(self, lq: Tensor | list[Tensor], estimates: bool = True) -> tuple[Tensor, TriPathOutput]:
        """The SR image (Eqs. 2 and 5), and what the generator makes of the probes on the way; see ``encode``."""
        output = self.generator.encode(self.generator.coarse(lq), estimates)
        return self.integrator(output.fused, output.coarse), output

    def forward(self, lq: Tensor | list[Tensor]) -> Tensor:
        return self.restore(lq, estimates=False)[0]

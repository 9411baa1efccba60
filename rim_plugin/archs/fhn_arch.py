"""RIM's face hallucination network (FHN), section 3.1 of the paper: prior-aided tri-path generator and integrator."""

from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from rim_plugin.archs.coarse_sr import CoarseConfig, CoarseSRNet
from rim_plugin.archs.layers import PRIOR_STRIDE, Norm, resize
from rim_plugin.archs.mix_discriminator_arch import FeatureIntegrator
from rim_plugin.archs.prior_paths import GlobalPath, PriorConfig, PriorPath
from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

PriorPaths = Literal['separate', 'shared', 'landmark', 'parsing', 'none'] | None  # None as of Norm
Concat = Literal['features', 'features+priors']


class TriPathOutput(NamedTuple):
    """What the tri-path generator makes of an image; P is the prior grid, 56 for a 224-pixel face.

    Attributes:
        coarse: coarse SR image I_c (N, 3, S, S) in about [0, 1]; for ``encode`` the image itself.
        global_features: (N, Cg, P, P).
        landmark_features: (N, Cp, P, P), or None without that path.
        parsing_features: (N, Cp, P, P), or None without that path; the shared trunk's for ``prior_paths: shared``.
        fused: the concatenation that the mix-adversarial discriminator reads (N, C, P, P).
        heatmaps: (N, L, P, P), about [0, 1], or None.
        parsing: class logits (N, 11, P, P), or None.
    """

    coarse: Tensor
    global_features: Tensor
    landmark_features: Tensor | None
    parsing_features: Tensor | None
    fused: Tensor
    heatmaps: Tensor | None
    parsing: Tensor | None


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
        coarse_channels: width of the coarse network, see CoarseConfig.
        coarse_blocks: its residual blocks.
        coarse_repeats: times that these are applied.
        global_channels: width of the global path.
        global_blocks: its residual blocks.
        prior_channels: width of the landmark and of the parsing path, see PriorConfig.
        prior_blocks: residual blocks of each before its hourglass.
        hourglass_depth: poolings in the hourglass.
        hourglass_blocks: residual blocks in each place of the hourglass.
        norm: ``instance`` (authors' code) or ``none``, in every path.
        prior_norm: the same for the prior paths alone. None: as ``norm``.
        coarse_input_size: side at which probes enter the coarse network, a multiple of ``feature_size``; it sees no
            more detail than that. None: ``feature_size``.
        coarse_size_modulation: whether the probe's size modulates the coarse network, for probes of many sizes.

    Raises:
        OptionsError: sizes that do not divide, or an unknown ``prior_paths``, ``concat`` or ``norm``.
    """

    PATHS: ClassVar[dict[str, tuple[str, ...]]] = {
        'separate': ('heatmaps', 'parsing'),
        'shared': ('heatmaps', 'parsing'),
        'landmark': ('heatmaps',),
        'parsing': ('parsing',),
        'none': (),
    }

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
        coarse = CoarseConfig(
            feature_size=feature_size,
            channels=coarse_channels,
            blocks=coarse_blocks,
            repeats=coarse_repeats,
            norm=norm,
            input_size=coarse_input_size,
            size_modulation=coarse_size_modulation,
        )
        prior = PriorConfig(prior_channels, prior_blocks, hourglass_depth, hourglass_blocks, prior_norm or norm)
        counts = {'heatmaps': num_landmarks, 'parsing': num_classes}
        heads = {name: counts[name] for name in self.PATHS[prior_paths]}
        paths = [heads] if prior_paths == 'shared' else [{name: count} for name, count in heads.items()]
        self.image_size, self.concat = image_size, concat
        self.coarse = CoarseSRNet(image_size, coarse)
        self.global_path = GlobalPath(global_channels, global_blocks, norm)
        self.priors = nn.ModuleDict({'+'.join(path): PriorPath(path, prior) for path in paths})
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
        global_features = self.global_path(image)
        fused, features, maps = [global_features], {}, {}
        for names, path in self.priors.items():
            path_features, path_maps = path(image, estimates or self.concat == 'features+priors')
            fused.append(path_features)
            features.update(dict.fromkeys(names.split('+'), path_features))
            maps.update(path_maps)
        if self.concat == 'features+priors':
            fused += [maps['heatmaps']] if 'heatmaps' in maps else []
            fused += [maps['parsing'].softmax(1)] if 'parsing' in maps else []
        return TriPathOutput(
            coarse=image,
            global_features=global_features,
            landmark_features=features.get('heatmaps'),
            parsing_features=features.get('parsing'),
            fused=torch.cat(fused, 1),
            heatmaps=maps.get('heatmaps'),
            parsing=maps.get('parsing'),
        )

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


@ARCH_REGISTRY.register()
class FHN(nn.Module):
    """The face hallucination network for inference, G_theta_G followed by D_theta_i: lq to SR.

    Runs under BasicSR's own SRModel; RIMModel writes its weights as ``net_fhn_*.pth`` at every save.

    Args:
        generator: arguments of TriPathGenerator.
        integrator: arguments of FeatureIntegrator without ``in_channels`` and ``image_size``.

    Shapes:
        lq (N, 3, h, w) in [0, 1] RGB, or a list of such tensors of several sizes, N faces in all, to SR (N, 3,
        image_size, image_size) in about [0, 1], not clamped.
    """

    inner_blocks: ClassVar[dict[str, Any]] = {'generator': TriPathGenerator, 'integrator': FeatureIntegrator}

    def __init__(self, generator: dict[str, Any] | None = None, integrator: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.generator = TriPathGenerator(**(generator or {}))
        self.integrator = FeatureIntegrator(
            in_channels=self.generator.fused_channels, image_size=self.generator.image_size, **(integrator or {})
        )

    @classmethod
    def from_parts(cls, generator: TriPathGenerator, integrator: FeatureIntegrator) -> 'FHN':
        """FHN over existing networks, sharing their parameters."""
        fhn = cls.__new__(cls)
        nn.Module.__init__(fhn)
        fhn.generator, fhn.integrator = generator, integrator
        return fhn

    def forward(self, lq: Tensor | list[Tensor]) -> Tensor:
        output = self.generator.encode(self.generator.coarse(lq), estimates=False)
        return self.integrator(output.fused, output.coarse)

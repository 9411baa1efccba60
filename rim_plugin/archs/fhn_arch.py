"""RIM's face hallucination network (FHN), section 3.1 of the paper: prior-aided tri-path generator and integrator."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rim_plugin.archs.layers import (
    PRIOR_STRIDE,
    Hourglass,
    SubPixelImage,
    conv_prelu,
    probe_groups,
    renamed_arguments,
    residual_stack,
    resize,
    resize_groups,
)
from rim_plugin.archs.mix_discriminator_arch import FeatureIntegrator
from rim_plugin.errors import check_choice

from basicsr.utils.registry import ARCH_REGISTRY

CONCAT = ('features', 'features+priors')


class TriPathOutput(NamedTuple):
    """What the tri-path generator finds in an image; P is the prior grid, 56 for a 224-pixel face.

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


class SizeModulation(nn.Module):
    """Scale and shift of feature maps by the side of the probe (FiLM: Perez et al. 2018); at the start the identity.

    One network for probes of many sizes has to undo a different blur for each.

    Args:
        layers (int): how many feature maps are modulated. channels (int): of each.
    """

    def __init__(self, layers, channels):
        super().__init__()
        self.layers, self.channels = layers, channels
        self.net = nn.Sequential(nn.Linear(1, 32), nn.PReLU(), nn.Linear(32, layers * 2 * channels))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, groups):
        """Probes of several sizes, list of (n, 3, q, q), to scales and shifts: (layers, 2, N, channels, 1, 1), for one
        size (layers, 2, 1, channels, 1, 1)."""
        sizes = [[math.log2(probes.shape[-1] / 20)] for probes in groups]
        found = self.net(self.net[0].weight.new_tensor(sizes)).view(len(groups), self.layers, 2, 1, self.channels, 1, 1)
        if len(groups) == 1:  # for a batch of any size, which an exported network may get
            return found[0]
        return torch.cat([each.expand(-1, -1, len(probes), -1, -1, -1) for each, probes in zip(found, groups)], 2)


class CoarseSRNet(nn.Module):
    """G_theta_c: probes, (N, 3, h, w) or a list of such tensors of several sizes, to (N, 3, image_size, image_size).

    The probe is enlarged to ``input_size`` by bicubic and folded into channels on ``feature_size`` (pixel unshuffle); a
    sub-pixel step goes from there to ``image_size`` (neither where they are equal, as in the paper). Learns the
    residual over bicubic.

    Args:
        image_size (int): side of the HR image.
        feature_size (int): side of the grid on which the blocks work; divides ``image_size``.
        channels (int): width.
        blocks (int): residual blocks.
        repeats (int): times that the same blocks are applied (authors' code: 3).
        norm (str): ``instance`` or ``none``.
        input_size (int): side at which the probe comes in, a multiple of ``feature_size``. Larger probes lose detail.
            Default: ``feature_size``.
        size_modulation (bool): whether the probe's size modulates the features of every block, see SizeModulation.
    """

    def __init__(
        self,
        image_size=224,
        feature_size=224,
        channels=64,
        blocks=3,
        repeats=3,
        norm='instance',
        input_size=None,
        size_modulation=False,
    ):
        super().__init__()
        self.image_size, self.input_size, self.repeats = image_size, input_size or feature_size, repeats
        if self.input_size % feature_size:
            raise ValueError(f'input_size: {self.input_size} is no multiple of feature_size {feature_size}')
        fold = self.input_size // feature_size
        self.fold = nn.PixelUnshuffle(fold)
        self.head = conv_prelu(3 * fold**2, channels)
        self.body = residual_stack(channels, blocks, norm)
        self.modulation = SizeModulation(blocks + 1, channels) if size_modulation else None
        self.tail = SubPixelImage(channels, sub_pixel_scale(image_size, feature_size))

    def forward(self, lq):
        groups = probe_groups(lq)
        modulation = None if self.modulation is None else self.modulation(groups)
        features = modulate(self.head(self.fold(resize_groups(groups, self.input_size))), modulation, 0)
        for _ in range(self.repeats):
            for index, block in enumerate(self.body, 1):
                features = modulate(block(features), modulation, index)
        return resize_groups(groups, self.image_size) + self.tail(features)


def modulate(features, modulation, index):
    """Features (N, C, h, w) scaled by 1 + modulation[index, 0], shifted by modulation[index, 1]; None: as they are."""
    return features if modulation is None else features * (1 + modulation[index, 0]) + modulation[index, 1]


class GlobalPath(nn.Module):
    """G_theta_f: image (N, 3, S, S) to features of the global structure (N, channels, S / 4, S / 4)."""

    def __init__(self, channels=64, blocks=3, norm='instance'):
        super().__init__()
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, blocks, norm)

    def forward(self, image):
        return self.body(self.stem(image))


def prior_head(channels, count):
    """Features (N, channels, h, w) to an estimate (N, count, h, w), by 1x1 convolutions.

    The wide hidden layer matters where ``channels`` is below ``count``: maps that are linear in fewer features than
    there are landmarks cannot peak at one place each. The estimate starts at zero; else the first, arbitrary ones shake
    the coarse network's optimizer.
    """
    head = nn.Sequential(*conv_prelu(channels, 2 * count, 1), nn.Conv2d(2 * count, count, 1))
    nn.init.zeros_(head[-1].weight)
    nn.init.zeros_(head[-1].bias)
    return head


class PriorPath(nn.Module):
    """G_theta_l or G_theta_p: image (N, 3, S, S) to features on S / 4, through stacked hourglasses, and 1x1 heads.

    Args:
        heads (dict[str, int]): name and channels of each estimate, e.g. ``{'heatmaps': 68}``.
        channels (int): width. blocks (int): residual blocks before the first hourglass.
        stacks (int): hourglasses. depth (int): poolings in each. hourglass_blocks (int): blocks in each place.
        norm (str): ``instance`` or ``none``.

    Shapes:
        image (N, 3, S, S) to features (N, channels, S / 4, S / 4), which ``estimates`` turns into the map of each head.
    """

    def __init__(self, heads, channels=128, blocks=3, stacks=1, depth=2, hourglass_blocks=2, norm='instance'):
        super().__init__()
        self.stem = image_stem(channels)
        self.body = residual_stack(channels, blocks, norm)
        self.hourglasses = nn.ModuleList(Hourglass(depth, channels, hourglass_blocks, norm) for _ in range(stacks))
        self.heads = nn.ModuleDict({name: prior_head(channels, count) for name, count in heads.items()})

    def forward(self, image):
        features = self.body(self.stem(image))
        for hourglass in self.hourglasses:
            features = features + hourglass(features)
        return features

    def estimates(self, features):
        """Features to dict of head and its map (N, count, S / 4, S / 4)."""
        return {name: head(features) for name, head in self.heads.items()}


@ARCH_REGISTRY.register()
@renamed_arguments(work_size='feature_size')
class TriPathGenerator(nn.Module):
    """G_theta_G of Eq. 1: coarse SR network, global path, landmark path and parsing path.

    Args:
        image_size (int): side of the HR image, a multiple of ``4 * 2 ** hourglass_depth``. Default: 224.
        feature_size (int): grid of the coarse network. 224: *paper*; 56: *fast* (sub-pixel step to 224). Default: 224.
        num_landmarks (int): heatmaps. num_classes (int): parsing classes (Helen: 11).
        prior_paths (str): ``separate`` (paper), ``shared`` (one trunk with two heads, authors' code), ``landmark``,
            ``parsing`` (one path alone) or ``none`` (global path alone), for ablations.
        concat (str): ``features`` (paper) or ``features+priors`` (the estimated maps, too).
        coarse_channels, coarse_blocks, coarse_repeats (int): see CoarseSRNet.
        global_channels, global_blocks (int): see GlobalPath.
        prior_channels, prior_blocks, prior_stacks, hourglass_depth, hourglass_blocks (int): see PriorPath.
        norm (str): ``instance`` (authors' code) or ``none``, in every path.
        prior_norm (str): the same for the prior paths alone. Default: as ``norm``.
        coarse_input_size (int): side at which probes enter the coarse network, a multiple of ``feature_size``; it sees no
            more detail than that. Default: ``feature_size``.
        coarse_size_modulation (bool): see CoarseSRNet. For probes of many sizes. Default: False.

    Raises:
        ValueError: for an unknown ``prior_paths``, ``concat`` or ``norm``, or sizes that do not divide.
    """

    PATHS = {
        'separate': ('heatmaps', 'parsing'),
        'shared': ('heatmaps', 'parsing'),
        'landmark': ('heatmaps',),
        'parsing': ('parsing',),
        'none': (),
    }

    def __init__(
        self,
        image_size=224,
        feature_size=224,
        num_landmarks=68,
        num_classes=11,
        prior_paths='separate',
        concat='features',
        coarse_channels=64,
        coarse_blocks=3,
        coarse_repeats=3,
        global_channels=64,
        global_blocks=3,
        prior_channels=128,
        prior_blocks=3,
        prior_stacks=1,
        hourglass_depth=2,
        hourglass_blocks=2,
        norm='instance',
        prior_norm=None,
        coarse_input_size=None,
        coarse_size_modulation=False,
    ):
        super().__init__()
        prior_paths = prior_paths or 'none'  # BasicSR's --force_yml turns the word into None
        check_choice('prior_paths', prior_paths, self.PATHS)
        check_choice('concat', concat, CONCAT)
        if image_size % (PRIOR_STRIDE * 2**hourglass_depth):
            raise ValueError(
                f'image_size: {image_size} is no multiple of {PRIOR_STRIDE * 2**hourglass_depth}, '
                f'which hourglass_depth {hourglass_depth} needs'
            )
        self.image_size, self.concat = image_size, concat
        self.coarse = CoarseSRNet(
            image_size,
            feature_size,
            coarse_channels,
            coarse_blocks,
            coarse_repeats,
            norm,
            coarse_input_size,
            coarse_size_modulation,
        )
        self.global_path = GlobalPath(global_channels, global_blocks, norm)
        counts = {'heatmaps': num_landmarks, 'parsing': num_classes}
        estimates = self.PATHS[prior_paths]
        groups = [estimates] if prior_paths == 'shared' else [(name,) for name in estimates]
        self.priors = nn.ModuleDict(
            {
                '+'.join(group): PriorPath(
                    {name: counts[name] for name in group},
                    prior_channels,
                    prior_blocks,
                    prior_stacks,
                    hourglass_depth,
                    hourglass_blocks,
                    prior_norm or norm,
                )
                for group in groups
            }
        )
        self.fused_channels = global_channels + prior_channels * len(groups)
        if concat == 'features+priors':
            self.fused_channels += sum(counts[name] for name in estimates)

    def encode(self, image, estimates=True):
        """Tri-path features of an HR or coarse image (N, 3, S, S) in [0, 1], without the coarse network.

        Args:
            image (Tensor): see above.
            estimates (bool): False leaves heatmaps and parsing out, a quarter of the time, unless ``concat`` has them.

        Returns:
            TriPathOutput: with the image itself as ``coarse``.
        """
        image = resize(image, self.image_size)
        global_features = self.global_path(image)
        features, maps, paths = [global_features], {}, {}
        for group, path in self.priors.items():
            found = path(image)
            features.append(found)
            paths.update(dict.fromkeys(group.split('+'), found))
            if estimates or self.concat == 'features+priors':
                maps.update(path.estimates(found))
        if self.concat == 'features+priors':
            features += [maps['heatmaps']] if 'heatmaps' in maps else []
            features += [maps['parsing'].softmax(1)] if 'parsing' in maps else []
        return TriPathOutput(
            image,
            global_features,
            paths.get('heatmaps'),
            paths.get('parsing'),
            torch.cat(features, 1),
            maps.get('heatmaps'),
            maps.get('parsing'),
        )

    def forward(self, lq, hr=None):
        """Probes to TriPathOutput; with ``hr`` a pair of them, of which the second may lack the estimates.

        Both domains go through in one call, so that DistributedDataParallel sees one forward for one backward.

        Args:
            lq (Tensor | list[Tensor]): (N, 3, h, w) in [0, 1], any h and w, or probes of several sizes, N in all.
            hr (Tensor | None): (N, 3, S, S) in [0, 1].
        """
        probe = self.encode(self.coarse(lq))
        return probe if hr is None else (probe, self.encode(hr, estimates=False))


@ARCH_REGISTRY.register()
class FHN(nn.Module):
    """The face hallucination network for inference, G_theta_G followed by D_theta_i: lq to SR.

    Runs under BasicSR's own SRModel; RIMModel writes its weights as ``net_fhn_*.pth`` at every save.

    Args:
        generator (dict): arguments of TriPathGenerator. integrator (dict): arguments of FeatureIntegrator without
            ``in_channels`` and ``image_size``.

    Shapes:
        lq (N, 3, h, w) in [0, 1] RGB, or a list of such tensors of several sizes, N faces in all, to SR (N, 3,
        image_size, image_size) in about [0, 1], not clamped.
    """

    inner_blocks = {'generator': TriPathGenerator, 'integrator': FeatureIntegrator}

    def __init__(self, generator=None, integrator=None):
        super().__init__()
        self.generator = TriPathGenerator(**(generator or {}))
        self.integrator = FeatureIntegrator(
            in_channels=self.generator.fused_channels, image_size=self.generator.image_size, **(integrator or {})
        )

    @classmethod
    def from_parts(cls, generator, integrator):
        """FHN over existing networks, sharing their parameters."""
        fhn = cls.__new__(cls)
        nn.Module.__init__(fhn)
        fhn.generator, fhn.integrator = generator, integrator
        return fhn

    def forward(self, lq):
        found = self.generator.encode(self.generator.coarse(lq), estimates=False)
        return self.integrator(found.fused, found.coarse)


def image_stem(channels):
    """7x7 convolution with stride 4 and PReLU: the image to the prior grid (FACTS: authors' sizes)."""
    return conv_prelu(3, channels, 7, stride=PRIOR_STRIDE)


def sub_pixel_scale(image_size, feature_size):
    """Factor from the working grid to the image; ValueError where it is not a whole number."""
    if feature_size <= 0 or image_size % feature_size:
        raise ValueError(f'feature_size: {feature_size} does not divide image_size {image_size}')
    return image_size // feature_size

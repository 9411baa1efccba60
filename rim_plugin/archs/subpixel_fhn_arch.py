"""RIM's face hallucination network on one coarse grid, an eighth of the face's side, between sub-pixel steps."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.archs.coarse_sr import SizeModulation, modulate
from rim_plugin.archs.fhn_arch import PriorPaths, TriPathGenerator, TriPathOutput
from rim_plugin.archs.layers import he_init, probe_groups, residual_stack, resize, resize_groups, starting_at_zero
from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.heatmaps import render_heatmaps
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

FOLD = 8  # the side of the image over that of the grid
HEATMAP_SIGMA = 1.3  # of the rendered heatmaps, their pixels; as FaceOptions.heatmap_sigma


def fold(image: Tensor) -> Tensor:
    """Image (N, C, S, S) to its blocks of 8x8 pixels as channels (N, 64 C, S / 8, S / 8), in channels_last.

    Equals ``pixel_unshuffle``, which on a CPU takes three times as long.
    """
    count, channels, height, width = image.shape
    blocks = image.reshape(count, channels, height // FOLD, FOLD, width // FOLD, FOLD).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(count, height // FOLD, width // FOLD, channels * FOLD**2).permute(0, 3, 1, 2)


def unfold(features: Tensor) -> Tensor:
    """The inverse of :func:`fold`, ``pixel_shuffle`` (Shi et al. 2016); contiguous."""
    count, channels, height, width = features.shape
    blocks = features.permute(0, 2, 3, 1).reshape(count, height, width, channels // FOLD**2, FOLD, FOLD)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(count, channels // FOLD**2, FOLD * height, FOLD * width)


def image_head(channels: int) -> nn.Conv2d:
    """1x1 convolution of features to the folded image; zero at the start, where the network is its skip connection."""
    return starting_at_zero(nn.Conv2d(channels, 3 * FOLD**2, 1))


def stack(channels: int, blocks: int) -> nn.Sequential:
    """Residual blocks with ReLU, the identity at the start."""
    return residual_stack(channels, blocks, activation='relu', init_scale=0.0)


class Position(nn.Module):
    """A learnt map, added to features of one grid: aligned faces have their parts in known places.

    Args:
        channels: of the features.
        size: side of the grid.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.randn(1, channels, size, size) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.map


class SubPixelCoarseNet(nn.Module):
    """G_theta_c: probes, (N, 3, h, w) or a list of such tensors of several sizes, to (N, 3, image_size, image_size).

    The probe, enlarged by bicubic as in the paper, is folded, and the residual over it unfolded.

    Args:
        image_size: side of the HR image.
        channels: width.
        blocks: residual blocks.
        size_modulation: whether the probe's size modulates the features of every block, see SizeModulation.
    """

    def __init__(self, image_size: int, channels: int, blocks: int, size_modulation: bool) -> None:
        super().__init__()
        self.image_size = image_size
        self.head = nn.Conv2d(3 * FOLD**2, channels, 1)
        he_init(self.head)
        self.position = Position(channels, image_size // FOLD)
        self.body = stack(channels, blocks)
        self.modulation = SizeModulation(blocks + 1, channels) if size_modulation else None
        self.tail = image_head(channels)

    def forward(self, lq: Tensor | list[Tensor]) -> Tensor:
        groups = probe_groups(lq)
        modulation = None if self.modulation is None else self.modulation(groups)
        return self.refine(resize_groups(groups, self.image_size), modulation)

    def refine(self, enlarged: Tensor, modulation: Tensor | None) -> Tensor:
        """The coarse image of enlarged probes (N, 3, S, S) and their SizeModulation."""
        features = modulate(self.position(self.head(fold(enlarged - 0.5))), modulation, 0)
        for index, block in enumerate(self.body, 1):
            features = modulate(block(features), modulation, index)
        return enlarged + unfold(self.tail(features))


class DeepPath(nn.Module):
    """Features (N, channels, h, w) with what blocks on half of their grid add, and the features there.

    Args:
        channels: of the features.
        width: on half of the grid.
        blocks: residual blocks there.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, width, 2, 2)
        self.up = nn.Conv2d(width, 4 * channels, 1)
        he_init(self)
        self.body = stack(width, blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        deep = self.body(self.down(x))
        return x + F.pixel_shuffle(self.up(deep), 2), deep


class ContextPath(nn.Module):
    """Features (N, channels, g, g) to such (N, out, g, g) that have seen the face as a whole, on half of the grid.

    Args:
        channels: of the features.
        out: of the result.
        width: on half of the grid.
        blocks: residual blocks there.
        deep_width: on a quarter of the grid; 0 for no such step.
        deep_blocks: residual blocks there.
        grid: g, a multiple of 4.
    """

    def __init__(
        self, channels: int, out: int, width: int, blocks: int, deep_width: int, deep_blocks: int, grid: int
    ) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, width, 2, 2)
        self.position = Position(width, grid // 2)
        self.lateral = nn.Conv2d(channels, out, 1)
        self.up = nn.Conv2d(width, 4 * out, 1)
        he_init(self)
        self.body = stack(width, blocks)
        self.deep = DeepPath(width, deep_width, deep_blocks) if deep_width else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The result, and the features on a quarter of the grid (N, deep_width, g / 4, g / 4), if there are any."""
        half, deep = self.body(self.position(self.down(x))), None
        if self.deep is not None:
            half, deep = self.deep(half)
        return torch.relu(F.pixel_shuffle(self.up(half), 2) + self.lateral(x)), deep


class LandmarkPath(nn.Module):
    """G_theta_l: landmarks from the whole face, regressed from its coarsest features; heatmaps are drawn around them.

    So an estimate is a face's shape at every probe size, and has a place to less than a pixel of the heatmap.

    Args:
        count: landmarks.
        channels: of the features.
        out: channels of its own features.
        width: on half of the grid.
        deep_width: on a quarter of it.
        deep_blocks: residual blocks there.
        grid: side of the features.
    """

    def __init__(
        self, count: int, channels: int, out: int, width: int, deep_width: int, deep_blocks: int, grid: int
    ) -> None:
        super().__init__()
        self.count, self.grid = count, grid
        self.context = ContextPath(channels, out, width, 1, deep_width, deep_blocks, grid)
        self.squeeze = nn.Conv2d(deep_width, 32, 1)
        he_init(self.squeeze)
        self.regress = starting_at_zero(nn.Linear(32 * (grid // 4) ** 2, 2 * count))
        self.mean_shape = nn.Parameter(torch.full((count, 2), 0.5))  # over the side of the image
        self.draw = nn.Conv2d(count, out, 1)
        he_init(self.draw)

    def forward(self, x: Tensor, estimates: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features (N, out, g, g), points (N, L, 2) over the side of the image, heatmaps (N, L, 2 g, 2 g) or None."""
        features, deep = self.context(x)
        shape = self.regress(F.leaky_relu(self.squeeze(deep), 0.1).flatten(1))
        points = self.mean_shape + shape.float().view(-1, self.count, 2)
        drawn = render_heatmaps(points, self.grid, HEATMAP_SIGMA / 2)
        heatmaps = render_heatmaps(points, 2 * self.grid, HEATMAP_SIGMA) if estimates else None
        return features + self.draw(drawn.to(features.dtype)), points, heatmaps


class ParsingPath(nn.Module):
    """G_theta_p: features to parsing logits on twice their grid.

    Args:
        count: classes.
        channels: of the features.
        out: channels of its own features.
        width: on half of the grid.
        blocks: residual blocks there.
        grid: side of the features.
    """

    def __init__(self, count: int, channels: int, out: int, width: int, blocks: int, grid: int) -> None:
        super().__init__()
        self.context = ContextPath(channels, out, width, blocks, 0, 0, grid)
        self.head = starting_at_zero(nn.Conv2d(out, 4 * count, 1))

    def forward(self, x: Tensor, estimates: bool) -> tuple[Tensor, Tensor | None]:
        """Features (N, out, g, g), and logits (N, count, 2 g, 2 g) or None."""
        features, _ = self.context(x)
        return features, F.pixel_shuffle(self.head(features), 2) if estimates else None


@ARCH_REGISTRY.register()
class SubPixelTriPathGenerator(TriPathGenerator):
    """G_theta_G of Eq. 1 on a grid of an eighth of the face: 0.6 GFLOP a face at the default widths.

    Coarse network, then global, landmark and parsing path over the coarse image, as in TriPathGenerator; the prior
    paths take the global path's features as they are, without a gradient into them, and look at the face as a whole on
    coarser grids.

    Args:
        image_size: side of the HR image, a multiple of 32.
        num_landmarks: heatmaps.
        num_classes: parsing classes (Helen: 11).
        prior_paths: ``separate``, ``landmark``, ``parsing`` or ``none``.
        channels: width of the coarse network and of the global path.
        coarse_blocks: residual blocks of the coarse network.
        global_blocks: of the global path.
        prior_channels: of the features of each prior path.
        prior_width: of the prior paths on half of the grid.
        landmark_width: of the landmark path on a quarter of the grid.
        landmark_blocks: its residual blocks there.
        coarse_size_modulation: whether the probe's size modulates the coarse network.

    Raises:
        OptionsError: ``image_size`` is no multiple of 32; an unknown ``prior_paths``.
    """

    PATHS: ClassVar[dict[str, tuple[str, ...]]] = {
        name: path for name, path in TriPathGenerator.PATHS.items() if name != 'shared'
    }
    integrator_type: ClassVar[str] = 'SubPixelIntegrator'

    def __init__(
        self,
        image_size: Count = 224,
        num_landmarks: Count = 68,
        num_classes: Count = 11,
        prior_paths: PriorPaths = 'separate',
        channels: Count = 48,
        coarse_blocks: int = 2,
        global_blocks: int = 2,
        prior_channels: Count = 24,
        prior_width: Count = 64,
        landmark_width: Count = 128,
        landmark_blocks: int = 1,
        coarse_size_modulation: bool = True,
    ) -> None:
        nn.Module.__init__(self)
        prior_paths = prior_paths or 'none'
        check_choice('prior_paths', prior_paths, self.PATHS)
        if image_size % (4 * FOLD):
            raise OptionsError(f'image_size: {image_size} is no multiple of {4 * FOLD}')
        grid = image_size // FOLD
        self.image_size, self.concat = image_size, 'features'
        self.coarse = SubPixelCoarseNet(image_size, channels, coarse_blocks, coarse_size_modulation)
        self.stem = nn.Conv2d(3 * FOLD**2, channels, 1)
        he_init(self.stem)
        self.global_path = stack(channels, global_blocks)
        self.priors = nn.ModuleDict()
        if 'heatmaps' in self.PATHS[prior_paths]:
            self.priors['heatmaps'] = LandmarkPath(
                num_landmarks, channels, prior_channels, prior_width, landmark_width, landmark_blocks, grid
            )
        if 'parsing' in self.PATHS[prior_paths]:
            self.priors['parsing'] = ParsingPath(num_classes, channels, prior_channels, prior_width, 1, grid)
        self.fused_channels = channels + prior_channels * len(self.priors)

    def encode(self, image: Tensor, estimates: bool = True) -> TriPathOutput:
        """Tri-path features of an HR or coarse image; see :meth:`TriPathGenerator.encode`.

        Returns:
            ``fused`` on a grid of an eighth of the image, maps on a quarter.
        """
        image = resize(image, self.image_size)
        features = self.global_path(self.stem(fold(image - 0.5)))
        fused, points, heatmaps, parsing = [features], None, None, None
        seen = (
            features.detach()
        )  # what landmarks and parsing want of these features costs the picture more than it gives
        if 'heatmaps' in self.priors:
            path, points, heatmaps = self.priors['heatmaps'](seen, estimates)
            fused.append(path)
        if 'parsing' in self.priors:
            path, parsing = self.priors['parsing'](seen, estimates)
            fused.append(path)
        return TriPathOutput(image, torch.cat(fused, 1), heatmaps, parsing, points)

    def heatmaps(self, lq: Tensor | list[Tensor]) -> Tensor | None:
        """Those of ``forward``; what the landmark path does not need is a twentieth of the time."""
        return self.encode(self.coarse(lq)).heatmaps


@ARCH_REGISTRY.register()
class SubPixelIntegrator(nn.Module):
    """D_theta_i: features of all paths (N, C, S / 8, S / 8) to the SR image (N, 3, S, S): learns what the coarse lacks.

    At the start it takes the first features, the global path's, as they are, and none of the prior paths', which have
    nothing to say yet.

    Args:
        in_channels: C.
        image_size: S.
        channels: width.
        blocks: residual blocks.
    """

    def __init__(self, in_channels: Count, image_size: Count = 224, channels: Count = 48, blocks: int = 3) -> None:
        super().__init__()
        self.head = nn.Conv2d(in_channels, channels, 1)
        he_init(self.head)
        nn.init.dirac_(self.head.weight)
        self.body = stack(channels, blocks)
        self.tail = image_head(channels)

    def forward(self, fused: Tensor, coarse: Tensor) -> Tensor:
        """Fused features (N, C, S / 8, S / 8) and the coarse image (N, 3, S, S) to the SR image (N, 3, S, S)."""
        return coarse + unfold(self.tail(self.body(self.head(fused))))

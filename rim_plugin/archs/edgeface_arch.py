"""EdgeFace of George et al. 2023 (arXiv 2307.01838): EdgeNeXt (Maaz et al. 2022, arXiv 2206.10589) as a recogniser.

TimmRecogniser has the same networks by timm, whose names the parameters have; this one starts without timm's imports.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.archs.recogniser import FACE_SIZE, FeatureInfo, Recogniser
from rim_plugin.archs.timm_keys import translated_keys
from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

KERNELS = (3, 5, 7, 9)  # of the convolutional encoders, stage by stage
SCALES = (2, 2, 3, 4)  # groups of channels in the encoders with attention
EPS = 1e-6
WAVES = 32  # sines and cosines of a position along each axis


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of a map (N, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def mlp(channels: int) -> nn.Sequential:
    """Channels to four times as many and back, with GELU, on (..., C)."""
    layers = OrderedDict(fc1=nn.Linear(channels, 4 * channels), act=nn.GELU(), fc2=nn.Linear(4 * channels, channels))
    return nn.Sequential(layers)


def depthwise(channels: int, kernel: int) -> nn.Conv2d:
    """Convolution of each channel by itself, which keeps the grid."""
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)


def factors(channels: int) -> nn.Parameter:
    """What a block's result is multiplied by before it is added (LayerScale, Touvron et al. 2021)."""
    return nn.Parameter(torch.full((channels,), EPS))


class ConvEncoder(nn.Module):
    """Depthwise convolution and MLP (Liu et al., ConvNeXt, 2022), added to (N, C, h, w)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = depthwise(channels, kernel)
        self.norm = nn.LayerNorm(channels, EPS)
        self.mlp = mlp(channels)
        self.gamma = factors(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_dw(x).permute(0, 2, 3, 1)
        return x + (self.gamma * self.mlp(self.norm(y))).permute(0, 3, 1, 2)


class FourierPosition(nn.Module):
    """Sines and cosines of a place's row and column (Vaswani et al. 2017), projected to ``channels``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token_projection = nn.Conv2d(2 * WAVES, channels, 1)

    def forward(self, height: int, width: int) -> Tensor:
        """(1, channels, height, width)."""
        weight = self.token_projection.weight
        rows, columns = (self._waves(length, weight) for length in (height, width))
        grid = (height, width, WAVES)
        places = torch.cat([rows[:, None].expand(grid), columns[None].expand(grid)], 2)
        return self.token_projection(places.permute(2, 0, 1)[None])

    @staticmethod
    def _waves(length: int, like: Tensor) -> Tensor:
        """(length, WAVES): for the place p = 2 pi i / length, sin and cos of p / 10000^(k / WAVES), k even, in turn."""
        places = torch.arange(1, length + 1, dtype=torch.float32, device=like.device) / (length + EPS) * (2 * math.pi)
        even = torch.arange(0, WAVES, 2, dtype=torch.float32, device=like.device)
        angles = places[:, None] / 10000 ** (even / WAVES)
        return torch.stack([angles.sin(), angles.cos()], 2).flatten(1).to(like.dtype)


class CrossCovariance(nn.Module):
    """Attention between channels instead of places (El-Nouby et al., XCiT, 2021), on (N, places, C)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        count, places, channels = x.shape
        heads = self.temperature.shape[0]
        queries, keys, values = self.qkv(x).view(count, places, 3, heads, -1).permute(2, 0, 3, 4, 1)
        likeness = F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).transpose(-2, -1)
        mixed = (likeness * self.temperature).softmax(-1) @ values
        return self.proj(mixed.permute(0, 3, 1, 2).reshape(count, places, channels))


class AttentionEncoder(nn.Module):
    """Split depth-wise transpose attention: a cascade of convolutions, attention between channels, MLP.

    Args:
        channels: C, of the map (N, C, h, w).
        scales: groups of channels; each but the last sees what the one before made.
        heads: of the attention.
        position: whether places are told apart.
    """

    def __init__(self, channels: int, scales: int, heads: int, position: bool) -> None:
        super().__init__()
        self.width = math.ceil(channels / scales)
        self.convs = nn.ModuleList(depthwise(self.width, 3) for _ in range(scales - 1))
        self.pos_embd = FourierPosition(channels) if position else None
        self.norm_xca = nn.LayerNorm(channels, EPS)
        self.gamma_xca = factors(channels)
        self.xca = CrossCovariance(channels, heads)
        self.norm = nn.LayerNorm(channels, EPS)
        self.mlp = mlp(channels)
        self.gamma = factors(channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        y = self._cascade(x)
        if self.pos_embd is not None:
            y = y + self.pos_embd(height, width)
        y = y.permute(0, 2, 3, 1).flatten(1, 2)
        y = y + self.gamma_xca * self.xca(self.norm_xca(y))
        y = self.gamma * self.mlp(self.norm(y))
        return x + y.unflatten(1, (height, width)).permute(0, 3, 1, 2)

    def _cascade(self, x: Tensor) -> Tensor:
        *groups, last = x.split(self.width, 1)
        done: list[Tensor] = []
        for conv, group in zip(self.convs, groups):
            done.append(conv(group + done[-1] if done else group))
        return torch.cat([*done, last], 1)


def stage(index: int, widths: Sequence[int], depth: int, heads: int) -> nn.Sequential:
    """Half of the grid, but in the first stage; encoders, the last with attention, but in the first stage."""
    channels, layers = widths[index], OrderedDict[str, nn.Module]()
    attends = index > 0
    blocks: list[nn.Module] = [ConvEncoder(channels, KERNELS[index]) for _ in range(depth - attends)]
    if attends:
        before = widths[index - 1]
        layers['downsample'] = nn.Sequential(ChannelNorm(before, EPS), nn.Conv2d(before, channels, 2, 2))
        blocks.append(AttentionEncoder(channels, SCALES[index], heads, position=index == 1))
    layers['blocks'] = nn.Sequential(*blocks)
    return nn.Sequential(layers)


class EdgeNeXt(nn.Module):
    """The layers, under timm's names; see EdgeFace."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], heads: int, embedding_size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0], EPS))
        self.stages = nn.Sequential(*(stage(index, widths, depth, heads) for index, depth in enumerate(depths)))
        head = OrderedDict(norm=nn.LayerNorm(widths[-1], EPS), fc=nn.Linear(widths[-1], embedding_size))
        self.head = nn.Sequential(head)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


@ARCH_REGISTRY.register()
class EdgeFace(Recogniser):
    """EdgeFace for 112x112, normalised to -1 to 1: XS, 2.2 million parameters, by default.

    ``load_recogniser_weights`` reads weights as EdgeFace publishes them (low-rank ones, too) or under timm's names.

    Args:
        widths: channels of the four stages; XXS has (24, 48, 88, 168), S (48, 96, 160, 304).
        depths: encoders of each; XXS has (2, 2, 6, 2).
        heads: of the attention; S has 8.
        embedding_size: D.

    Shapes:
        see Recogniser; block maps of XS 32x28x28, 64x14x14, 100x7x7, 192x3x3.

    Raises:
        OptionsError: not four stages; one without encoder; heads that do not divide the channels.
    """

    def __init__(
        self,
        widths: Sequence[Count] = (32, 64, 100, 192),
        depths: Sequence[Count] = (3, 3, 9, 3),
        heads: Count = 4,
        embedding_size: Count = 512,
    ) -> None:
        super().__init__(mean=0.5, std=0.5)
        if len(widths) != 4 or len(depths) != 4:
            raise OptionsError(f'EdgeFace: widths {list(widths)} and depths {list(depths)}: it has four stages')
        if any(channels % heads for channels in widths[1:]):
            raise OptionsError(f'EdgeFace: heads: {heads} does not divide the widths {list(widths[1:])}')
        self.embedding_size = embedding_size
        self.feature_info = tuple(FeatureInfo(channels, 4 * 2**index) for index, channels in enumerate(widths))
        self.model = EdgeNeXt(widths, depths, heads, embedding_size)

    def grids(self) -> tuple[tuple[int, int], ...]:
        return tuple((FACE_SIZE // info.stride,) * 2 for info in self.feature_info)

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        maps, x = [], self.model.stem(face)
        for layers in self.model.stages:
            x = layers(x)
            maps.append(x)
        return tuple(maps)

    def head(self, block: Tensor) -> Tensor:
        return self.model.head(block.mean((2, 3)))

    def drop_head(self) -> None:
        del self.model.head

    def translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return translated_keys(weights, self.state_dict())

"""ResNet of He et al. 2016 for faces, the paper's student and assistant: its block maps match a teacher's."""

from math import ceil
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from rim_plugin.archs.layers import he_init
from rim_plugin.archs.recogniser import FACE_SIZE, Recogniser
from rim_plugin.errors import OptionsError, check_choice

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # residual blocks of each stage (He et al. 2016, Tab. 1)
STEM_STRIDE = 2


class BasicBlock(nn.Module):
    """conv3 - BN - ReLU - conv3 - BN, plus the shortcut, and a ReLU unless ``signed`` (He et al. 2016, Fig. 2).

    Shapes:
        (N, in_channels, h, w) to (N, channels, h / stride, w / stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, signed: bool = False) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == channels
            else nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        )
        self.last = nn.Identity() if signed else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.residual(x) + self.shortcut(x))


def _stage(in_channels: int, channels: int, stride: int, count: int) -> nn.Sequential:
    # A block map is signed: it is regressed on sums without activation (ResNet-IR), on what PReLU lets through
    # (MobileFaceNet) and, in Eq. 12, on differences of such maps. A last ReLU could reach none of them. No PReLU in its
    # place, either: the map is a free linear combination, and the next stage begins with a convolution and a ReLU.
    return nn.Sequential(
        BasicBlock(in_channels, channels, stride),
        *(BasicBlock(channels, channels) for _ in range(count - 2)),
        BasicBlock(channels, channels, signed=True),
    )


def _onto(block: Tensor, grid: tuple[int, int]) -> Tensor:
    """The map (N, C, h, w) on a grid of a pixel less, by averages of neighbours; itself where it has that grid."""
    surplus = block.shape[2] - grid[0], block.shape[3] - grid[1]
    return F.avg_pool2d(block, (surplus[0] + 1, surplus[1] + 1), 1) if any(surplus) else block


class ResNet(Recogniser):
    """7x7 stem of stride 2, no max-pool, four stages of BasicBlock; sees the face as the teacher does.

    Not registered: it cannot be built without a teacher. HRN builds it.

    Args:
        teacher: gives feature_info, grids, embedding_size, crop and normalisation; not kept.
        depth: 18 or 34.

    Shapes:
        see Recogniser; block maps and embedding as the teacher's. The head is BN - flatten - fully connected - BN, as
        ResNet-IR's.

    Raises:
        OptionsError: a teacher without four blocks whose strides grow from 2 by whole factors, or with larger maps than
            these strides give; an unknown depth.
    """

    head_layers = ('embedding',)

    def __init__(self, teacher: Recogniser, depth: Literal[18, 34] = 34) -> None:
        check_choice('depth', depth, LAYERS)
        super().__init__(teacher.mean, teacher.std, teacher.crop)
        self.feature_info, self.embedding_size = teacher.feature_info, teacher.embedding_size
        self._grids = teacher.grids()
        strides = [STEM_STRIDE, *(info.stride for info in self.feature_info)]
        if len(strides) != 5 or any(stride % before for before, stride in zip(strides, strides[1:])):
            raise OptionsError(
                'ResNet has four blocks whose strides grow from 2 by whole factors; those of the teacher '
                f'{type(teacher).__name__} are {", ".join(map(str, strides[1:]))}'
            )
        self._require_grids(strides, type(teacher).__name__)
        width = self.feature_info[0].channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, STEM_STRIDE, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.ModuleList()
        for info, before, count in zip(self.feature_info, strides, LAYERS[depth]):
            self.stages.append(_stage(width, info.channels, info.stride // before, count))
            width = info.channels
        self.embedding = self._embedding()
        he_init(self)

    def grids(self) -> tuple[tuple[int, int], ...]:
        return self._grids

    def _require_grids(self, strides: list[int], teacher: str) -> None:
        sides = FACE_SIZE, self.crop[1] - self.crop[0]
        before = tuple(ceil(side / STEM_STRIDE) for side in sides)
        for grid, stride, last in zip(self._grids, strides[1:], strides):
            natural = tuple(ceil(side * last / stride) for side in before)
            if any(side < wanted for side, wanted in zip(natural, grid)):
                raise OptionsError(
                    f'ResNet has maps of {natural[0]}x{natural[1]} pixels at stride {stride}; those of the teacher '
                    f'{teacher} are larger, {grid[0]}x{grid[1]}'
                )
            before = grid

    def _embedding(self) -> nn.Sequential:
        channels, (rows, columns) = self.feature_info[-1].channels, self._grids[-1]
        return nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Flatten(),
            nn.Linear(channels * rows * columns, self.embedding_size),
            nn.BatchNorm1d(self.embedding_size),
        )

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        x, maps = self.stem(face), []
        for stage, grid in zip(self.stages, self._grids):
            x = _onto(stage(x), grid)
            maps.append(x)
        return tuple(maps)

    def head(self, block: Tensor) -> Tensor:
        return self.embedding(block)

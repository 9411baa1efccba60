"""What every recogniser shares: the teacher of RIM's HRN (section 3.2 of the paper), frozen or evaluated."""

from math import ceil
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from rim_plugin.archs.layers import resize

FACE_SIZE = 112  # ArcFace's aligned crop


class FeatureInfo(NamedTuple):
    """One block map of a recogniser.

    Attributes:
        channels: of the map.
        stride: over the prepared face.
    """

    channels: int
    stride: int


class RecogniserOutput(NamedTuple):
    """What a recogniser makes of a face.

    Attributes:
        blocks: the K block maps (N, channels, h, w), from the first block to the last; empty without access to them.
        embedding: (N, D), not normalised.
    """

    blocks: tuple[Tensor, ...]
    embedding: Tensor


class Recogniser(nn.Module):
    """Aligned face (N, 3, h, w), RGB in [0, 1], to RecogniserOutput; resized to 112 pixels first, antialiased.

    A subclass gives :meth:`block_maps`, :meth:`head` and the attributes below.

    Args:
        mean: its normalisation of values in [0, 1].
        std: likewise.
        crop: first column and end of the columns that it sees of the 112.

    Attributes:
        feature_info: the K block maps.
        embedding_size: D.
        head_layers: names of the layers that only the head uses.
    """

    feature_info: tuple[FeatureInfo, ...]
    embedding_size: int
    head_layers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, mean: float, std: float, crop: tuple[int, int] = (0, FACE_SIZE)) -> None:
        super().__init__()
        self.mean, self.std, self.crop = mean, std, crop

    def prepare(self, image: Tensor) -> Tensor:
        """The face as the first layer takes it: resized, cropped, normalised; (N, 3, 112, columns).

        Raises:
            ValueError: ``image`` is not a batch of RGB images in floating point.
        """
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(
                f'image: {tuple(image.shape)} of {image.dtype}; a recogniser takes (N, 3, h, w), RGB in '
                '[0, 1], in floating point'
            )
        left, right = self.crop
        return (resize(image, FACE_SIZE)[..., left:right] - self.mean) / self.std

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        """Prepared face to the K block maps. (Not ``blocks``: that is a part of MobileFaceNet's keys.)"""
        raise NotImplementedError

    def head(self, block: Tensor) -> Tensor:
        """Last block map to the embedding (N, D), not normalised."""
        raise NotImplementedError

    def grids(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each block map: those of the prepared face over the stride, rounded up."""
        left, right = self.crop
        return tuple((ceil(FACE_SIZE / info.stride), ceil((right - left) / info.stride)) for info in self.feature_info)

    def translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights as others publish them under this network's names; the same ones unless a subclass knows better."""
        return weights

    def drop_head(self) -> None:
        """Take the head away where the block maps alone are needed; ``head`` and ``forward`` fail from then on."""
        for name in self.head_layers:
            delattr(self, name)

    def forward(self, image: Tensor) -> RecogniserOutput:
        maps = self.block_maps(self.prepare(image))
        return RecogniserOutput(maps, self.head(maps[-1]))

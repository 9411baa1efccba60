"""Block maps of one recogniser on the grid of another one's."""

import torch
from torch import Tensor, nn

from rim_plugin.archs.recogniser import FACE_SIZE


class Regrid(nn.Module):
    r"""Maps on the grid of another recogniser's: the same places of the face, by linear interpolation, antialiased.

    .. math::
        y = R x C^T, \quad R_{jk} \propto \max(0, 1 - |p_j - k| / \max(1, s))

    with p_j the middle of row j of the new grid, counted in rows of the old one, and s how many of these it is high;
    each row of R has the sum 1. C likewise, of the columns.

    Args:
        grid: rows and columns of the maps.
        crop: first column and end of the columns of the face on which they lie.
        wanted: rows and columns of the result.
        wanted_crop: likewise.

    Shapes:
        (N, C, h, w) to (N, C, wanted h, wanted w).
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self, grid: tuple[int, int], crop: tuple[int, int], wanted: tuple[int, int], wanted_crop: tuple[int, int]
    ) -> None:
        super().__init__()
        whole = (0, FACE_SIZE)
        # made of sizes, hence not in checkpoints
        self.register_buffer('rows', _interpolation(grid[0], whole, wanted[0], whole), persistent=False)
        self.register_buffer('columns', _interpolation(grid[1], crop, wanted[1], wanted_crop), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows.to(x) @ x @ self.columns.to(x).T


def _interpolation(count: int, span: tuple[int, int], wanted: int, wanted_span: tuple[int, int]) -> Tensor:
    """R of :class:`Regrid`, (wanted, count): from ``count`` cells over a span of pixels to others over another span."""
    cell, wanted_cell = (span[1] - span[0]) / count, (wanted_span[1] - wanted_span[0]) / wanted
    middles = wanted_span[0] + (torch.arange(wanted) + 0.5) * wanted_cell
    places = ((middles - span[0]) / cell - 0.5).clamp(0, count - 1)
    distances = (places[:, None] - torch.arange(count)).abs()
    weights = (1 - distances / max(1.0, wanted_cell / cell)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)

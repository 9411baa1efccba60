"""How many pixels an aligned face is worth: the side that holds all its detail, without a sharp face beside it.

A face that was taken small and enlarged has a spectrum that ends where the small one's did; noise and JPEG fill what
lies beyond. A small network, trained on known reductions by ``scripts/train_effective_side.py``, reads that end from
the powers of the face's discrete cosine transform. Around its estimate, the side is looked for whose enlargement gives
the face back far better than its neighbours' do: where there is one, it is exact.
"""

from functools import cache, lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rim_plugin.archs.layers import resize_matrix

WEIGHTS = Path(__file__).with_suffix('.safetensors')
SMALLEST = 8  # side, pixels: of fewer nothing is told
LARGEST = 224  # side, pixels, of the faces that taught it: more detail than that is not told from the nominal side
_ENLARGED = 0.85  # of the nominal side: what is above may be the estimate's error
_AROUND = 0.3  # of an estimate, within which the exact side is looked for
_DIP = 0.3  # of the residual's logarithm below that of sides some pixels away, that tells the exact side
_JPEG = (6 / 8, 7 / 8)  # of a JPEG's side: its blocks of 8 pixels lack the last frequencies, as if enlarged from there
_FOREIGN = 0.25  # share of a picture's variance beyond its estimated side, from which it is no enlarged face
_FLAT = 1 / 255  # deviation of grey levels below which nothing is seen
_FLOOR = 1e-12  # power that counts as none: less than the rounding to 8 bits leaves
_GREY = (0.299, 0.587, 0.114)


def band_edges() -> list[int]:
    """Frequencies, half periods a face, at which bands begin: each by itself to 16, then a sixth of an octave wide."""
    edges = {round(16 * 2 ** (step / 6)) for step in range(31)}
    return [*range(1, 16), *sorted(edges)]


@lru_cache(64)
def _bands(side: int) -> Tensor:
    """Shares of frequencies' sums in bands, (bands, side): 1 over a band's count of coefficients; 0 beyond ``side``."""
    edges = torch.tensor(band_edges())
    rings = torch.arange(side)
    inside = (rings >= edges[:-1, None]) & (rings < edges[1:, None])
    counts = (inside * (2 * rings + 1)).sum(1, keepdim=True)
    return inside / counts.clamp(min=1)


def band_powers(faces: Tensor) -> Tensor:
    """Powers of a face's brightness by frequency, the higher of the two directions'.

    Args:
        faces: (N, 3, q, q), RGB in [0, 1].

    Returns:
        (N, bands), log10, on the CPU; of the same face at several sides the same as far as the smaller one goes.
    """
    side = faces.shape[-1]
    transform = _cosines(side)
    powers = (transform @ _grey(faces) @ transform.T / side).square()
    rings = torch.tril(powers).sum(2) + torch.triu(powers, 1).sum(1)  # of coefficients whose higher index is k
    return torch.log10(rings @ _bands(side).T + _FLOOR)


@lru_cache(64)
def _cosines(side: int) -> Tensor:
    """The matrix (side, side) of the orthonormal DCT-II; scipy's transform costs more to import than to do."""
    angles = torch.arange(side, dtype=torch.float64)[:, None] * (torch.arange(side) + 0.5) * (torch.pi / side)
    matrix = angles.cos() * (2 / side) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.float()


def _grey(faces: Tensor) -> Tensor:
    """Brightness (N, q, q), on the CPU."""
    return (faces.cpu().float() * torch.tensor(_GREY)[:, None, None]).sum(1)


class SideEstimator(nn.Module):
    """Band powers (N, bands) and the nominal side to the effective side, log2 of pixels, (N, )."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        count = len(band_edges())  # of bands one less, and the nominal side
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer('mean', torch.zeros(count))
        self.register_buffer('std', torch.ones(count))
        self.net = nn.Sequential(
            nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    @staticmethod
    def inputs(powers: Tensor, sides: Tensor) -> Tensor:
        """What the layers look at, before it is brought to mean 0 and deviation 1, (N, bands + 1)."""
        return torch.cat((powers, sides.log2()[:, None]), 1)

    def forward(self, powers: Tensor, sides: Tensor) -> Tensor:
        return self.net((self.inputs(powers, sides) - self.mean) / self.std)[:, 0]


@cache
def _estimator() -> SideEstimator:
    estimator = SideEstimator().requires_grad_(False)
    estimator.load_state_dict(load_file(WEIGHTS))
    return estimator


@torch.no_grad()
def effective_sides(faces: Tensor) -> Tensor:
    """Sides that hold the detail of faces.

    Args:
        faces: aligned, (N, 3, q, q), RGB in [0, 1], of 4 pixels and more.

    Returns:
        (N, ) int64, on the CPU, 8 to q; q where there is nothing to tell it from, as in a blank picture.
    """
    nominal = faces.shape[-1]
    sides = torch.full((len(faces),), float(nominal))
    found = _estimator()(band_powers(faces).cpu(), sides).exp2().round()
    told = (found < LARGEST * 0.95) & (faces.flatten(1).std(1).cpu() > _FLAT)
    found = torch.where(told, found.clamp(min=SMALLEST).clamp(max=nominal), sides).long()
    for index in (found < _ENLARGED * nominal).nonzero()[:, 0].tolist():
        found[index] = _exact_side(_grey(faces[index : index + 1])[0], int(found[index]))
    return found


def _exact_side(grey: Tensor, estimate: int) -> int:
    """The side near an estimate from which a face (q, q) was enlarged; the estimate where none stands out.

    The nominal side where much of the picture lies beyond the estimate, as in a texture.
    """
    grey = grey - grey.mean()
    if _residual(grey, estimate) > _FOREIGN * grey.square().mean():
        return len(grey)
    least, most = max(SMALLEST, int((1 - _AROUND) * estimate)), int((1 + _AROUND) * estimate) + 1
    sides = range(least, min(most, int(_ENLARGED * len(grey))) + 1)
    away = max(2, estimate // 32)  # pixels
    if len(sides) <= 2 * away:
        return estimate
    residuals = torch.stack([_residual(grey, side) for side in sides]).log()
    depths = (residuals[: -2 * away] + residuals[2 * away :]) / 2 - residuals[away:-away]
    told = dict(zip(sides[away:-away], depths.tolist()))
    deepest = max((side for side in told if not _is_of_jpeg(side, len(grey))), key=told.__getitem__, default=estimate)
    return deepest if told.get(deepest, 0) > _DIP else estimate


def _is_of_jpeg(side: int, jpeg: int) -> bool:
    """Whether a JPEG of ``jpeg`` pixels looks as if it were enlarged from ``side``."""
    return any(abs(side - share * jpeg) < 1 for share in _JPEG)


def _residual(grey: Tensor, side: int) -> Tensor:
    """Mean square of what no bicubic enlargement of ``side`` pixels has of a face (q, q)."""
    basis = _enlargements(len(grey), side)
    return (grey - basis @ (basis.T @ grey @ basis) @ basis.T).square().mean() + _FLOOR


@lru_cache(512)
def _enlargements(nominal: int, side: int) -> Tensor:
    """Orthonormal basis of the lines that enlargement from ``side`` to ``nominal`` pixels gives, (nominal, side)."""
    return torch.linalg.qr(resize_matrix(side, nominal, False))[0]


def reduce_faces(faces: Tensor, side: int) -> Tensor:
    """The faces of ``side`` pixels whose bicubic enlargement comes nearest to faces of more pixels, by least squares.

    Of a face that was enlarged it is the one before, where plain reduction would blur it a second time.

    Args:
        faces: (N, 3, q, q), RGB in [0, 1].
        side: in pixels, 1 to q.

    Returns:
        (N, 3, side, side) in [0, 1].
    """
    matrix = _reduction(faces.shape[-1], side).to(faces.device)
    return (matrix @ faces.float() @ matrix.T).clamp(0, 1)


@lru_cache(256)
def _reduction(nominal: int, side: int) -> Tensor:
    """Undoes bicubic enlargement from ``side`` to ``nominal`` pixels, (side, nominal), with the least squares' fit."""
    return torch.linalg.pinv(resize_matrix(side, nominal, False).double()).float()

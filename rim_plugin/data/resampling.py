"""Change of size as a product of matrices, so that each image of a batch has its own interpolation and sizes."""

import torch

AREA, BILINEAR, BICUBIC, NEAREST = MODES = range(4)


def _linear(x: torch.Tensor) -> torch.Tensor:
    return (1 - x.abs()).clamp_(min=0)


def _cubic(x: torch.Tensor) -> torch.Tensor:
    """Keys' cubic with a = -0.5."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0))


def resampling_matrices(
    modes: torch.Tensor, source: torch.Tensor, target: torch.Tensor, columns: int, rows: int
) -> torch.Tensor:
    """Matrices that change the size of a line of pixels.

    They do what ``torch.nn.functional.interpolate`` does with ``area``, ``bilinear`` and ``bicubic`` with
    ``antialias``, and ``nearest-exact``.

    Args:
        modes: (N, ) int64: AREA, BILINEAR, BICUBIC or NEAREST.
        source: (N, ) or (1, ) int64, pixels of the line, at most ``columns``.
        target: (N, ) or (1, ) int64, pixels of the result, at most ``rows``.
        columns, rows: of all matrices; those beyond ``source`` and ``target`` are 0.

    Returns:
        float32 (N, rows, columns), rows of sum 1.
    """
    modes, source, target = (each[:, None, None] for each in (modes, source, target))
    i = torch.arange(rows, device=modes.device)[:, None]
    j = torch.arange(columns, device=modes.device)
    scale = source / target
    distance = (j + 0.5 - (i + 0.5) * scale) / scale.clamp(min=1)
    inside = (j >= i * source // target) & (j < -(-(i + 1) * source // target))
    middle = j == (2 * i + 1) * source // (2 * target)
    weights = torch.where(modes == BICUBIC, _cubic(distance), _linear(distance))
    weights = torch.where(modes == AREA, inside.float(), torch.where(modes == NEAREST, middle.float(), weights))
    weights = weights * ((i < target) & (j < source))
    return weights / weights.sum(-1, keepdim=True).clamp_(min=1e-6)


def resample(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Images of another size.

    Args:
        images: float32 (N, C, columns, columns).
        matrices: (N, rows, columns) of :func:`resampling_matrices`, for both directions.

    Returns:
        (N, C, rows, rows); bicubic interpolation leaves the range of ``images``.
    """
    matrices = matrices[:, None]
    return matrices @ images @ matrices.transpose(-1, -2)

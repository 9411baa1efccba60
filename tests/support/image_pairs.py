"""Images and estimates of them."""

import torch
from torch.nn import functional as F


def images(kind, count=3, channels=3, size=(64, 48)):
    """gt, and an estimate that also leaves [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    if kind == 'random':
        gt = torch.rand(count, channels, *size, generator=generator)
    elif kind == 'smooth':
        coarse = torch.rand(count, channels, 5, 5, generator=generator) * 1.2 - 0.1
        gt = F.interpolate(coarse, size=size, mode='bicubic').clamp(0, 1)
    else:  # flat white and black halves: the hardest for E[x^2] - E[x]^2
        gt = torch.zeros(count, channels, *size)
        gt[..., size[1] // 2 :] = 1
    return gt + 0.06 * torch.randn(gt.shape, generator=generator), gt

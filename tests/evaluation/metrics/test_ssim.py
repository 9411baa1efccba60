"""SSIM against torchmetrics'; against BasicSR's: tests/evaluation/test_eight_bit.py."""

import torch
from support.image_pairs import images
from torchmetrics.functional.image import structural_similarity_index_measure

from rim_plugin.evaluation.metrics.ssim import SSIM


def test_ssim_equals_torchmetrics_where_the_window_is_inside():
    sr, gt = ((image.clamp(0, 1) * 255).round().double() for image in images('smooth'))
    _, maps = structural_similarity_index_measure(sr, gt, data_range=255.0, reduction='none', return_full_image=True)
    expected = maps[..., 5:-5, 5:-5].flatten(1).mean(1)
    torch.testing.assert_close(SSIM().measure({'sr': sr / 255, 'gt': gt / 255}), expected, rtol=0, atol=1e-6)

"""PSNR against torchmetrics'; against BasicSR's: tests/evaluation/test_eight_bit.py."""

import torch
from support.image_pairs import images
from torchmetrics.functional.image import peak_signal_noise_ratio

from rim_plugin.evaluation.metrics.psnr import PSNR


def test_psnr_equals_torchmetrics_but_for_its_float32_constants():
    sr, gt = ((image.clamp(0, 1) * 255).round().double() for image in images('smooth'))
    expected = peak_signal_noise_ratio(sr, gt, data_range=255.0, reduction='none', dim=(1, 2, 3))
    torch.testing.assert_close(PSNR().measure({'sr': sr / 255, 'gt': gt / 255}), expected, rtol=0, atol=1e-5)

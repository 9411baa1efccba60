"""PSNR and SSIM against BasicSR's, image by image."""

import numpy as np
import pytest
import torch
from support.image_pairs import images
from torch.nn import functional as F

from rim_plugin.evaluation.metrics.psnr import PSNR
from rim_plugin.evaluation.metrics.ssim import SSIM

from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.utils import tensor2img

METRICS = [(PSNR, calculate_psnr), (SSIM, calculate_ssim)]
ATOL = 1e-6
HARD = 1e-5  # on halves; BasicSR's Y is of float32, too


def per_image(reference, sr, gt, crop_border, test_y_channel):
    # clones: tensor2img clamps a float32 image on the CPU in place
    return np.array(
        [
            reference(
                tensor2img(a.clone()), tensor2img(b.clone()), crop_border=crop_border, test_y_channel=test_y_channel
            )
            for a, b in zip(sr, gt)
        ]
    )


@pytest.mark.parametrize('metric, reference', METRICS)
@pytest.mark.parametrize('kind', ['random', 'smooth', 'halves'])
@pytest.mark.parametrize('crop_border', [0, 4])
@pytest.mark.parametrize('test_y_channel', [False, True])
@pytest.mark.parametrize('count', [1, 3, 9])
def test_equals_basicsr(metric, reference, kind, crop_border, test_y_channel, count):
    sr, gt = images(kind, count)
    before = sr.clone()
    values = metric(crop_border, test_y_channel).measure({'sr': sr, 'gt': gt})
    expected = per_image(reference, sr, gt, crop_border, test_y_channel)
    assert values.shape == (count,)
    np.testing.assert_allclose(values.numpy(), expected, rtol=0, atol=HARD if kind == 'halves' else ATOL)
    assert torch.equal(sr, before)


@pytest.mark.parametrize('metric, reference', METRICS)
@pytest.mark.parametrize('test_y_channel', [False, True])
def test_grey_images_equal_basicsr(metric, reference, test_y_channel):
    sr, gt = images('smooth', channels=1)
    values = metric(test_y_channel=test_y_channel).measure({'sr': sr, 'gt': gt})
    np.testing.assert_allclose(values.numpy(), per_image(reference, sr, gt, 0, test_y_channel), rtol=0, atol=ATOL)


@pytest.mark.parametrize('test_y_channel', [False, True])
def test_identical_images(test_y_channel):
    sr, gt = images('smooth')
    sr[1] = gt[1]
    data = {'sr': sr, 'gt': gt}
    psnr = PSNR(test_y_channel=test_y_channel).measure(data)
    assert psnr[1] == float('inf') == calculate_psnr(tensor2img(gt[1].clone()), tensor2img(gt[1].clone()), 0)
    assert psnr[[0, 2]].isfinite().all()
    ssim = SSIM(test_y_channel=test_y_channel).measure(data)
    assert ssim[1].item() == pytest.approx(1, abs=1e-6) and (ssim[[0, 2]] < 1).all()


def test_differences_below_eight_bits_do_not_count():
    _, gt = images('smooth')
    eight_bits = (gt * 255).round() / 255
    assert PSNR().measure({'sr': eight_bits + 0.3 / 255, 'gt': eight_bits}).isinf().all()


def test_half_precision_and_autocast():
    sr, gt = images('smooth')
    sr = sr.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        inside = [metric(test_y_channel=True).measure({'sr': sr, 'gt': gt}) for metric, _ in METRICS]
    for values, (_, reference) in zip(inside, METRICS):
        np.testing.assert_allclose(values.numpy(), per_image(reference, sr, gt, 0, True), rtol=0, atol=ATOL)


@pytest.mark.parametrize('metric, _', METRICS)
def test_bad_input(metric, _):
    sr, gt = images('random')
    with pytest.raises(ValueError, match='one shape'):
        metric().measure({'sr': sr[..., 1:], 'gt': gt})
    with pytest.raises(ValueError, match='one shape'):
        metric().measure({'sr': sr[0], 'gt': gt[0]})
    with pytest.raises(ValueError, match='are left after crop_border 24'):
        metric(24).measure({'sr': sr, 'gt': gt})


@pytest.mark.parametrize('metric', [PSNR, SSIM])
def test_a_batch_is_measured_at_once(metric, monkeypatch):
    """What makes it fast: the work does not grow by calls with the number of images (of SSIM, four images a call)."""
    calls = []
    convolve = F.conv2d
    monkeypatch.setattr(F, 'conv2d', lambda *args, **kwargs: calls.append(args[0].shape) or convolve(*args, **kwargs))
    sr, gt = images('smooth', count=16)
    metric().measure({'sr': sr, 'gt': gt})
    assert len(calls) == (0 if metric is PSNR else 8)
    assert all(shape[1] == 4 * 4 * 3 for shape in calls)  # four maps of the three planes of four images

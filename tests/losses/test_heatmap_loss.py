import pytest
import torch

from rim_plugin.losses.heatmap_loss import HeatmapLoss

from basicsr.losses import build_loss


def heatmaps(shape=(3, 4, 5, 6), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2)]


def slow_equation_3(estimated, truth):
    """One image, (N, h, w) nested lists."""
    total = 0.0
    for h_sr, h_hr in zip(estimated, truth):
        for row_sr, row_hr in zip(h_sr, h_hr):
            for a, b in zip(row_sr, row_hr):
                total += (a - b) ** 2
    return total / len(estimated)


def test_equals_slow_equation():
    estimated, truth = heatmaps()
    of_images = [slow_equation_3(a, b) for a, b in zip(estimated.tolist(), truth.tolist())]
    literal = sum(of_images) / len(of_images)
    assert HeatmapLoss(reduction='sum')(estimated, truth).item() == pytest.approx(literal, rel=1e-12)
    assert HeatmapLoss(loss_weight=3)(estimated, truth).item() == pytest.approx(3 * literal / 30, rel=1e-12)


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_gradcheck(reduction):
    estimated, truth = heatmaps((2, 2, 3, 3))
    assert torch.autograd.gradcheck(HeatmapLoss(reduction=reduction), (estimated.requires_grad_(), truth))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
def test_computed_in_float32(dtype):
    estimated, truth = heatmaps(dtype=dtype)
    with torch.autocast('cpu', torch.bfloat16):
        loss = HeatmapLoss()(estimated, truth)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(HeatmapLoss()(estimated.double(), truth.double()).item(), rel=1e-5)


def test_identical_is_zero():
    estimated, _ = heatmaps()
    assert HeatmapLoss()(estimated, estimated.clone()).item() == 0


def test_build_from_options():
    estimated, truth = heatmaps()
    loss = build_loss({'type': 'HeatmapLoss', 'loss_weight': 2.0, 'reduction': 'sum'})
    literal = sum(slow_equation_3(a, b) for a, b in zip(estimated.tolist(), truth.tolist())) / 3
    assert loss(estimated, truth).item() == pytest.approx(2 * literal, rel=1e-12)


@pytest.mark.parametrize('shape', [(3, 4, 5, 7), (1, 4, 5, 6), (4, 5, 6)])
def test_bad_shapes(shape):
    # (1, ...) and (4, ...) would broadcast in silence
    with pytest.raises(ValueError, match='one shape'):
        HeatmapLoss()(heatmaps()[0], torch.zeros(shape))

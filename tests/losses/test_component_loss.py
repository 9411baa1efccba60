"""ComponentLoss: only eyes and mouth count, and any loss of images may compare them."""

import pytest
import torch

from basicsr.losses import build_loss

FACES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def landmarks(count):
    return 16 + 32 * torch.rand(2, count, 2, generator=torch.Generator().manual_seed(1))


def gradient(count, **options):
    sr = FACES.clone().requires_grad_()
    build_loss({'type': 'ComponentLoss', **options})(sr, FACES + 0.1, landmarks(count)).backward()
    return sr.grad


@pytest.mark.parametrize('count', [5, 68, 194])
def test_only_pixels_of_components_learn(count):
    whole, mouth = gradient(count), gradient(count, components=['mouth'])
    assert whole.any() and not whole[:, :, :2].any() and not whole[:, :, :, :2].any()
    assert (mouth != 0).sum() < (whole != 0).sum()


def test_the_inner_loss_is_any_of_the_registry():
    values = {
        kind: build_loss({'type': 'ComponentLoss', 'loss': {'type': kind}})(FACES, FACES + 0.1, landmarks(68)).item()
        for kind in ('L1Loss', 'MSELoss')
    }
    assert values['L1Loss'] == pytest.approx(0.1, rel=0.1) and values['MSELoss'] == pytest.approx(0.01, rel=0.1)


def test_a_loss_that_gives_no_number_is_named():
    loss = build_loss({'type': 'ComponentLoss', 'loss': {'type': 'L1Loss', 'reduction': 'none'}})
    with pytest.raises(ValueError, match=r'L1Loss gives \(6, 3, 32, 32\) instead of one number'):
        loss(FACES, FACES, landmarks(68))


def test_landmarks_of_other_faces_are_refused():
    with pytest.raises(ValueError, match=r'ComponentLoss: landmarks must be \(N, L, 2\).*not \(1, 68, 2\)'):
        build_loss({'type': 'ComponentLoss'})(FACES, FACES, landmarks(68)[:1])

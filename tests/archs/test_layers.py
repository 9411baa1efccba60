"""Blocks that networks share: how their weights start; bicubic interpolation."""

import pytest
import torch
import torch.nn.functional as F

from rim_plugin.archs.layers import ResidualBlock, bicubic, conv_prelu, resize


def test_he_initialisation_keeps_the_variance_through_prelu():
    """He et al. 2015: variance 2 / ((1 + slope^2) * inputs of a unit), PReLU's slope being 0.25."""
    torch.manual_seed(0)
    conv = conv_prelu(64, 128)[0]
    assert conv.weight.std().item() == pytest.approx((2 / (1.0625 * 64 * 9)) ** 0.5, rel=0.01)
    assert not conv.bias.any()


def test_residual_blocks_start_near_the_identity():
    torch.manual_seed(0)
    body = ResidualBlock(64).body
    assert body[3].weight.std().item() == pytest.approx(0.1 * body[0].weight.std().item(), rel=0.05)


@pytest.mark.parametrize('side, size', [((28, 28), 224), ((1, 1), 5), ((7, 12), 12), ((223, 30), 224), ((40, 30), 32)])
@pytest.mark.parametrize('function, antialias', [(bicubic, False), (resize, True)])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_interpolation_is_torchs_with_its_gradient(side, size, function, antialias, layout):
    torch.manual_seed(0)
    images = torch.rand(2, 3, *side).contiguous(memory_format=layout).requires_grad_()
    weights = torch.rand(2, 3, size, size)
    with torch.inference_mode():  # what is kept from here serves in training, too
        function(images.detach(), size)
    mode = {'mode': 'bicubic', 'align_corners': False, 'antialias': antialias}
    expected = F.interpolate(images.double(), (size, size), **mode).float()
    with torch.autocast('cpu', torch.bfloat16):
        result = function(images, size)
    torch.testing.assert_close(result, expected, atol=2e-6, rtol=0)
    gradients = [torch.autograd.grad((image * weights).sum(), images)[0] for image in (result, expected)]
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-5)

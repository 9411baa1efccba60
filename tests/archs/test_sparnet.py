"""SPARNet: attention units against their equation, grids, what it refuses."""

import pytest
import torch
import torch.nn.functional as F

from rim_plugin.archs.sparnet_arch import AttentionHourglass, FaceAttentionUnit, SPARNet
from rim_plugin.errors import OptionsError


def hourglasses(net):
    """Number of grids of each attention, in order."""
    tops = [unit.attention[0] for unit in net.modules() if isinstance(unit, FaceAttentionUnit)]
    return [sum(isinstance(part, AttentionHourglass) for part in top.modules()) for top in tops]


@pytest.mark.parametrize('scale, grid', [('down', 8), ('same', 16), ('up', 32)])
def test_a_unit_adds_the_residual_where_attention_looks(scale, grid):
    torch.manual_seed(0)
    unit, x = FaceAttentionUnit(3, 5, grid, scale).eval(), torch.rand(2, 3, 16, 16)
    first, second = unit.residual[2], unit.residual[3]
    activated = F.leaky_relu(unit.residual[0](x), 0.2)
    enlarged = [F.interpolate(each, scale_factor=2) if scale == 'up' else each for each in (activated, x)]

    def convolved(image, layers, stride=1):
        conv = next(layer for layer in layers if isinstance(layer, torch.nn.Conv2d))
        return F.conv2d(F.pad(image, (1, 1, 1, 1), 'reflect'), conv.weight, conv.bias, stride)

    half = 2 if scale == 'down' else 1
    middle = F.leaky_relu(first[-2](convolved(enlarged[0], first)), 0.2)
    residual = second[-1](convolved(middle, second, half))
    attention = torch.sigmoid(convolved(unit.attention[0](residual), unit.attention[1]))
    assert attention.shape == (2, 1, grid, grid)
    expected = convolved(enlarged[1], unit.identity, half) + attention * residual
    torch.testing.assert_close(unit(x), expected)


def test_without_attention_a_unit_is_its_identity():
    unit, x = FaceAttentionUnit(4, 4, 8).eval(), torch.rand(1, 4, 8, 8)
    torch.nn.init.zeros_(unit.attention[1].conv.weight)
    torch.nn.init.constant_(unit.attention[1].conv.bias, -1e4)
    assert torch.equal(unit(x), x)


@pytest.mark.slow
def test_grids_and_widths_are_those_of_the_paper():
    with torch.device('meta'):
        net = SPARNet(128)
        assert net(torch.rand(2, 3, 16, 16)).shape == (2, 3, 128, 128)
    assert hourglasses(net) == [4, 3, *[2] * 11, 3, 4, 5]  # each down to 4 pixels
    widths = [unit.residual[3][0].out_channels for unit in [*net.encoder, *net.body, *net.decoder]]
    assert widths == [64, 128, *[128] * 11, 128, 64, 32]


@pytest.mark.parametrize('size', [56, 100])
def test_sizes_that_do_not_fit(size):
    with pytest.raises(OptionsError, match=f'image_size: {size} is no multiple of 8 of at least 64'):
        SPARNet(size)

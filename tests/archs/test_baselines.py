"""Baselines: parameter counts of the papers, and what each network does at the weights where that is known."""

import pytest
import torch
import torch.nn.functional as F

from rim_plugin.archs.lapsrn_arch import bilinear_enlargement
from rim_plugin.archs.layers import resize

from basicsr.archs import build_network
from basicsr.archs.discriminator_arch import VGGStyleDiscriminator
from basicsr.archs.rrdbnet_arch import RRDBNet

EDSR = {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 64, 'num_block': 16, 'upscale': 8}


def parameters(options):
    return sum(value.numel() for value in build_network(options).parameters())


def enlarged(lq):
    return F.interpolate(lq, (224, 224), mode='bicubic', align_corners=False)


@pytest.mark.parametrize(
    'options, count',
    [
        ({'type': 'SRCNN', 'num_in_ch': 1}, 57281),
        ({'type': 'SRCNN'}, 69251),
        ({'type': 'VDSR'}, 668227),
        ({'type': 'VDSR', 'bias': False}, 667008),
        ({'type': 'LapSRN', 'num_in_ch': 1}, 667123),
        ({'type': 'LapSRN'}, 671833),
        pytest.param({'type': 'RRDBNetX8'}, 16734915, marks=pytest.mark.slow),
        ({'type': 'FixedInput', 'net': EDSR}, 1665283),
        ({'type': 'SPARNet'}, 10518867),
        ({'type': 'Bicubic'}, 0),
    ],
)
def test_parameter_counts(options, count):
    assert parameters(options) == count


def test_bicubic_is_the_baseline_of_validation():
    lq = torch.rand(2, 3, 20, 20)
    torch.testing.assert_close(build_network({'type': 'Bicubic'})(lq), enlarged(lq), atol=1e-5, rtol=0)


def test_vdsr_adds_a_residual_to_the_enlarged_probe():
    net, lq = build_network({'type': 'VDSR', 'num_feat': 4, 'num_layer': 3}), torch.rand(1, 3, 28, 28)
    before = net(lq)
    net.last_layer.bias.data += 0.25
    torch.testing.assert_close(net(lq), before + 0.25)
    for value in net.last_layer.parameters():
        torch.nn.init.zeros_(value)
    torch.testing.assert_close(net(lq), resize(lq, 224))


def test_srcnn_does_not_add_one():
    net = build_network({'type': 'SRCNN', 'channels': (4, 2)})
    torch.nn.init.zeros_(net.last_layer.weight)
    assert not net(torch.rand(1, 3, 28, 28)).any()


def test_lapsrn_begins_with_bilinear_enlargement_of_every_level():
    net, lq = build_network({'type': 'LapSRN', 'num_feat': 4, 'depth': 1}), torch.rand(1, 3, 28, 28)
    for level in net.levels:
        torch.nn.init.zeros_(level.residual.weight)
    images, expected = net(lq, levels=True), lq
    assert [image.shape[-1] for image in images] == net.level_sizes == [56, 112, 224]
    assert torch.equal(images[-1], net(lq))
    for image in images:
        expected = F.interpolate(expected, scale_factor=2, mode='bilinear', align_corners=False)
        inside = slice(8, -8)  # at borders the transposed convolution reads zeros
        torch.testing.assert_close(image[..., inside, inside], expected[..., inside, inside])
        expected = image


def test_bilinear_enlargement_keeps_a_constant_inside():
    enlarge = bilinear_enlargement(3)
    torch.testing.assert_close(enlarge(torch.ones(1, 3, 4, 4))[..., 1:-1, 1:-1], torch.ones(1, 3, 6, 6))


def test_rrdbnet_enlarges_by_8_where_basicsr_s_own_gives_4():
    small = {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'num_grow_ch': 2}
    lq = torch.rand(1, 3, 28, 28)
    assert RRDBNet(scale=8, **small)(lq).shape[-1] == 112
    assert build_network({'type': 'RRDBNetX8', **small})(lq).shape[-1] == 224


@pytest.mark.parametrize('size', [14, 28, 56])
@pytest.mark.parametrize(
    'options',
    [
        {'type': 'LapSRN', 'num_feat': 4},
        {'type': 'RRDBNetX8', 'num_feat': 4, 'num_block': 1},
        {'type': 'FixedInput', 'net': dict(EDSR, num_feat=4, num_block=1)},
        {'type': 'SRCNN', 'channels': (4, 2)},
    ],
)
def test_probes_of_any_size_are_brought_to_the_input_size(options, size):
    net, lq = build_network(options), torch.rand(1, 3, size, size)
    assert net(lq).shape[-1] == 224
    assert torch.equal(net(lq), net(resize(lq, net.input_size)))


def test_discriminator_is_basicsr_s_with_a_grid_of_4_for_128_pixels():
    torch.manual_seed(0)
    theirs = VGGStyleDiscriminator(3, num_feat=2, input_size=128)
    ours = build_network({'type': 'VGGDiscriminator', 'num_feat': 2, 'pool': 4})
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    image = torch.rand(2, 3, 128, 128)
    torch.testing.assert_close(ours(image), theirs(image))


@pytest.mark.parametrize('size', [32, 64, 224])
def test_discriminator_takes_any_size(size):
    assert build_network({'type': 'VGGDiscriminator', 'num_feat': 2})(torch.rand(2, 3, size, size)).shape == (2, 1)


@pytest.mark.parametrize(
    'options, words',
    [
        ({'type': 'LapSRN', 'scale': 6}, 'no power of 2'),
        ({'type': 'LapSRN', 'scale': 1}, 'no power of 2'),
        ({'type': 'LapSRN', 'image_size': 100}, 'does not divide'),
        ({'type': 'RRDBNetX8', 'num_feat': 8, 'num_block': 1, 'num_grow_ch': 4, 'image_size': 100}, 'multiple of 8'),
    ],
)
def test_arguments_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        build_network(options)

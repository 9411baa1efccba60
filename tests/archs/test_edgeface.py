"""EdgeFace against timm's EdgeNeXt, which is another implementation of the same papers."""

import math

import pytest
import torch

from rim_plugin.archs.edgeface_arch import AttentionEncoder, CrossCovariance, EdgeFace, FourierPosition
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.errors import OptionsError

SIZES = {
    'edgenext_xx_small': {'widths': (24, 48, 88, 168), 'depths': (2, 2, 6, 2)},
    'edgenext_x_small': {},
    'edgenext_small': {'widths': (48, 96, 160, 304), 'heads': 8},
}
SMALL = {'widths': (8, 8, 8, 16), 'depths': (1, 2, 2, 2), 'embedding_size': 4}


def perturbed(net):
    """LayerScale begins at 1e-6, which would hide all blocks."""
    for value in net.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return net.double()


@pytest.mark.parametrize(
    'name', [pytest.param(name, marks=pytest.mark.slow) if name != 'edgenext_xx_small' else name for name in SIZES]
)
def test_is_timm_s_edgenext(name):
    timm = pytest.importorskip('timm')
    torch.manual_seed(0)
    source = perturbed(timm.create_model(name, num_classes=16))
    net = EdgeFace(**SIZES[name], embedding_size=16).double()
    net.load_state_dict({f'model.{key}': value for key, value in source.state_dict().items()})
    face = torch.rand(2, 3, 112, 112, dtype=torch.float64)
    output = net(face)
    _, stages = source.forward_intermediates(2 * face - 1)
    for ours, theirs in zip(output.blocks, stages, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(output.embedding, source(2 * face - 1), atol=1e-10, rtol=1e-10)
    assert [block.shape[1:] for block in output.blocks] == [
        (info.channels, *grid) for info, grid in zip(net.feature_info, net.grids(), strict=True)
    ]


def test_xs_is_the_published_size():
    assert sum(value.numel() for value in EdgeFace().parameters()) == 2_242_620


def test_attention_between_channels_is_that_of_a_loop():
    torch.manual_seed(0)
    layer, x = perturbed(CrossCovariance(6, 2)), torch.randn(2, 5, 6, dtype=torch.float64)
    queries, keys, values = layer.qkv(x).chunk(3, 2)
    expected = torch.zeros_like(x)
    for face in range(2):
        for channel in range(6):
            others = range(channel // 3 * 3, channel // 3 * 3 + 3)  # of its head
            own = queries[face, :, channel] / queries[face, :, channel].norm()
            logits = [
                own @ (keys[face, :, other] / keys[face, :, other].norm()) * layer.temperature[channel // 3, 0, 0]
                for other in others
            ]
            weights = torch.stack(logits).softmax(0)
            expected[face, :, channel] = sum(w * values[face, :, other] for w, other in zip(weights, others))
    torch.testing.assert_close(layer(x), layer.proj(expected))


def test_a_place_is_told_by_sines_and_cosines():
    waves = FourierPosition._waves(14, torch.zeros(1, dtype=torch.float64))
    place = 2 * math.pi * 3 / 14  # the third row
    expected = [function(place / 10000 ** (2 * k / 32)) for k in range(16) for function in (math.sin, math.cos)]
    torch.testing.assert_close(waves[2], torch.tensor(expected, dtype=torch.float64), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('position', [True, False])
def test_gradients_of_the_encoder_with_attention(position):
    torch.manual_seed(0)
    layer = perturbed(AttentionEncoder(6, 2, 2, position))
    assert torch.autograd.gradcheck(layer, torch.randn(1, 6, 2, 3, dtype=torch.float64, requires_grad=True))


def test_weights_come_back_from_timm_s_names(tmp_path):
    torch.manual_seed(0)
    source, net = perturbed(EdgeFace(**SMALL)).float(), EdgeFace(**SMALL)
    torch.save({key.removeprefix('model.'): value for key, value in source.state_dict().items()}, tmp_path / 'e.pt')
    load_recogniser_weights(net, tmp_path / 'e.pt')
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in source.state_dict().items())


def test_a_network_without_head_has_maps_alone():
    net = EdgeFace(**SMALL)
    net.drop_head()
    assert len(net.block_maps(torch.rand(1, 3, 112, 112))) == 4 and not hasattr(net.model, 'head')


@pytest.mark.parametrize(
    'options, words',
    [
        ({'widths': (8, 8, 8)}, 'four stages'),
        ({'depths': (1, 1, 1, 1, 1)}, 'four stages'),
        ({'heads': 3}, 'heads: 3 does not divide'),
    ],
)
def test_what_cannot_be(options, words):
    with pytest.raises(OptionsError, match=words):
        EdgeFace(**options)

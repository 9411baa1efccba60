"""The tri-path generator, the mix-adversarial discriminator and the FHN composed of both."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.small_networks import SMALL_INTEGRATOR, SMALL_PATHS

from rim_plugin.archs.coarse_sr import CoarseSRNet
from rim_plugin.archs.fhn_arch import FHN, PriorPath, TriPathGenerator
from rim_plugin.archs.layers import Hourglass, ResidualBlock, resize
from rim_plugin.archs.mix_discriminator_arch import DomainDiscriminator, FeatureIntegrator


def count(net):
    return sum(value.numel() for value in net.parameters())


def small(**changes):
    return TriPathGenerator(**{**SMALL_PATHS, **changes})


def test_default_sizes_are_about_those_of_the_authors():
    fhn = FHN()
    assert count(fhn.generator.coarse) == pytest.approx(0.226e6, rel=0.02)
    for path in fhn.generator.priors.values():
        assert count(path) == pytest.approx(5.05e6, rel=0.02)
    assert count(fhn.integrator) == pytest.approx(0.536e6, rel=0.15)
    assert count(DomainDiscriminator(fhn.generator.fused_channels)) < 3e6  # the authors': 103 M


@pytest.mark.parametrize('feature_size', [56, 224])
@pytest.mark.parametrize('probe', [7, 28, 45, 224])
def test_any_probe_gives_a_224_pixel_face(feature_size, probe):
    net = FHN(
        dict(SMALL_PATHS, image_size=224, feature_size=feature_size), dict(SMALL_INTEGRATOR, feature_size=feature_size)
    )
    with torch.no_grad():
        assert net(torch.rand(1, 3, probe, probe)).shape == (1, 3, 224, 224)


def test_output_has_the_contracts_fields_and_shapes():
    net = small()
    output = net(torch.rand(2, 3, 8, 8))
    assert output.coarse.shape == (2, 3, 64, 64)
    assert output.heatmaps.shape == (2, 5, 16, 16)
    assert output.parsing.shape == (2, 11, 16, 16)
    parts = [net.global_path(output.coarse), *(path(output.coarse)[0] for path in net.priors.values())]
    assert torch.equal(output.fused, torch.cat(parts, 1))  # section 3.1.1: "output feature maps are concatenated"


def test_an_untrained_fhn_is_bicubic():
    lq = torch.rand(2, 3, 8, 8)
    expected = F.interpolate(lq, (64, 64), mode='bicubic', align_corners=False, antialias=True)
    torch.testing.assert_close(FHN(SMALL_PATHS, SMALL_INTEGRATOR)(lq), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('size', [40, 4])
def test_resize_is_bicubic_and_antialiased_where_it_shrinks(size):
    """As Pillow has it, whose filter grows with the reduction."""
    image = torch.rand(2, 3, 16, 16)
    channels = [Image.fromarray(channel.numpy()) for channel in image.flatten(0, 1)]
    expected = [np.asarray(channel.resize((size, size), Image.Resampling.BICUBIC)) for channel in channels]
    torch.testing.assert_close(resize(image, size).flatten(0, 1), torch.tensor(np.stack(expected)), atol=1e-5, rtol=0)


def test_resize_is_the_identity_at_the_same_size_and_widens_half_precision():
    image = torch.rand(1, 3, 16, 16)
    assert resize(image, 16) is image
    assert resize(image.bfloat16(), 8).dtype == torch.float32


def test_hr_goes_the_same_way_as_in_encode():
    net = small().eval()
    lq, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 64, 64)
    probe, reference = net(lq, hr)
    expected = net.encode(hr)
    assert torch.equal(reference.fused, expected.fused)
    assert expected.heatmaps is not None and reference.heatmaps is None
    assert torch.equal(reference.coarse, hr)
    assert torch.equal(probe.fused, net(lq).fused)


@pytest.mark.parametrize(
    'paths, heatmaps, parsing, width',
    [
        ('separate', True, True, 12),
        ('shared', True, True, 8),
        ('landmark', True, False, 8),
        ('parsing', False, True, 8),
        ('none', False, False, 4),
    ],
)
def test_prior_paths_can_be_left_out_or_shared(paths, heatmaps, parsing, width):
    net = small(prior_paths=paths)
    output = net(torch.rand(1, 3, 8, 8))
    assert (output.heatmaps is not None, output.parsing is not None) == (heatmaps, parsing)
    assert output.fused.shape[1] == net.fused_channels == width
    assert len(net.priors) == {'shared': 1, 'separate': 2}.get(paths, heatmaps + parsing)


@pytest.mark.parametrize('paths', ['separate', 'shared', 'landmark', 'parsing', 'none'])
def test_heatmaps_alone_are_those_of_forward_without_the_other_paths(paths, monkeypatch):
    net, lq = small(prior_paths=paths).eval(), [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 11, 11)]
    for value in net.priors.parameters():  # heads start at zero
        value.data = torch.randn_like(value)
    expected = net(lq).heatmaps
    for other in [net.global_path, *(path for path in net.priors.values() if 'heatmaps' not in path.heads)]:
        monkeypatch.setattr(other, 'forward', None)
    output = net.heatmaps(lq)
    assert (output is expected is None) or (output.any() and torch.equal(output, expected))


def test_none_may_come_as_the_word_or_as_no_value():
    """``--force_yml network_g:prior_paths=none`` arrives as None."""
    word, value = (small(prior_paths=none, norm=none).state_dict() for none in ('none', None))
    assert word.keys() == value.keys() and not any('priors' in key for key in word)


def test_more_landmarks_than_channels_can_each_have_a_place_of_their_own():
    torch.manual_seed(0)
    path = PriorPath({'heatmaps': 12}, 4, 0, hourglass_depth=1, hourglass_blocks=1, norm='none')
    torch.nn.init.normal_(path.heads['heatmaps'][-1].weight)
    maps = path(torch.rand(1, 3, 64, 64))[1]['heatmaps'].flatten(2)[0]
    singular = torch.linalg.svdvals((maps - maps.mean(1, keepdim=True)).double())
    assert singular[11] > 1e-5 * singular[0]  # maps linear in the features would have rank 4


def test_the_hourglass_adds_to_the_features_before_it():
    torch.manual_seed(0)
    path = PriorPath({}, 4, 1, hourglass_depth=1, hourglass_blocks=1, norm='none')
    image = torch.rand(1, 3, 32, 32)
    before = path.body(path.stem(image))
    torch.testing.assert_close(path(image)[0], before + path.hourglasses[0](before))


def test_prior_paths_may_have_a_normalisation_of_their_own():
    net = small(norm='none', prior_norm='instance')
    normalised = {
        name.split('.')[0] for name, layer in net.named_modules() if isinstance(layer, torch.nn.InstanceNorm2d)
    }
    assert normalised == {'priors'}


def test_estimated_priors_are_concatenated_by_option():
    net = small(concat='features+priors')
    output = net(torch.rand(1, 3, 8, 8))
    assert net.fused_channels == output.fused.shape[1] == 12 + 5 + 11
    assert torch.equal(output.fused[:, 12:17], output.heatmaps)
    torch.testing.assert_close(output.fused[:, 17:].sum(1), torch.ones(1, 16, 16))


def test_repeats_apply_the_same_blocks_again():
    once, twice = (CoarseSRNet(32, 32, 4, 1, repeats, 'none') for repeats in (1, 2))
    twice.load_state_dict(once.state_dict())
    torch.nn.init.normal_(once.tail.conv.weight, std=0.1)
    torch.nn.init.normal_(once.body[0].body[3].weight)
    twice.load_state_dict(once.state_dict())
    lq = torch.rand(1, 3, 32, 32)
    features = once.body(once.body(once.head(lq)))
    torch.testing.assert_close(twice(lq), lq + once.tail(features))


def test_larger_probes_enter_the_coarse_net_folded_into_channels():
    net = CoarseSRNet(32, 8, 4, 1, 1, 'none', input_size=16)
    torch.nn.init.normal_(net.tail.conv.weight)
    lq = torch.rand(1, 3, 16, 16)
    folded = torch.stack([lq[:, c, i::2, j::2] for c in range(3) for i in (0, 1) for j in (0, 1)], 1)
    torch.testing.assert_close(net(lq), resize(lq, 32) + net.tail(net.body(net.head(folded))))
    with pytest.raises(ValueError, match='input_size: 12 is no multiple'):
        CoarseSRNet(32, 8, input_size=12)


def modulated():
    """A coarse network in which the probe's size matters."""
    torch.manual_seed(0)
    net = CoarseSRNet(32, 8, 4, 2, 2, 'none', size_modulation=True)
    torch.nn.init.normal_(net.modulation.net[-1].weight, std=0.3)
    torch.nn.init.normal_(net.tail.conv.weight)
    return net


def test_size_modulation_begins_as_the_identity():
    plain, net = CoarseSRNet(32, 8, 4, 2, 2, 'none'), CoarseSRNet(32, 8, 4, 2, 2, 'none', size_modulation=True)
    net.load_state_dict(plain.state_dict(), strict=False)
    for either in (plain, net):
        either.tail.conv.weight.data.fill_(0.1)
    lq = torch.rand(1, 3, 5, 5)
    assert torch.equal(net(lq), plain(lq))


@pytest.mark.parametrize('size', [4, 13])
def test_size_modulation_scales_and_shifts_after_every_block(size):
    net, lq = modulated(), torch.rand(2, 3, size, size)
    hidden = net.modulation.net[1](net.modulation.net[0](torch.tensor([size / 20]).log2()))
    maps = net.modulation.net[2](hidden).reshape(3, 2, 4)
    features = net.head(resize(lq, 8))
    for index, block in ((0, None), (1, net.body[0]), (2, net.body[1]), (1, net.body[0]), (2, net.body[1])):
        features = features if block is None else block(features)
        features = torch.stack([features[:, c] * (1 + maps[index, 0, c]) + maps[index, 1, c] for c in range(4)], 1)
    torch.testing.assert_close(net(lq), resize(lq, 32) + net.tail(features))


def test_probes_of_several_sizes_go_through_as_one_by_one():
    net = small(coarse_size_modulation=True)
    torch.nn.init.normal_(net.coarse.modulation.net[-1].weight)
    torch.nn.init.normal_(net.coarse.tail.conv.weight, std=0.1)
    net, probes = net.double(), [torch.rand(2, 3, 8, 8).double(), torch.rand(1, 3, 16, 16).double()]
    output, alone = net(probes), [net(group) for group in probes]
    for name in ('coarse', 'fused', 'heatmaps'):
        torch.testing.assert_close(getattr(output, name), torch.cat([getattr(each, name) for each in alone]))


def test_embeddings_have_unit_length_whatever_the_batch():
    net, fused = DomainDiscriminator(6, 4, 8, pool=2), torch.randn(5, 6, 16, 16) * 9
    embeddings = net(fused)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(net(fused[:1]), embeddings[:1])  # no statistics of a domain


@pytest.mark.parametrize(
    'net, shape',
    [
        (ResidualBlock(2), (1, 2, 4, 4)),
        (ResidualBlock(2, 'instance'), (1, 2, 4, 4)),
        (Hourglass(2, 2), (1, 2, 8, 8)),
        (CoarseSRNet(8, 4, 2, 1, 1), (1, 3, 2, 2)),
        (CoarseSRNet(8, 4, 2, 1, 1, size_modulation=True), (1, 3, 2, 2)),
    ],
)
def test_gradients_by_finite_differences(net, shape):
    torch.manual_seed(0)
    for value in net.parameters():
        torch.nn.init.normal_(value, std=0.5)
    data = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net.double(), (data,), atol=1e-4)


@pytest.mark.parametrize(
    'make, words',
    [
        (lambda: small(feature_size=48), ['feature_size', '48', '64']),
        (lambda: small(image_size=56, feature_size=14, hourglass_depth=3), ['image_size', '56', '32']),
        (lambda: FeatureIntegrator(8, 64, feature_size=24), ['feature_size', '24']),
    ],
)
def test_wrong_options_are_named(make, words):
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in words)

"""What is not face, enlarged by an SR network: any registered one, with its weights, tile by tile."""

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from rim_plugin.building import build_network
from rim_plugin.errors import OptionsError
from rim_plugin.tools.background import Background, load_background

COMPACT = {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 4}


class Nearest(nn.Module):
    """Repeats every pixel ``factor`` times, a little darker, and keeps the sizes that it has seen."""

    def __init__(self, factor=4):
        super().__init__()
        self.factor, self.seen = factor, []

    def forward(self, images):
        self.seen.append(tuple(images.shape[-2:]))
        return images.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3) - 0.1


def options_file(tmp_path, **options):
    path = tmp_path / 'sr.yml'
    path.write_text(yaml.safe_dump(options))
    return path


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_photo_is_what_the_network_makes_of_its_tiles(dtype):
    full, network = np.iinfo(dtype).max, Nearest()
    pixels = np.random.default_rng(0).integers(0, full, (250, 300, 3), dtype, endpoint=True)
    before = np.zeros((1000, 1200, 3), dtype)
    after = Background(network)(before, pixels, 4)
    expected = (pixels / full - 0.1).clip(0, 1).repeat(4, 0).repeat(4, 1) * full
    assert after.dtype == dtype and np.abs(after - expected).max() < 0.51 + full * 1e-6
    assert set(network.seen[2:]) == {(256, 256)} and len(network.seen) == 2 + 4


@pytest.mark.parametrize('factor, scale', [(4, 2), (4, 3), (2, 4), (1, 2)])
def test_networks_of_another_factor_serve_too(factor, scale):
    pixels = np.full((20, 30, 3), 200, np.uint8)
    after = Background(Nearest(factor))(np.zeros((20 * scale, 30 * scale, 3), np.uint8), pixels, scale)
    assert after.shape == (20 * scale, 30 * scale, 3) and np.abs(after.astype(int) - (200 - 25.5)).max() <= 1


def test_a_photo_that_does_not_grow_stays():
    before = np.zeros((20, 30, 3), np.uint8)
    assert Background(Nearest())(before, before, 1) is before


def test_hidden_pixels_show_nothing():
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[:, :20] = 0  # transparent black
    before = np.full((80, 80, 4), 77, np.uint8)
    after = Background(Nearest(2))(before, pixels, 2)
    assert (after[:, :48] == 77).all() and (after[..., 3] == 77).all()  # opacity is interpolation's
    assert (after[:, 48:, :3] == 230).all()  # 255 - .1


@pytest.mark.parametrize(
    'network, message',
    [
        (nn.Flatten(), 'it makes 12288 and 49152 of pictures of 64 and 128 pixels'),
        (nn.AdaptiveAvgPool2d(224), 'it makes 3x224x224 and 3x224x224 of pictures of 64 and 128 pixels'),
        (nn.Conv2d(1, 3, 3), 'does not enlarge a picture of 64 pixels'),
        (nn.MaxPool2d(2), 'not all larger by one whole factor'),
        (nn.AdaptiveMaxPool2d(64, return_indices=True), 'does not enlarge.*it gives a tuple, not pictures'),
    ],
)
def test_what_enlarges_no_photos_is_told(network, message):
    with pytest.raises(OptionsError, match=message):
        Background(network)


def test_a_registered_network_comes_with_its_weights(tmp_path):
    network = build_network(COMPACT)
    for parameter in network.parameters():
        parameter.data.zero_()  # what is left is its nearest-neighbour shortcut
    torch.save({'params_ema': network.state_dict()}, tmp_path / 'sr.pth')
    path = {'pretrain_network_g': str(tmp_path / 'sr.pth'), 'param_key_g': 'params_ema'}
    background = load_background(options_file(tmp_path, network_g=COMPACT, path=path))
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    after = background(np.zeros((36, 44, 3), np.uint8), pixels, 4)
    assert np.array_equal(after, pixels.repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize(
    'options, message',
    [
        ({}, 'sr.yml: it has no network_g with a type'),
        ({'network_g': COMPACT}, 'sr.yml: path: pretrain_network_g is missing'),
        ({'network_g': {**COMPACT, 'upscal': 3}}, r"sr.yml: network_g.upscal: unknown key; did you mean 'upscale'"),
        ({'network_g': {**COMPACT, 'num_conv': 10**9}}, 'sr.yml: network_g: more than 5,000 layers'),
        ({'network_g': {**COMPACT, 'num_feat': 10**6}}, 'GB of weights, and this machine has'),
        ({'network_g': {**COMPACT, 'act_type': 'x'}}, 'sr.yml: network_g: SRVGGNetCompact cannot be built so'),
        ({'network_g': {'type': 'EDSRR'}}, "sr.yml: network_g.type: unknown network 'EDSRR'; did you mean 'EDSR'?"),
        ({'network_g': COMPACT, 'path': 'sr.pth'}, 'sr.yml: path: has to be a block of keys'),
        ({'network_g': COMPACT, 'path': {'pretrain_network_g': ['a']}}, 'path.pretrain_network_g: ..a.. is not a text'),
        ({'network_g': COMPACT, 'path': {'param_key_g': {}}}, 'sr.yml: path.param_key_g: {} is not a text'),
        ({'network_g': COMPACT, 'path': {'strict_load_g': 'nein'}}, "path.strict_load_g: 'nein' is not true or false"),
        ({'network_g': COMPACT, 'path': {'pretrain_network_g': 'absent.pth'}}, 'absent.pth: no such file'),
        ({'network_g': {'type': 'Bicubic'}}, 'network_g: Bicubic enlarges no background: it makes 3x224x224'),
    ],
)
def test_an_options_file_without_a_network_for_photos_is_told(tmp_path, options, message):
    with pytest.raises(OptionsError, match=message):
        load_background(options_file(tmp_path, **options))


def test_no_such_options_file(tmp_path):
    with pytest.raises(OptionsError, match='absent.yml'):
        load_background(tmp_path / 'absent.yml')

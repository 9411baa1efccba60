"""Published layouts of recognisers, made up from their descriptions, and what such networks compute; loading."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rim_plugin.archs.iresnet_arch import IResNet
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.errors import OptionsError

WIDTHS = (64, 128, 256, 512)


def blocks_of(layers):
    """(in_channels, channels, stride) of each block of a ResNet-IR."""
    rows = []
    for width, count in zip(WIDTHS, layers, strict=True):
        rows += [(rows[-1][1] if rows else 64, width, 2)] + [(width, width, 1)] * (count - 1)
    return rows


def arcface_layout(layers):
    """Parts of arcface_torch's iresnet by name: conv and linear shapes, channels of 'bn', of 'prelu'."""
    parts = {'conv1': (64, 3, 3, 3), 'bn1': 'bn 64', 'prelu': 'prelu 64'}
    names = [f'layer{layer}.{index}.' for layer, count in enumerate(layers, 1) for index in range(count)]
    for name, (before, width, stride) in zip(names, blocks_of(layers), strict=True):
        parts.update(
            {
                name + 'bn1': f'bn {before}',
                name + 'conv1': (width, before, 3, 3),
                name + 'bn2': f'bn {width}',
                name + 'prelu': f'prelu {width}',
                name + 'conv2': (width, width, 3, 3),
                name + 'bn3': f'bn {width}',
            }
        )
        if stride == 2:
            parts.update({name + 'downsample.0': (width, before, 1, 1), name + 'downsample.1': f'bn {width}'})
    return {**parts, 'bn2': 'bn 512', 'fc': (512, 512 * 7 * 7), 'features': 'bn 512'}


def evolve_layout(layers):
    """Parts of face.evoLVe's IR networks by name, see ``arcface_layout``."""
    parts = {
        'input_layer.0': (64, 3, 3, 3),
        'input_layer.1': 'bn 64',
        'input_layer.2': 'prelu 64',
        'output_layer.0': 'bn 512',
        'output_layer.3': (512, 512 * 7 * 7),
        'output_layer.4': 'bn 512',
    }
    for index, (before, width, _) in enumerate(blocks_of(layers)):
        name = f'body.{index}.res_layer.'
        parts.update(
            {
                name + '0': f'bn {before}',
                name + '1': (width, before, 3, 3),
                name + '2': f'prelu {width}',
                name + '3': (width, width, 3, 3),
                name + '4': f'bn {width}',
            }
        )
        if before != width:
            name = f'body.{index}.shortcut_layer.'
            parts.update({name + '0': (width, before, 1, 1), name + '1': f'bn {width}'})
    return parts


def random_weights(layout):
    """A state dict with statistics that are not those of an untrained network, and outputs of about 1."""
    torch.manual_seed(0)
    weights = {}
    for name, part in layout.items():
        if isinstance(part, tuple):
            weights[name + '.weight'] = torch.randn(part) / np.sqrt(np.prod(part[1:]))
            if len(part) == 2:
                weights[name + '.bias'] = torch.randn(part[0]) * 0.1
            continue
        kind, channels = part.split()
        channels = int(channels)
        if kind == 'prelu':
            weights[name + '.weight'] = torch.rand(channels) * 0.4
            continue
        weights.update(
            {
                name + '.weight': torch.rand(channels) + 0.5,
                name + '.bias': torch.randn(channels) * 0.1,
                name + '.running_mean': torch.randn(channels) * 0.1,
                name + '.running_var': torch.rand(channels) + 0.5,
                name + '.num_batches_tracked': torch.tensor(7),
            }
        )
    return weights


class Reference:
    """The networks from their descriptions alone, in double precision: block maps and embedding."""

    def __init__(self, weights):
        self.weights = {key: value.double() for key, value in weights.items()}

    def norm(self, x, name):
        get = [self.weights[f'{name}.{key}'] for key in ('running_mean', 'running_var', 'weight', 'bias')]
        return F.batch_norm(x, *get, eps=1e-5)

    def conv(self, x, name, stride=1):
        weight = self.weights[name + '.weight']
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def prelu(self, x, name):
        return F.prelu(x, self.weights[name + '.weight'])

    def linear(self, x, name):
        return F.linear(x.flatten(1), self.weights[name + '.weight'], self.weights[name + '.bias'])

    def arcface(self, image, layers):
        x = self.prelu(self.norm(self.conv((image * 255 - 127.5) / 127.5, 'conv1'), 'bn1'), 'prelu')
        maps = []
        for layer, count in enumerate(layers, 1):
            for index in range(count):
                name, stride = f'layer{layer}.{index}.', 1 if index else 2
                y = self.norm(self.conv(self.norm(x, name + 'bn1'), name + 'conv1'), name + 'bn2')
                y = self.norm(self.conv(self.prelu(y, name + 'prelu'), name + 'conv2', stride), name + 'bn3')
                if stride == 2:
                    x = self.norm(self.conv(x, name + 'downsample.0', 2), name + 'downsample.1')
                x = x + y
            maps.append(x)
        return maps, self.norm(self.linear(self.norm(x, 'bn2'), 'fc'), 'features')

    def evolve(self, image, layers):
        x = self.norm(self.conv((image * 255 - 127.5) / 128, 'input_layer.0'), 'input_layer.1')
        x = self.prelu(x, 'input_layer.2')
        maps = []
        for index, (before, width, stride) in enumerate(blocks_of(layers)):
            if stride == 2 and index:
                maps.append(x)
            name = f'body.{index}.res_layer.'
            y = self.prelu(self.conv(self.norm(x, name + '0'), name + '1'), name + '2')
            y = self.norm(self.conv(y, name + '3', stride), name + '4')
            name = f'body.{index}.shortcut_layer.'
            x = x[..., ::stride, ::stride]
            x = y + (x if before == width else self.norm(self.conv(x, name + '0'), name + '1'))
        maps.append(x)
        return maps, self.norm(self.linear(self.norm(x, 'output_layer.0'), 'output_layer.3'), 'output_layer.4')


LAYERS = (2, 2, 2, 2)


def loaded(path, net=None):
    net = net or IResNet(18)
    load_recogniser_weights(net, path)
    return net.eval()


def refusal(path, net):
    """The error of a loading that has to fail and to leave the network as it was."""
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(OptionsError) as error:
        load_recogniser_weights(net, path)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    return str(error.value)

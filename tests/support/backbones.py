"""Files of backbones with random weights: the trained ones are not in the repository."""

import pytest
import torch
from torch import nn


def random_features(build):
    """Layers of torchvision's ``build()`` with random weights, without the classifier, most of its weights."""
    with torch.device('meta'):
        layers = build().features
    torch.manual_seed(0)
    for layer in layers.to_empty(device='cpu'):
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return layers


def state_of(features):
    """As torchvision's file has it, but for the sizes of the classifier."""
    state = {f'features.{key}': value for key, value in features.state_dict().items()}
    return {**state, 'classifier.1.weight': torch.zeros(1)}


def backbone_fixtures(build):
    """Fixtures of a module: :func:`random_features` of ``build``, and the file that holds them."""

    @pytest.fixture(scope='module')
    def features():
        return random_features(build)

    @pytest.fixture(scope='module')
    def weights(features, tmp_path_factory):
        path = tmp_path_factory.mktemp('backbone') / f'{build.__name__}.pth'
        torch.save(state_of(features), path)
        return path

    return features, weights


def images(count, side=64):
    """SR and HR images (count, 3, side, side)."""
    generator = torch.Generator().manual_seed(1)
    gt = torch.rand(count, 3, side, side, generator=generator)
    return gt + 0.2 * torch.randn(gt.shape, generator=generator), gt

"""LPIPS against its formula in float64, on AlexNet with random weights: the trained ones are not in the repository."""

import sys
from copy import deepcopy
from importlib.resources import files

import pytest
import torch
from support.backbones import backbone_fixtures, images, state_of
from torchvision.models import alexnet

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.metrics.lpips import LPIPS

RELUS = (1, 4, 7, 9, 11)  # layers of AlexNet's features
MEAN, STD = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]], dtype=torch.float64).reshape(2, 1, 3, 1, 1)
lpips = pytest.importorskip('lpips')


features, weights = backbone_fixtures(alexnet)


def by_formula(features, sr, gt):
    """Zhang et al., Eq. 1: mean over places of the weighted squared differences of unit feature vectors, all layers."""
    layers = deepcopy(features).double()
    heads = torch.load(str(files('lpips') / 'weights/v0.1/alex.pth'), map_location='cpu')
    maps = []
    for image in (sr, gt):
        x = ((image.double().clamp(0, 1) * 255).round() / 255 * 2 - 1 - MEAN) / STD
        maps.append([])
        for number, layer in enumerate(layers[:12]):
            x = layer(x)
            if number in RELUS:
                maps[-1].append((x / x.norm(dim=1, keepdim=True).clamp(min=1e-10)).clone())
    distances = torch.zeros(len(sr), dtype=torch.float64)
    for number, (a, b) in enumerate(zip(*maps)):
        distances += ((a - b).square() * heads[f'lin{number}.model.1.weight'].double()).sum(1).mean((1, 2))
    return distances


@pytest.mark.parametrize('count', [1, 3, pytest.param(17, marks=pytest.mark.slow)])
@torch.no_grad()
def test_equals_the_formula(features, weights, count):
    sr, gt = images(count)
    before = sr.clone()
    found = LPIPS(str(weights)).measure({'sr': sr, 'gt': gt})
    assert found.shape == (count,) and found.dtype == torch.float64 and torch.equal(sr, before)
    assert found.min() > 1e-3
    torch.testing.assert_close(found, by_formula(features, sr, gt), rtol=1e-4, atol=1e-7)


def test_identical_images_have_none(weights):
    gt = (images(2)[1] * 255).round() / 255
    assert LPIPS(str(weights)).measure({'sr': gt + 0.4 / 255, 'gt': gt}).abs().max() == 0


def test_bicubic_has_it_too():
    assert LPIPS('alexnet.pth').images_alone


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda state: None, 'no such file. Wanted is torchvision'),
        pytest.param(
            lambda state: {'features.0.weight': state['features.0.weight']}, 'missing: 0.bias', marks=pytest.mark.slow
        ),
        pytest.param(
            lambda state: {**state, 'features.0.weight': torch.zeros(64, 3, 3, 3)},
            'other shape: 0.weight (64, 3, 3, 3)',
            marks=pytest.mark.slow,
        ),
    ],
)
def test_wrong_weights_are_told(features, tmp_path, change, words):
    content = change(state_of(features))
    if content is not None:
        torch.save(content, tmp_path / 'net.pth')
    with pytest.raises(OptionsError) as caught:
        LPIPS(str(tmp_path / 'net.pth')).measure(dict(zip(('sr', 'gt'), images(1))))
    assert words in str(caught.value) and 'net.pth' in str(caught.value)


def test_without_the_package_it_says_so(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lpips', None)
    with pytest.raises(OptionsError, match='pip install lpips'):
        LPIPS(f'{weights}.other').measure(dict(zip(('sr', 'gt'), images(1))))


@pytest.mark.parametrize('shape', [(1, 1, 64, 64), (1, 3, 64, 32), (3, 64, 64)])
def test_images_of_other_shapes_are_refused(weights, shape):
    with pytest.raises(ValueError, match='must have one shape'):
        LPIPS(str(weights)).measure({'sr': torch.zeros(shape), 'gt': torch.zeros(1, 3, 64, 64)})

"""DISTS against its formula in float64, on VGG16 with random weights: the trained ones are not in the repository."""

from importlib.resources import files

import pytest
import torch
from support.backbones import backbone_fixtures, images, state_of
from torch.nn import functional as F
from torchvision.models import vgg16

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.metrics.dists import DISTS

MEAN, STD = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=torch.float64).reshape(2, 1, 3, 1, 1)
LAST = (3, 8, 15, 22, 29)  # the ReLU that ends each stage of VGG16's features
HANN = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)  # of 3 pixels


features, weights = backbone_fixtures(vgg16)


def stages(features, image):
    """The image and the maps at the end of each stage; in the place of maximum pooling the root of blurred squares."""
    x, maps = (image - MEAN) / STD, [image]
    for number, layer in enumerate(features[:30]):
        if isinstance(layer, torch.nn.MaxPool2d):
            kernel = torch.outer(HANN, HANN).expand(x.shape[1], 1, 3, 3)
            x = (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()
        elif isinstance(layer, torch.nn.Conv2d):
            x = F.conv2d(x, layer.weight.double(), layer.bias.double(), padding=1)
        else:
            x = x.clamp(min=0)
        if number in LAST:
            maps.append(x)
    return maps


def by_formula(features, sr, gt):
    """Ding et al., Eqs. 5 to 7: texture of the means, structure of the correlation, weighted over all channels."""
    heads = torch.load(str(files('torchmetrics') / 'functional/image/dists_models/weights.pt'), map_location='cpu')
    alpha, beta = (heads[key].detach().double().flatten() for key in ('alpha', 'beta'))
    eight_bit = [(image.double().clamp(0, 1) * 255).round() / 255 for image in (sr, gt)]
    texture, structure = [], []
    for x, y in zip(*(stages(features, image) for image in eight_bit)):
        x, y = x.flatten(2), y.flatten(2)
        mean_x, mean_y = x.mean(2), y.mean(2)
        covariance = ((x - mean_x[..., None]) * (y - mean_y[..., None])).mean(2)
        variances = x.var(2, unbiased=False) + y.var(2, unbiased=False)
        texture.append((2 * mean_x * mean_y + 1e-6) / (mean_x**2 + mean_y**2 + 1e-6))
        structure.append((2 * covariance + 1e-6) / (variances + 1e-6))
    likeness = torch.cat(texture, 1) @ alpha + torch.cat(structure, 1) @ beta
    return 1 - likeness / (alpha.sum() + beta.sum())


@pytest.mark.parametrize('count', [1, pytest.param(5, marks=pytest.mark.slow)])
@torch.no_grad()
def test_equals_the_formula(features, weights, count):
    sr, gt = images(count)
    found = DISTS(str(weights)).measure({'sr': sr, 'gt': gt})
    assert found.shape == (count,) and found.dtype == torch.float64 and found.min() > 1e-3
    torch.testing.assert_close(found, by_formula(features, sr, gt), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_identical_images_have_none(weights):
    gt = (images(2)[1] * 255).round() / 255
    assert DISTS(str(weights)).measure({'sr': gt + 0.4 / 255, 'gt': gt}).abs().max() < 1e-5
    assert not DISTS.higher_is_better and DISTS(str(weights)).images_alone


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda state: None, "DISTS: .*no such file. Wanted is torchvision's VGG16, vgg16-397923af.pth"),
        (lambda state: {'features.0.weight': state['features.0.weight']}, 'no weights for DISTS: missing: 0.bias'),
    ],
)
def test_wrong_weights_are_told(features, tmp_path, change, words):
    content = change(state_of(features))
    if content is not None:
        torch.save(content, tmp_path / 'net.pth')
    with pytest.raises(OptionsError, match=words):
        DISTS(str(tmp_path / 'net.pth')).measure(dict(zip(('sr', 'gt'), images(1))))

"""FID against scipy's matrix square root, on random features and on InceptionV3 with random weights."""

import sys

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.metrics import fid
from rim_plugin.evaluation.metrics.fid import FID, frechet_distance


def features(count, size, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, size, size))
    return [torch.from_numpy(rng.normal(shift, 1, (count, size)) @ mixing[i]) for i, shift in enumerate((0, 0.3))]


def by_definition(first, second):
    """Heusel et al., Eq. 6, with a matrix square root."""
    means = [rows.mean(0) for rows in (first, second)]
    covariances = [np.cov(rows, rowvar=False) for rows in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1])
    return np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)


@pytest.mark.parametrize('count', [20, 7, 5])  # more rows than features, and as many, and fewer
def test_equals_the_definition(count):
    first, second = features(count, 7 if count > 5 else 4)
    ones = torch.ones(count, dtype=torch.float64)
    found = frechet_distance(first, second, ones)
    assert found == pytest.approx(by_definition(first.numpy(), second.numpy()), rel=1e-6) and found > 1
    assert abs(frechet_distance(first, first, ones)) < 1e-9 * float(first.square().sum())


def test_few_faces_of_many_features():
    """Covariances without full rank, as of fewer than 2,049 faces: eigenvalues of the other order of the product."""
    first, second = features(6, 50)
    a, b = (np.sqrt(1 / 5) * (rows - rows.mean(0)).numpy() for rows in (first, second))
    values = np.linalg.eigvals((a @ b.T) @ (b @ a.T)).clip(0)
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * np.sqrt(values).sum()
    assert frechet_distance(first, second, torch.ones(6, dtype=torch.float64)) == pytest.approx(float(expected.real))


def measured(count=30, size=6):
    """A metric that has seen faces with random features."""
    metric = FID('net.pth')
    metric.measured.append(torch.stack(features(count, size), 1).float())
    return metric


def test_a_resample_counts_a_face_as_often_as_it_was_drawn():
    metric, draw = measured(), torch.tensor([3, 3, 3, 0, 7, 7, 1, 2, 9, 11, 12, 5])
    first, second = (rows.numpy() for rows in metric.measured[0][draw].double().unbind(1))
    assert metric.over(draw) == pytest.approx(by_definition(first, second), rel=1e-6)
    assert metric.compute() == pytest.approx(metric.over(torch.arange(30)))
    assert np.isnan(metric.over(torch.tensor([4, 4])[:1])) and not metric.per_face
    values = metric.resampled(20)
    assert values.shape == (20,) and (values == metric.resampled(20)).all() and values.std() > 0


def test_features_are_those_of_eight_bits(monkeypatch):
    monkeypatch.setattr(fid, 'network', lambda weights: torch.nn.ModuleList([Mean()])[0])
    gt = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = FID('net.pth').measure({'sr': gt * 2 - 0.5, 'gt': gt})
    expected = [(image.clamp(0, 1) * 255).round().mean((2, 3)) for image in (gt * 2 - 0.5, gt)]
    torch.testing.assert_close(found, torch.stack(expected, 1))


class Mean(torch.nn.Module):
    """Mean colours of 8-bit images, as a tuple, as torch-fidelity's networks return their features."""

    def forward(self, images):
        assert images.dtype == torch.uint8
        return (images.float().mean((2, 3)),)


@pytest.mark.slow
def test_inception_with_weights_from_a_file(tmp_path):
    library = pytest.importorskip('torch_fidelity.feature_extractor_inceptionv3')
    torch.manual_seed(0)
    net = object.__new__(library.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, 'load_state_dict', lambda self, state: None)
        patch.setattr(torch, 'load', lambda *args, **options: {})
        net.__init__('inception-v3-compat', ['2048'], feature_extractor_weights_path='none')
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    faces = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = FID(str(tmp_path / 'net.pth')).measure({'sr': faces.flip(3), 'gt': faces})
    assert found.shape == (3, 2, 2048)
    torch.testing.assert_close(found[:, 1], net((faces * 255).round().byte())[0])
    torch.save({'fc.bias': torch.zeros(1008)}, tmp_path / 'other.pth')
    with pytest.raises(OptionsError, match='no weights for FID: Missing key.*Wanted is torch-fidelity') as caught:
        FID(str(tmp_path / 'other.pth')).measure({'sr': faces, 'gt': faces})
    assert '\n' not in str(caught.value)
    with pytest.raises(OptionsError, match="FID: .*no such file. Wanted is torch-fidelity's InceptionV3"):
        FID(str(tmp_path / 'none.pth')).measure({'sr': faces, 'gt': faces})


def test_without_the_package_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch_fidelity', None)
    with pytest.raises(OptionsError, match='pip install torch-fidelity'):
        FID('unheard_of.pth').measure({'sr': torch.zeros(1, 3, 8, 8), 'gt': torch.zeros(1, 3, 8, 8)})

"""Changes of size as products of matrices, against torch's interpolation."""

import pytest
import torch
from torch.nn import functional as F

from rim_plugin.data.resampling import AREA, BICUBIC, BILINEAR, MODES, NEAREST, resample, resampling_matrices


@pytest.mark.parametrize('source, target', [(224, 28), (224, 56), (112, 7), (100, 33), (56, 56), (19, 56)])
def test_matrices_do_what_torch_interpolates(source, target):
    noise = torch.rand(4, 3, source, source, generator=torch.Generator().manual_seed(0))
    sides = torch.tensor([source]), torch.tensor([target])
    found = resample(noise, resampling_matrices(torch.tensor(MODES), *sides, columns=source, rows=target))
    for mode, name in ((AREA, 'area'), (BILINEAR, 'bilinear'), (BICUBIC, 'bicubic'), (NEAREST, 'nearest-exact')):
        smooth = {'antialias': True} if name[0] == 'b' else {}
        expected = F.interpolate(noise[mode][None], (target, target), mode=name, **smooth)[0]
        torch.testing.assert_close(found[mode], expected, atol=2e-6, rtol=0)


def test_each_image_has_its_own_sizes():
    noise = torch.rand(3, 1, 20, 20)
    sides = torch.tensor([20, 9, 13]), torch.tensor([6, 20, 11])
    modes = torch.tensor([BICUBIC, BILINEAR, AREA])
    found = resample(noise, resampling_matrices(modes, *sides, columns=20, rows=20))
    for image, mode, source, target, result in zip(noise, modes, *sides, found):
        matrix = resampling_matrices(mode[None], source[None], target[None], columns=source, rows=target)
        torch.testing.assert_close(result[:, :target, :target], resample(image[None, :, :source, :source], matrix)[0])
        assert not result[:, target:].any() and not result[..., target:].any()

"""Kernels and filtering of a batch, against BasicSR's and SciPy's of one image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from rim_plugin.data.blur import filter_images, gaussian_kernels, motion_kernels

from basicsr.data.degradations import bivariate_Gaussian
from basicsr.utils.img_process_util import filter2D


@pytest.mark.parametrize('sigma, other, angle', [(1.3, 1.3, 0.0), (3.0, 1.0, 0.7), (0.5, 2.5, 2.9)])
def test_gaussian_kernels_are_those_of_basicsr(sigma, other, angle):
    found = gaussian_kernels(*(torch.tensor([value]) for value in (sigma, other, angle)), radius=10)[0]
    expected = bivariate_Gaussian(21, sigma, other, angle, isotropic=sigma == other)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_motion_is_a_line_of_its_length_and_angle():
    lengths, angles = torch.tensor([0.0, 4.0, 8.0, 6.0]), torch.tensor([0.0, 0.0, torch.pi / 2, torch.pi / 4])
    point, across, down, diagonal = motion_kernels(lengths, angles, 6).double()
    assert point[6, 6] == 1 and point.sum() == 1
    np.testing.assert_allclose(across[6], np.array([0, 0, 0, 0, 0.5, 1, 1, 1, 0.5, 0, 0, 0, 0]) / 4, atol=1e-6)
    assert across.sum() == pytest.approx(1) and down[:, 6].sum() == pytest.approx(1)
    assert (down[:, 6] > 0).sum() == 9 and diagonal.flip(0, 1).sub(diagonal).abs().max() < 1e-6
    y, x = torch.meshgrid(*[torch.arange(-6.0, 7.0).double()] * 2, indexing='ij')
    covariance = float((diagonal * x * y).sum() / (diagonal * x * x).sum())
    assert covariance > 0.8  # right and down together


def test_each_image_is_filtered_by_its_kernel(faces):
    values = torch.linspace(0.6, 3, len(faces))
    kernels = gaussian_kernels(values, values.flip(0), values, 10)
    found, expected = filter_images(faces, kernels), filter2D(faces, kernels)
    torch.testing.assert_close(found[..., 10:-10, 10:-10], expected[..., 10:-10, 10:-10], atol=3e-6, rtol=0)


def test_a_kernel_may_be_larger_than_the_image():
    image = torch.rand(1, 3, 5, 5)
    found = filter_images(image, gaussian_kernels(*torch.tensor([[3.0], [3.0], [0.0]]), radius=12))
    expected = gaussian_filter(image[0].numpy(), (0, 3, 3), mode='nearest', radius=12)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)

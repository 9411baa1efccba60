from functools import partial

import numpy as np
import pytest
import torch

from rim_plugin.data.degradations import degrade_face
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.options.datasets import DegradationOptions


def cubic(x):
    """Keys' cubic with a = -0.5, MATLAB's."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def weights(size_in, size_out):
    """float64 (size_out, size_in): the kernel stretched by the scale, cut at the border, summing to one."""
    scale = size_in / size_out
    stretch = max(scale, 1)
    matrix = np.array(
        [[cubic((j + 0.5 - (i + 0.5) * scale) / stretch) for j in range(size_in)] for i in range(size_out)]
    )
    return matrix / matrix.sum(1, keepdims=True)


@pytest.mark.parametrize('side, size', [(64, 8), (60, 14), (33, 7), (12, 30)])
def test_degrade_equals_an_independent_float64_computation(side, size):
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    matrix = weights(side, size)
    expected = np.clip(np.einsum('ij,jkc,lk->ilc', matrix, image.astype(float), matrix), 0, 255)
    result = degrade(image, size)
    assert result.dtype == np.uint8 and result.shape == (size, size, 3) and result.flags.c_contiguous
    assert np.abs(result - expected).max() <= 0.5 + 1e-3


def test_degrade_leaves_the_same_size_and_constants_alone():
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    assert np.array_equal(degrade(image, 28), image)
    assert (degrade(np.full((224, 224, 3), 77, np.uint8), 28) == 77).all()


def test_degrade_takes_mirrored_views():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(degrade(image[:, ::-1], 8), degrade(np.ascontiguousarray(image[:, ::-1]), 8))


def degraded(image):
    return degrade_face(image, 8, DegradationOptions(probability=1))


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('work', [lambda image: degrade(image, 8), to_tensor, degraded])
def test_pictures_that_cannot_be_written_to_are_read_without_a_warning(work, request):
    request.addfinalizer(partial(torch.set_warn_always, torch.is_warn_always_enabled()))
    torch.set_warn_always(True)
    image = np.zeros((16, 16, 3), np.uint8)
    image.flags.writeable = False
    work(image)


@pytest.mark.parametrize(
    'image',
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), [[0]], torch.zeros(3)],
)
def test_other_than_8_bit_colour_images_are_refused(image):
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        degrade(image, 4)
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        to_tensor(image)


def test_degrade_refuses_size_0():
    with pytest.raises(ValueError, match='at least 1 pixel'):
        degrade(np.zeros((8, 8, 3), np.uint8), 0)


def test_to_tensor():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    tensor = to_tensor(image)
    assert tensor.shape == (3, 5, 7) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    assert torch.equal((tensor * 255).round().byte(), torch.from_numpy(image).permute(2, 0, 1))

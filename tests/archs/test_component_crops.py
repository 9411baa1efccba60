"""Crops of eyes and mouth by landmarks."""

import pytest
import torch

from rim_plugin.archs.component_crops import COMPONENTS, component_boxes, component_crops
from rim_plugin.data.landmarks import flip_permutation
from rim_plugin.errors import OptionsError

from basicsr.archs import build_network


def landmarks(count, side=64, seed=0):
    """(1, count, 2) in the middle of a face."""
    return side / 4 + side / 2 * torch.rand(1, count, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('count, left_eye, mouth', [(68, (36, 42), (48, 68)), (194, (134, 154), (58, 114))])
def test_boxes_hold_the_landmarks_of_their_component(count, left_eye, mouth):
    points = landmarks(count)
    for name, (first, end) in {'left_eye': left_eye, 'mouth': mouth}.items():
        own = points[0, first:end] + 0.5
        left, top, right, bottom = component_boxes(points, name, 1.4, 64)[0]
        assert right - left == pytest.approx((bottom - top).item(), rel=1e-5)
        assert (right - left).item() == pytest.approx(1.4 * (own.amax(0) - own.amin(0)).max().item(), rel=1e-5)
        assert torch.allclose(torch.stack([left + right, top + bottom]) / 2, own.mean(0), atol=1e-4)
        assert left < own[:, 0].mean() < right and top < own[:, 1].mean() < bottom


@pytest.mark.parametrize('count', [5, 68, 194])
def test_a_crop_of_a_mirrored_face_is_the_mirrored_crop_of_the_other_side(count):
    image, points = torch.rand(1, 3, 64, 64), landmarks(count)
    mirrored = points[:, flip_permutation(count)].clone()
    mirrored[..., 0] = 63 - mirrored[..., 0]
    crops, others = component_crops(image, points)[0], component_crops(image.flip(3), mirrored)[0]
    for name, other in {'left_eye': 'right_eye', 'right_eye': 'left_eye', 'mouth': 'mouth'}.items():
        mine, its = crops[COMPONENTS.index(name)], others[COMPONENTS.index(other)]
        torch.testing.assert_close(its.flip(2), mine, atol=1e-4, rtol=1e-4)


def test_pixels_of_a_crop_are_those_of_the_image():
    """A square of 8 pixels, sampled at their middles."""
    image = torch.rand(1, 3, 32, 32)
    points = torch.zeros(1, 5, 2)
    points[0, 3], points[0, 4] = torch.tensor([7.5, 11.5]), torch.tensor([15.5, 11.5])
    crop = component_crops(image, points, ['mouth'], size=8, enlarge=1.0)[0, 0]
    torch.testing.assert_close(crop, image[0, :, 8:16, 8:16], atol=1e-5, rtol=1e-5)


def test_five_landmarks_give_eyes_of_the_least_size():
    left, top, right, bottom = component_boxes(landmarks(5), 'left_eye', 1.4, 64)[0]
    assert (right - left).item() == pytest.approx(1.4 * 2 * 64 / 32, rel=1e-4)


@pytest.mark.parametrize('shift', [-40.0, 40.0, 1000.0])
def test_beyond_the_image_a_crop_is_black_and_its_gradient_finite(shift):
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    crops = component_crops(image + 1, landmarks(68) + shift)
    crops.square().sum().backward()
    assert torch.isfinite(crops).all() and torch.isfinite(image.grad).all()
    assert (crops == 0).any() and (abs(shift) < 100 or not crops.any())


def test_gradient_is_that_of_finite_differences_and_none_reaches_the_landmarks():
    image, points = torch.rand(2, 1, 12, 12, dtype=torch.float64), landmarks(5, 12).repeat(2, 1, 1)
    assert torch.autograd.gradcheck(lambda x: component_crops(x, points, size=3), image.requires_grad_())
    points.requires_grad_()
    component_crops(image, points, size=3).sum().backward()
    assert points.grad is None


def test_unknown_schemes_and_components_are_named():
    with pytest.raises(ValueError, match='No landmark scheme has 7 points'):
        component_crops(torch.rand(1, 3, 8, 8), torch.rand(1, 7, 2))
    with pytest.raises(OptionsError, match="ComponentDiscriminator: components: 'nose' is unknown"):
        build_network(
            {'type': 'ComponentDiscriminator', 'net': {'type': 'VGGDiscriminator'}, 'components': ['mouth', 'nose']}
        )

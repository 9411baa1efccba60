import math

import numpy as np
import pytest
import torch

from rim_plugin.heatmaps import heatmap_landmarks, landmark_heatmaps


def slow_heatmap(x, y, image_size, size, sigma):
    """Eq. 3's target pixel by pixel in float64."""
    cx, cy = (x + 0.5) * size / image_size - 0.5, (y + 0.5) * size / image_size - 0.5
    return np.array(
        [
            [math.exp(-((column - cx) ** 2 + (row - cy) ** 2) / (2 * sigma**2)) for column in range(size)]
            for row in range(size)
        ]
    )


@pytest.mark.parametrize('image_size, size, sigma', [(224, 56, 1.3), (112, 56, 1.0), (100, 28, 2.0)])
def test_heatmaps_equal_a_slow_float64_computation(image_size, size, sigma):
    points = np.random.default_rng(0).uniform(-10, image_size + 10, (7, 2)).astype(np.float32)
    heatmaps = landmark_heatmaps(points, image_size, size, sigma)
    assert heatmaps.dtype == np.float32 and heatmaps.shape == (7, size, size)
    for heatmap, (x, y) in zip(heatmaps, points.astype(float)):
        np.testing.assert_allclose(heatmap, slow_heatmap(x, y, image_size, size, sigma), atol=2e-5)


def test_the_peak_is_where_pixel_centres_say():
    heatmap = landmark_heatmaps(np.array([[4 * 20 + 1.5, 4 * 33 + 1.5]]), 224)[0]  # the middle of block (20, 33)
    assert heatmap[33, 20] == 1 and np.unravel_index(heatmap.argmax(), heatmap.shape) == (33, 20)


def test_sigma_is_1_3_pixels_where_none_is_given():
    heatmap = landmark_heatmaps(np.array([[4 * 20 + 1.5, 4 * 33 + 1.5]]), 224)[0]
    # exp(-d^2 / 3.38) at distances of 1, sqrt(2) and 2 pixels
    values = [heatmap[33, 21], heatmap[34, 21], heatmap[31, 20]]
    assert values == pytest.approx([0.743896, 0.553381, 0.306227], abs=1e-5)


def test_decoding_inverts_up_to_the_border():
    points = np.random.default_rng(1).uniform(-0.5, 223.5, (4, 500, 2)).astype(np.float32)
    points[0, :4] = [(-0.5, -0.5), (223.5, 223.5), (-0.5, 223.5), (0, 111.5)]
    heatmaps = torch.from_numpy(np.stack([landmark_heatmaps(p, 224) for p in points]))
    decoded = heatmap_landmarks(heatmaps, 224)
    assert decoded.shape == (4, 500, 2) and decoded.dtype == torch.float32
    assert (decoded - torch.from_numpy(points)).abs().max() < 0.4  # 0.1 heatmap pixels
    torch.testing.assert_close(heatmap_landmarks(0.2 * heatmaps, 224), decoded, atol=1e-2, rtol=0)


def test_decoding_of_estimates_stays_finite_and_near_the_peak():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 68, 56, 56, generator=generator)
    decoded = heatmap_landmarks(noise, 224)
    index = noise.flatten(2).argmax(2)
    peak = (torch.stack([index % 56, index // 56], 2) + 0.5) * 4 - 0.5
    assert (decoded - peak).abs().max() <= 4 + 1e-3
    for constant in (0.0, -1.0, 1.0):
        assert heatmap_landmarks(torch.full((1, 2, 56, 56), constant), 224).isfinite().all()
    assert heatmap_landmarks(noise.bfloat16(), 224).dtype == torch.float32


def test_decoding_does_not_need_a_square():
    heatmap = np.zeros((1, 1, 10, 20), np.float32)
    heatmap[0, 0, 3, 15] = 1
    np.testing.assert_allclose(
        heatmap_landmarks(torch.from_numpy(heatmap), 40)[0, 0], [(15.5) * 2 - 0.5, 3.5 * 4 - 0.5]
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r'\(L, 2\)'):
        landmark_heatmaps(np.zeros((68, 3)), 224)
    with pytest.raises(ValueError, match='sigma'):
        landmark_heatmaps(np.zeros((68, 2)), 224, sigma=0)
    with pytest.raises(ValueError, match=r'\(N, L, h, w\)'):
        heatmap_landmarks(torch.zeros(68, 56, 56), 224)

"""Effective sides of drawn faces against known reductions; what is no face keeps its nominal side."""

import cv2
import numpy as np
import pytest
import torch
from scipy.fft import dctn

from rim_plugin import effective_side
from rim_plugin.archs.layers import bicubic
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.effective_side import WEIGHTS, band_edges, band_powers, effective_sides, reduce_faces


@pytest.fixture(scope='module')
def face():
    return draw_face(0, 1, 0)[0]


def probe(image):
    return to_tensor(np.ascontiguousarray(image))[None]


def test_reduction_undoes_enlargement():
    small = torch.rand(2, 3, 20, 20)
    enlarged = bicubic(small, 112)
    assert torch.allclose(reduce_faces(enlarged, 20), small, atol=1e-4)
    assert torch.allclose(reduce_faces(small, 20), small, atol=1e-5)


def test_band_powers_are_of_the_face_not_of_its_pixels(face):
    large, small = (band_powers(probe(degrade(face, side)))[0] for side in (112, 56))
    low = sum(edge < 16 for edge in band_edges())
    assert torch.allclose(large[:low], small[:low], atol=0.2)
    assert (small[sum(edge < 56 for edge in band_edges()) :] == -12).all()


def test_a_single_frequency_is_in_its_band():
    wave = torch.cos(np.pi / 64 * (torch.arange(64) + 0.5) * 10)
    powers = band_powers((wave / 4 + 0.5).expand(1, 3, 64, 64))[0]
    assert powers.argmax() == band_edges().index(10)


@pytest.mark.parametrize('at', [112, 224, pytest.param(512, marks=pytest.mark.slow)])
def test_an_enlarged_face_is_worth_what_it_was(face, at):
    for side in (14, 28, 56):
        small = degrade(face, side)
        enlarged = cv2.resize(small, (at, at), interpolation=cv2.INTER_CUBIC)
        assert effective_sides(probe(enlarged)).item() == side


def test_jpeg_is_not_taken_for_an_enlargement():
    """Its blocks lack the last two of eight frequencies, as if all were enlarged from 6/8 or 7/8 of the side."""
    for side in (140, 155):
        small = degrade(draw_face(0, 3, 0)[0], side)
        noisy = small + np.random.default_rng(3).normal(0, 3, small.shape)
        first = jpeg(np.clip(noisy, 0, 255).round().astype(np.uint8), 60)
        seen = jpeg(cv2.resize(first, (224, 224), interpolation=cv2.INTER_CUBIC), 80)
        assert effective_sides(probe(seen)).item() == side


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def test_what_is_no_face_has_its_own_side():
    random = np.random.default_rng(0)
    for side in (4, 28, 112, 512):
        blank = np.full((side, side, 3), 90, np.uint8)
        noise = random.integers(0, 256, (side, side, 3), np.uint8)
        checks = np.uint8(np.indices((side, side)).sum(0) % 2 * 255)[:, :, None].repeat(3, 2)
        sides = effective_sides(torch.cat([probe(each) for each in (blank, noise, checks)]))
        assert sides[0] == side and (sides > 0.85 * side).all() and (sides <= side).all()


def test_every_side_has_an_answer(face):
    for side in range(4, 40):
        answer = effective_sides(probe(degrade(face, side))).item()
        assert 4 <= answer <= side


def test_the_file_is_small():
    assert WEIGHTS.stat().st_size < 200_000


def test_the_transform_is_scipys():
    image = np.random.default_rng(0).random((19, 19)).astype(np.float32)
    matrix = effective_side._cosines(19).numpy()
    np.testing.assert_allclose(matrix @ image @ matrix.T, dctn(image, norm='ortho'), atol=1e-5)

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from rim_plugin.data.alignment import alignment_matrix, warp_points
from rim_plugin.data.annotations import PtsFolder
from rim_plugin.data.landmarks import (
    EYE_POINTS,
    PARSING_CLASSES,
    PARSING_FLIP,
    PARSING_PALETTE,
    eye_centres,
    five_points,
    flip_permutation,
)


@pytest.mark.parametrize('count', [5, 68, 194])
def test_flip_is_its_own_inverse_and_agrees_with_the_five_points(count):
    permutation = flip_permutation(count)
    assert np.array_equal(permutation[permutation], np.arange(count))
    points = np.random.default_rng(0).uniform(0, 223, (count, 2))
    mirrored = points * [-1, 1] + [223, 0]
    expected = (five_points(points) * [-1, 1] + [223, 0])[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(five_points(mirrored[permutation]), expected)


@pytest.mark.parametrize(
    'count, pairs',
    [
        (
            68,
            [
                (0, 16),
                (8, 8),
                (17, 26),
                (21, 22),
                (27, 27),
                (30, 30),
                (31, 35),
                (33, 33),
                (36, 45),
                (39, 42),
                (37, 44),
                (41, 46),
                (48, 54),
                (50, 52),
                (51, 51),
                (59, 55),
                (57, 57),
                (60, 64),
                (61, 63),
                (62, 62),
                (67, 65),
                (66, 66),
            ],
        ),
        (
            194,
            [
                (0, 40),
                (20, 20),
                (41, 57),
                (49, 49),
                (58, 72),
                (65, 65),
                (73, 85),
                (86, 100),
                (101, 113),
                (107, 107),
                (114, 134),
                (133, 153),
                (154, 174),
                (173, 193),
            ],
        ),
    ],
)
def test_flip_exchanges_known_pairs(count, pairs):
    permutation = flip_permutation(count)
    assert [(a, permutation[a]) for a, _ in pairs] == pairs
    assert [(b, permutation[b]) for _, b in pairs] == [(b, a) for a, b in pairs]


def test_five_points_of_68():
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[30], points[48], points[54] = 1, 2, 3, 4, 5
    assert five_points(points).tolist() == [[i, i] for i in (1, 2, 3, 4, 5)]


def test_five_points_of_194():
    """Helen: nose 41 to 57, outer lip from corner 58 to corner 72, right eye 114 to 133, left eye 134 to 153."""
    points = np.zeros((194, 2))
    points[134:154], points[114:134], points[41:58], points[58], points[72] = 1, 2, 3, 4, 5
    assert five_points(points).tolist() == [[i, i] for i in (1, 2, 3, 4, 5)]


EYES = {5: ([0], [1]), 68: (range(36, 42), range(42, 48)), 194: (range(134, 154), range(114, 134))}


@pytest.mark.parametrize('count', EYES)
@pytest.mark.parametrize('shape', [(), (3,), (2, 3)])
def test_eye_centres_of_arrays_and_tensors(count, shape):
    points = np.random.default_rng(count).normal(size=(*shape, count, 2))
    expected = [np.mean([points[..., i, :] for i in indices], axis=0) for indices in EYES[count]]
    for centre, tensor, truth in zip(eye_centres(points), eye_centres(torch.from_numpy(points)), expected):
        np.testing.assert_allclose(centre, truth, atol=1e-12)
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_allclose(tensor, truth, atol=1e-12)
    assert [list(range(count))[eye] for eye in EYE_POINTS[count]] == [list(indices) for indices in EYES[count]]


def test_unknown_schemes_are_refused():
    with pytest.raises(ValueError, match='98 points'):
        eye_centres(torch.zeros(2, 98, 2))
    with pytest.raises(ValueError, match='67 points.*5.*68.*194'):
        five_points(np.zeros((67, 2)))
    with pytest.raises(ValueError, match='98 points'):
        flip_permutation(98)


def test_parsing_flip_exchanges_left_and_right_by_name():
    exchange = str.maketrans({'<': 'right', '>': 'left'})
    for index, name in enumerate(PARSING_CLASSES):
        mirrored = name.replace('left', '<').replace('right', '>').translate(exchange)
        assert PARSING_CLASSES[PARSING_FLIP[index]] == mirrored
    assert len(PARSING_CLASSES) == 11 and PARSING_PALETTE.shape == (11, 3) and PARSING_PALETTE.dtype == np.uint8


@pytest.mark.real_data
def test_the_permutation_is_the_best_match_of_the_real_mean_face_and_its_mirror_image(real_faces):
    folder = real_faces / 'helen/test/landmarks'
    reader = PtsFolder(folder)
    faces = [reader(path.name, None) for path in sorted(folder.glob('*.pts'))[:150]]
    mean = np.mean([warp_points(face, alignment_matrix(five_points(face))) for face in faces], 0)
    distances = cdist(mean - mean.mean(0), (mean - mean.mean(0)) * [-1, 1])
    assert np.array_equal(linear_sum_assignment(distances**2)[1], flip_permutation(68))

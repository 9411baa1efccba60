import random

import numpy as np
import pytest

from rim_plugin.data.augment import FaceAugmentation, draw_blend, morph_faces
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import AugmentOptions

SIZE = 224
# Landmarks that lie apart, and inside the picture: brow ends, nose tip, outer corners of eyes and mouth.
APART = [17, 26, 30, 36, 45, 48, 54]


@pytest.fixture(scope='module')
def faces():
    return [tuple(draw_face(0, identity, 0)) for identity in (0, 2)]


def augmentation(**options):
    return FaceAugmentation(convert(options, AugmentOptions, path='augment'))


def spots(points):
    """A black picture with a bright spot at every point."""
    y, x = np.mgrid[:SIZE, :SIZE]
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in points)
    return np.repeat((255 * np.clip(light, 0, 1)).astype(np.uint8)[..., None], 3, 2)


def spot_near(image, point):
    """Centre of brightness within 7 pixels of a point."""
    y, x = np.mgrid[:SIZE, :SIZE]
    weight = image[..., 0] * ((x - point[0]) ** 2 + (y - point[1]) ** 2 < 49.0)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def assert_spots_at(image, points, tolerance):
    for point in points:
        assert np.abs(spot_near(image, point) - point).max() < tolerance, point


@pytest.mark.parametrize('share, expected', [(1, 0), (0, 1)])
def test_the_ends_of_a_morph_are_the_faces_themselves(faces, share, expected):
    image, landmarks, parsing = morph_faces(*faces, share, share)
    assert np.abs(image.astype(int) - faces[expected][0]).max() <= 1
    np.testing.assert_allclose(landmarks, faces[expected][1], atol=1e-4)
    assert np.array_equal(parsing, faces[expected][2])


@pytest.mark.parametrize('which', [0, 1])
def test_what_is_at_a_landmark_goes_to_the_landmark_between(faces, which):
    marked = [(spots(landmarks[APART]), landmarks, None) for _, landmarks, _ in faces]
    image, landmarks, parsing = morph_faces(*marked, 0.4, 1 - which)  # colours of one face alone
    assert parsing is None and landmarks.dtype == np.float32
    np.testing.assert_allclose(landmarks, 0.4 * faces[0][1] + 0.6 * faces[1][1], atol=1e-4)
    assert np.abs(marked[which][1] - landmarks)[APART].max() > 3, 'the test moves nothing'
    assert_spots_at(image, landmarks[APART], 2)  # smooth, not exact


def test_colours_are_blended_and_the_border_stays(faces):
    same_shape = [(np.full((SIZE, SIZE, 3), level, np.uint8), faces[0][1], None) for level in (100, 200)]
    assert (morph_faces(*same_shape, 0.5, 0.25)[0] == 175).all()
    other = morph_faces(faces[0], faces[1], 0.3, 1)[0]
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert np.abs(other[corner].astype(int) - faces[0][0][corner]).max() <= 8


def test_the_parsing_map_is_that_of_the_larger_share(faces):
    for blend, which in ((0.6, 0), (0.4, 1)):
        parsing = morph_faces(*faces, 1 - which, blend)[2]  # warped to its own landmarks: unchanged
        assert np.array_equal(parsing, faces[which][2])


def test_each_pixel_has_its_own_blend(faces):
    landmarks = faces[0][1]
    blend = np.linspace(0, 1, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    levels = [
        (np.full((SIZE, SIZE, 3), level, np.uint8), landmarks, np.full((SIZE, SIZE), level, np.uint8))
        for level in (10, 210)
    ]
    image, _, parsing = morph_faces(*levels, 0.5, blend)
    np.testing.assert_allclose(image[..., 1], 210 - 200 * blend.astype(float), atol=0.51)
    assert np.array_equal(parsing, np.where(blend >= 0.5, 10, 210)) and parsing.dtype == np.uint8


@pytest.mark.slow
def test_the_log_odds_of_the_blend_are_a_smooth_field():
    random.seed(0)
    even = np.stack([draw_blend(SIZE, 0) for _ in range(50)])
    assert (even == even[:, :1, :1]).all() and 0.25 <= even.min() < 0.35 and 0.65 < even.max() <= 0.75
    fields = [draw_blend(SIZE, 2) for _ in range(500)]
    assert {field.shape for field in fields} == {(SIZE, SIZE)}
    columns = np.stack([field[:, SIZE // 2 + np.array([0, 2, 90])] for field in fields]).astype(float)
    odds = np.log(columns / (1 - columns))
    centre, near, far_off = odds[:, SIZE // 2].T  # of a cell of the field; the even share adds 1.1 / sqrt(3) at most
    assert abs(centre.mean()) < 0.3 and 1.9 < centre.std() < 2.3
    assert np.abs(np.diff(odds, axis=1)).max() < 0.5
    far = [np.corrcoef(centre, other)[0, 1] for other in (near, far_off)]
    assert far[0] > 0.95 and abs(far[1]) < 0.2


def test_faces_that_do_not_fit_are_refused(faces):
    image, landmarks, parsing = faces[0]
    with pytest.raises(ValueError, match='68 and 5 landmarks'):
        morph_faces(faces[0], (image, landmarks[:5], parsing), 0.5, 0.5)


def test_without_changes_the_face_is_as_it_was(faces):
    for found, given in zip(augmentation()(faces[0]), faces[0]):
        assert np.array_equal(found, given)


def test_landmarks_and_parsing_follow_the_pose(faces):
    _, landmarks, parsing = faces[0]
    random.seed(3)
    image, moved, classes = augmentation(rotate=8, scale=0.05, shift=5)((spots(landmarks[APART]), landmarks, parsing))
    assert np.abs(moved - landmarks)[APART].max() > 3, 'the test moves nothing'
    assert_spots_at(image, moved[APART], 0.3)
    matrix = np.linalg.lstsq(np.c_[landmarks, np.ones(68)], moved, rcond=None)[0]
    for label in (2, 3, 4, 5, 6):  # brows, eyes, nose
        before, after = (np.argwhere(each == label)[:, ::-1].mean(0) for each in (parsing, classes))
        np.testing.assert_allclose(after, [*before, 1] @ matrix, atol=1)


def test_pose_without_priors(faces):
    image, landmarks, parsing = augmentation(rotate=8)((faces[0][0], None, None))
    assert image.shape == (SIZE, SIZE, 3) and landmarks is None and parsing is None


def test_the_deviations_are_as_asked():
    random.seed(0)
    augment = augmentation(rotate=4, scale=0.1, shift=3)
    centre = np.array([111.5, 111.5, 1])
    matrices = np.stack([augment._pose(SIZE) for _ in range(3000)])
    np.testing.assert_allclose(np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0])).std(), 4, rtol=0.05)
    np.testing.assert_allclose(np.log(np.hypot(matrices[:, 0, 0], matrices[:, 0, 1])).std(), 0.1, rtol=0.05)
    np.testing.assert_allclose((matrices @ centre - centre[:2]).std(0), 3, rtol=0.05)


def test_gamma_changes_the_middle_and_keeps_black_and_white(faces):
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
    random.seed(1)
    changed = augmentation(gamma=0.5)((levels, None, None))[0][..., 0].ravel()
    gamma = np.log(changed[128] / 255) / np.log(128 / 255)
    np.testing.assert_allclose(changed, np.round((np.arange(256) / 255) ** gamma * 255), atol=1)
    assert changed[0] == 0 and changed[255] == 255 and abs(gamma - 1) > 0.05


def test_morphs_have_parts_of_either_face_by_option(faces):
    shares = []
    for noise in (0, 3):
        random.seed(2)
        black, white = ((np.full((SIZE, SIZE, 3), level, np.uint8), faces[0][1], None) for level in (0, 255))
        shares.append(augmentation(morph=1, blend_noise=noise)(white, black)[0])
    assert shares[0].std() < 1 < 50 < shares[1].std()


def test_as_many_morphs_as_asked():
    random.seed(0)
    augment = augmentation(morph=0.3)
    assert 260 <= sum(augment.wants_morph() for _ in range(1000)) <= 340  # three standard deviations
    assert not any(augmentation().wants_morph() for _ in range(100))


def test_another_face_makes_a_morph(faces):
    random.seed(4)
    image, landmarks, _ = augmentation(morph=1)(*faces)
    shares = (landmarks - faces[1][1]) / (faces[0][1] - faces[1][1])
    moved = np.abs(faces[0][1] - faces[1][1]) > 2
    np.testing.assert_allclose(shares[moved], shares[moved].mean(), atol=1e-3)
    assert 0.25 <= shares[moved].mean() <= 0.75
    assert all(np.abs(image.astype(int) - face[0]).mean() > 3 for face in faces)


@pytest.mark.parametrize(
    'options, message',
    [
        ({'morph': 1.5}, 'augment.morph: 1.5 is not a number of at least 0 and of at most 1'),
        ({'shift': -1}, 'augment.shift: -1 is not'),
        ({'gamma': 'a little'}, 'augment.gamma: .* is not a number'),
        ({'scale': float('nan')}, 'augment.scale: nan'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        augmentation(**options)

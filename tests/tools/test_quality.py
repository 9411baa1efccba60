"""Quality: what tells faces from other pictures, and the reason that takes the place of a verdict."""

import numpy as np
import pytest
from scipy.stats import norm

from rim_plugin.tools.api import RIM
from rim_plugin.tools.no_faces import KINDS, no_face
from rim_plugin.tools.quality import (
    SEEN,
    Signs,
    face_probability,
    fit_quality,
    fit_recognised,
    quality_at,
    recognition,
    scores,
)


@pytest.fixture(scope='module')
def two_kinds():
    rng = np.random.default_rng(0)
    return rng.normal(0.6, 0.1, (400, 4)), rng.normal(0.2, 0.1, (400, 4))


def test_faces_are_told_from_other_pictures(two_kinds):
    faces, others = two_kinds
    quality = fit_quality(14, faces[::2], others[::2])
    assert (scores(quality, faces[1::2]) >= quality.least).mean() > 0.95
    assert (scores(quality, others[1::2]) < quality.least).mean() == 1
    assert (scores(quality, faces[::2]) >= quality.least).mean() == pytest.approx(0.99, abs=0.006)


@pytest.fixture(scope='module')
def agreeing():
    """Faces whose agreement tells the similarity with another photo, other pictures, and a quality of both."""
    rng = np.random.default_rng(1)
    faces, others = rng.normal(0.6, 0.1, (2000, 6)), rng.normal(0.2, 0.1, (2000, 6))
    faces[:, 4], others[:, 4] = rng.normal(0.95, 0.02, (2, 2000))
    faces[:, 5], others[:, 5] = rng.normal(1, 0.5, (2, 2000))
    mated = 0.5 + 3 * (faces[:, 4] - 0.95) - 0.1 * (faces[:, 5] - 1) + rng.normal(0, 0.08, 2000)
    quality = fit_quality(14, faces[:, :5], others[:, :5])
    return quality._replace(recognised=fit_recognised(faces[:, 4:], mated, 0.45)), faces, others, mated


def test_a_face_is_the_better_the_likelier_it_is_recognised(agreeing):
    quality, faces, _, mated = agreeing
    passing = face_probability(quality, faces) >= quality.least
    values = scores(quality, faces)[passing]
    expected = norm(0.5 + 3 * (faces[passing, 4] - 0.95) - 0.1 * (faces[passing, 5] - 1), 0.08).sf(0.45)
    assert np.abs(values - (quality.least + (1 - quality.least) * expected)).max() < 0.03
    likely = recognition(quality, values)
    assert np.abs(likely - expected).max() < 0.04
    assert likely.mean() == pytest.approx((mated[passing] >= 0.45).mean(), abs=0.03)
    kept = values >= np.quantile(values, 0.3)
    assert (mated[passing][kept] < 0.45).mean() < 0.7 * (mated[passing] < 0.45).mean()


def test_what_is_hardly_a_face_is_below_every_face_however_well_it_agrees(agreeing):
    quality, faces, others, _ = agreeing
    both = np.concatenate([faces, others])
    probability = face_probability(quality, both)
    assert np.array_equal(scores(quality, both) >= quality.least, probability >= quality.least)
    hardly = probability < quality.least
    assert np.array_equal(scores(quality, both)[hardly], probability[hardly]) and hardly.sum() > 1900


def test_a_quality_that_knows_the_agreement_alone_goes_by_it(agreeing):
    quality, faces, _, mated = agreeing
    before = quality._replace(recognised=quality.recognised[:2])
    calm = np.column_stack([faces[:, :5], np.zeros(len(faces))])
    np.testing.assert_allclose(scores(before, faces), scores(quality, calm))


def test_signs_as_features():
    columns = Signs(np.array([0.9, 1.0]), np.array([0.0, 9.5])).columns()
    np.testing.assert_allclose(columns, [[0.9, np.log(0.5)], [1, np.log(10)]])


def test_a_quality_of_before_goes_by_what_the_landmark_path_sees(two_kinds):
    quality, faces = fit_quality(14, *two_kinds), two_kinds[0]
    assert quality.recognised is None and recognition(quality, np.array([0.2, 1.0])).tolist() == [1, 1]
    standard = (faces - np.array(quality.means)) / np.array(quality.scales)
    expected = 1 / (1 + np.exp(-(standard @ np.array(quality.coefficients) + quality.intercept)))
    np.testing.assert_allclose(scores(quality, np.column_stack([faces, np.ones(len(faces))])), expected)


def test_the_quality_of_the_nearest_size_counts(two_kinds):
    qualities = [fit_quality(size, *two_kinds) for size in (7, 28)]
    assert [quality_at(qualities, side).size for side in (4, 13, 15, 300)] == [7, 7, 28, 28]


def test_no_face_is_drawn_from_each_face_in_turn(make_face):
    face = make_face(56)
    pictures = [no_face(face, number) for number in range(len(KINDS))]
    assert all(each.shape == face.shape and each.dtype == np.uint8 for each in pictures)
    assert all(np.abs(each.astype(int) - face).mean() > 5 for each in pictures)
    assert np.array_equal(no_face(face, 3), pictures[3])


@pytest.fixture(scope='module')
def judging(rim, make_face):
    """RIM that knows the qualities of faces of 8 pixels."""
    faces = [make_face(8, seed) for seed in range(12)]
    qualities = (fit_quality(8, rim.quality_features(faces), rim.quality_features([face[::-1] for face in faces])),)
    return RIM(rim.weights._replace(qualities=qualities), 'cpu')


@pytest.mark.slow
def test_a_picture_of_low_quality_gets_a_reason_and_no_verdict(judging, make_face):
    a, b = make_face(8, 1), make_face(8, 2)
    output = judging.verify(a, b, min_quality=0.9999999)
    assert output.same is None and output.confidence is None and output.threshold is not None
    assert output.reason.startswith('the first picture is hardly an aligned face (quality 0.')
    assert '; the second picture is' in output.reason
    output = judging.verify(a, b, min_quality=1e-9)
    assert output.same is not None and output.reason == '' and all(0 <= each <= 1 for each in output.qualities)
    assert output.qualities == tuple(judging.quality([a, b]))


@pytest.mark.slow
def test_large_pictures_are_seen_small_and_without_qualities_nothing_is_told(judging, rim, make_face):
    face = make_face(112)
    assert 0 <= judging.quality(face) <= 1 and SEEN < 112
    assert rim.quality([face]) == [None] and rim.verify(face, face).same

from dataclasses import replace

import numpy as np
import pytest

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.landmarks import five_points, flip_permutation
from rim_plugin.data.synthetic.geometry import View, face_points, mirrored, place, spline, symmetric
from rim_plugin.data.synthetic.people import sample_person, sample_shot

SEED = 5


def test_spline_runs_through_its_knots():
    knots = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_allclose(spline(knots, 6)[::6], knots, atol=1e-12)


def test_symmetric_curves():
    right = place([1, 2], [3, 4], 5)
    np.testing.assert_array_equal(right, [[1, 3, 5], [2, 4, 5]])
    np.testing.assert_array_equal(mirrored(right), [[-1, 3, 5], [-2, 4, 5]])
    np.testing.assert_array_equal(
        symmetric(right[:, :2], np.array([[0, 9]])), [[-2, 4], [-1, 3], [0, 9], [1, 3], [2, 4]]
    )


def test_a_face_without_asymmetry_is_its_own_mirror_image():
    for identity in range(5):
        person = replace(sample_person(SEED, identity), asymmetry=np.zeros((68, 2)))
        points = face_points(person, sample_shot(SEED, identity, 0))
        np.testing.assert_allclose(mirrored(points)[flip_permutation(68)], points, atol=1e-9)


def test_a_view_is_aligned_as_its_shot_says():
    """The best similarity from landmarks to template, in least squares, is the shot's own jitter undone."""
    for identity in range(5):
        shot = sample_shot(SEED, identity, 1)
        view = View(sample_person(SEED, identity), shot)
        points = five_points(view.landmarks)
        rows = np.concatenate([[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in points])
        a, b, dx, dy = np.linalg.lstsq(rows, alignment_template(224).ravel(), rcond=None)[0]
        # where the centre of the points lies is where the shot moved it
        np.testing.assert_allclose(points.mean(0) - alignment_template(224).mean(0), shot.shift, atol=1e-9)
        np.testing.assert_allclose(np.arctan2(b, a), -shot.roll, atol=1e-9)
        exact = View(sample_person(SEED, identity), replace(shot, zoom=1.0, roll=0.0))
        np.testing.assert_allclose(view.unit / exact.unit, shot.zoom, atol=1e-9)


@pytest.mark.parametrize('yaw, pitch', [(0.4, 0), (-0.4, 0), (0, 0.2), (0, -0.2)])
def test_the_nose_goes_where_the_head_turns(yaw, pitch):
    person, shot = sample_person(SEED, 1), sample_shot(SEED, 1, 0)
    frontal, turned = (
        View(person, replace(shot, yaw=angles[0], pitch=angles[1])).landmarks for angles in ((0, 0), (yaw, pitch))
    )
    eyes = slice(36, 48)
    moved = (turned[30] - turned[eyes].mean(0)) - (frontal[30] - frontal[eyes].mean(0))
    assert moved[0] * yaw > 1 if yaw else moved[1] * pitch > 0.5

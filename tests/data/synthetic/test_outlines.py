"""What is painted and what the parsing map names are polygons through the landmarks."""

import numpy as np
import pytest

from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.outlines import (
    brow_outline,
    eye_outline,
    face_outline,
    lip_outlines,
    nose_outline,
    skull_outline,
)
from rim_plugin.data.synthetic.people import sample_person, sample_shot

SEED = 5


def signed_area(polygon):
    x, y = polygon.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def test_outlines_pass_through_their_points():
    """The polygons that are painted and parsed hold the landmarks themselves as vertices, closed eyes included."""
    for identity in range(30):
        landmarks = View(sample_person(SEED, identity), sample_shot(SEED, identity, 0)).landmarks
        upper, inner, lower = lip_outlines(landmarks[48:])
        for outline, points in (
            (eye_outline(landmarks[36:42]), range(36, 42)),
            (eye_outline(landmarks[42:48]), range(42, 48)),
            (np.concatenate([upper, lower]), range(48, 60)),
            (inner, range(60, 68)),
        ):
            nearest = np.linalg.norm(outline[None] - landmarks[list(points)][:, None], axis=2).min(axis=1)
            assert nearest.max() < 1e-9


def test_a_brow_is_as_thick_as_asked_around_its_points():
    points = np.stack([np.linspace(10, 50, 5), np.full(5, 20.0)], axis=1)
    outline = brow_outline(points, 10)
    assert outline[:, 1].min() == pytest.approx(20 - 4.5) and outline[:, 1].max() == pytest.approx(20 + 5.5)
    assert abs(outline[0, 1] - outline[-1, 1]) < 2  # pointed at its outer end


def test_skull_face_and_nose_lie_within_each_other():
    for identity in range(10):
        person = sample_person(SEED, identity)
        view = View(person, sample_shot(SEED, identity, 0))
        face, nose, skull = face_outline(view, person), nose_outline(view, person.shape), skull_outline(view, person)
        areas = [abs(signed_area(polygon)) for polygon in (nose, face)]
        assert areas[0] < 0.2 * areas[1]
        assert skull[:, 1].min() < face[:, 1].min() < nose[:, 1].min()
        assert nose[:, 1].max() < face[:, 1].max()

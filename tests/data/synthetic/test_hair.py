from dataclasses import replace

import numpy as np
import pytest

from rim_plugin.data.synthetic.canvas import Canvas
from rim_plugin.data.synthetic.faces import draw_face, face_outline
from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.hair import Hair, beard_outline, paint_beard
from rim_plugin.data.synthetic.people import BEARDS, GLASSES, HAIR_STYLES, sample_person, sample_shot

SEED = 5


def blank():
    return Canvas(np.zeros((224, 224, 4), np.uint8))


@pytest.mark.slow
def test_every_kind_of_person_can_be_drawn():
    """Each hair style, beard and pair of glasses at least once; a hair style other than bald shows hair."""
    wanted = {*HAIR_STYLES, *BEARDS, *GLASSES}
    for identity in range(400):
        person = sample_person(SEED, identity)
        kinds = {person.hair_style, person.beard, person.glasses}
        if kinds & wanted:
            wanted -= kinds
            assert (draw_face(SEED, identity, 0).parsing == 10).any() == (person.hair_style != 'bald')
    assert not wanted


@pytest.mark.parametrize('name', [name for name in HAIR_STYLES if name != 'bald'])
def test_the_hair_ends_where_its_style_says_and_strands_stay_on_it(name):
    person, style = replace(sample_person(SEED, 2), hair_style=name), HAIR_STYLES[name]
    shot = replace(sample_shot(SEED, 2, 0), yaw=0.0, pitch=0.0, roll=0.0)
    view = View(person, shot)
    hair = Hair(view, person)
    assert hair.long == style.long
    end = min(person.shape.hair_end, style.end)
    row = view.billboard((0, -0.65, -0.9), np.array([[0, end + 0.65]]))[0, 1]
    np.testing.assert_allclose(hair.outer[[0, -1], 1].mean(), row, atol=0.001 * view.unit)  # a mean, for the tilt
    canvas = blank()
    hair.paint(canvas)
    painted = canvas.finish()[..., 3] > 0
    rows, columns = np.nonzero(painted)
    (left, top), (right, low) = hair.outline.min(0), hair.outline.max(0)
    margin = 0.3 * view.unit
    assert rows.min() > top - margin and rows.max() < low + margin
    assert columns.min() > left - margin and columns.max() < right + margin


@pytest.mark.parametrize('beard', BEARDS)
def test_a_beard_is_painted_within_its_outline_and_the_face(beard):
    person = replace(sample_person(SEED, 2), beard=beard)
    view = View(person, sample_shot(SEED, 2, 0))
    canvas = blank()
    paint_beard(canvas, view, person, face_outline(view, person))
    rows = np.nonzero(canvas.finish()[..., 3])[0]
    if beard == 'none':
        assert not len(rows)
    else:
        outline = beard_outline(view, person)
        assert rows.min() > outline[:, 1].min() - 16 and rows.max() < outline[:, 1].max() + 16
        assert len(rows) > 300
        assert rows.min() > view.landmarks[27:31, 1].mean()  # no beard above the nose

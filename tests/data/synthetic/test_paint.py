from dataclasses import replace

import cv2
import numpy as np
import pytest

from rim_plugin.data.synthetic import paint
from rim_plugin.data.synthetic.canvas import Canvas
from rim_plugin.data.synthetic.faces import draw_face, lip_outlines
from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.people import GLASSES, sample_person, sample_shot

SEED = 5


def draw(part, person, shot, *more):
    canvas = Canvas(np.full((224, 224, 4), 90, np.uint8))
    part(canvas, View(person, shot), *more)
    return canvas.finish()


@pytest.mark.slow
def test_picture_shows_the_eye_where_the_map_has_it():
    """White, iris and highlight lie where the parsing map has the eye: more contrast there than on the skin around."""
    contrast = []
    for identity in range(30):
        person, shot = sample_person(SEED, identity), sample_shot(SEED, identity, 0)
        if shot.blink > 0.5 or person.glasses != 'none':
            continue
        image, _, parsing = draw_face(SEED, identity, 0)
        eye = image.mean(axis=2)[parsing == 4]
        around = cv2.dilate((parsing == 4).astype(np.uint8), np.ones((9, 9))).astype(bool) & (parsing == 1)
        contrast.append(eye.std() / image.mean(axis=2)[around].std())
    assert np.median(contrast) > 1.5


@pytest.mark.parametrize('kind', GLASSES)
def test_glasses_lie_around_both_eyes(kind):
    person, shot = replace(sample_person(SEED, 3), glasses=kind), replace(sample_shot(SEED, 3, 0), yaw=0.0, pitch=0.0)
    changed = (draw(paint.paint_glasses, person, shot, person)[..., :3] != 90).any(2)
    if kind == 'none':
        assert not changed.any()
        return
    view = View(person, shot)
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = view.landmarks[eye].mean(0).round().astype(int)
        reach = int(view.unit)
        for ray in (changed[y, x - reach : x], changed[y, x : x + reach], changed[y - reach : y, x]):
            assert ray.any()  # a rim to the left, to the right and above
    assert not changed[int(view.landmarks[33, 1]) :].any()


def test_teeth_and_tongue_come_with_the_gap():
    person, shot = sample_person(SEED, 3), replace(sample_shot(SEED, 3, 0), yaw=0.0, pitch=0.0)
    pictures = {}
    for gap in (0.025, 0.2, 0.7):
        opened = replace(shot, gap=gap)
        inner = lip_outlines(View(person, opened).landmarks[48:])[1]
        pictures[gap] = draw(paint.paint_mouth, person, opened, inner, person, opened)
    bright = {gap: (picture[..., :3].min(2) > 190).sum() for gap, picture in pictures.items()}
    assert bright[0.025] == 0 and bright[0.2] > 20 and bright[0.7] > bright[0.2]
    tongue = {gap: (np.abs(picture[..., :3].astype(int) - (176, 84, 84)).max(2) < 4).sum()
              for gap, picture in pictures.items()}  # fmt: skip
    assert tongue[0.2] < 10 < 50 < tongue[0.7]


def test_the_iris_follows_the_gaze():
    person, shot = sample_person(SEED, 3), replace(sample_shot(SEED, 3, 0), yaw=0.0, pitch=0.0, blink=0.0)

    def dark_column(gaze):
        moved = replace(shot, gaze=np.array([gaze, 0.0]))
        points = View(person, moved).landmarks[36:42]
        picture = draw(paint.paint_eye, person, moved, points, person, moved, -1)
        pupil = np.abs(picture[..., :3].astype(int) - (10, 8, 9)).max(2) < 12
        return np.nonzero(pupil)[1].mean()

    assert dark_column(0.08) - dark_column(-0.08) > 2


def test_moles_and_freckles_are_on_the_face():
    shot = replace(sample_shot(SEED, 3, 0), yaw=0.0, pitch=0.0)
    places = np.array([[0.4, 1.0, 0.05], [-0.9, 1.4, 0.05]])
    person = replace(sample_person(SEED, 3), age=0.0, marks=places)
    clean = draw(paint.paint_marks, person, shot, replace(person, marks=places[:0]), shot)
    marked = draw(paint.paint_marks, person, shot, person, shot)
    count, _, _, centres = cv2.connectedComponentsWithStats((clean != marked).any(2).astype(np.uint8))
    assert count == 3
    expected = View(person, shot).project(np.c_[places[:, :2], 0.35 - 0.22 * places[:, 0] ** 2])
    for centre in expected:
        assert np.linalg.norm(centres[1:] - centre, axis=1).min() < 1

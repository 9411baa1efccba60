"""Faces drawn from numbers: picture, exact 68 landmarks, parsing map and identity, without any data or network."""

from typing import NamedTuple

import numpy as np

from rim_plugin.data.synthetic.canvas import Canvas, fill_classes, mix
from rim_plugin.data.synthetic.geometry import PICTURE, View, spline
from rim_plugin.data.synthetic.hair import Hair, paint_beard
from rim_plugin.data.synthetic.light import background, light_up
from rim_plugin.data.synthetic.outlines import (
    brow_outline,
    eye_outline,
    face_outline,
    lip_outlines,
    nose_outline,
    skull_outline,
)
from rim_plugin.data.synthetic.paint import (
    paint_body,
    paint_brow,
    paint_ears,
    paint_eye,
    paint_glasses,
    paint_marks,
    paint_mouth,
    paint_nose,
)
from rim_plugin.data.synthetic.people import sample_person, sample_shot

_SKIN, _LEFT_BROW, _RIGHT_BROW, _LEFT_EYE, _RIGHT_EYE, _NOSE, _UPPER_LIP, _MOUTH, _LOWER_LIP, _HAIR = range(1, 11)


class DrawnFace(NamedTuple):
    """One drawn face.

    Attributes:
        image (ndarray): uint8 (224, 224, 3), RGB.
        landmarks (ndarray): float32 (68, 2), pixels (x, y), iBUG/300-W order; the chin may lie below the picture.
        parsing (ndarray): uint8 (224, 224), Helen's classes 0..10 (neck, ears and clothes count as background).
    """

    image: np.ndarray
    landmarks: np.ndarray
    parsing: np.ndarray


def _paint(view, person, shot, face, brows, hair):
    canvas = Canvas(background(PICTURE * Canvas.zoom, shot))
    hair.paint_back(canvas)
    paint_body(canvas, view, person, shot)
    if not hair.long:
        paint_ears(canvas, view, person)
    canvas.fill(skull_outline(view, person), person.skin if person.hair_style == 'bald' else person.hair)
    canvas.fill(face, person.skin)
    canvas.stroke([spline(view.landmarks[:17], 5)], mix(person.skin, (60, 30, 24), 0.22), 1)
    paint_marks(canvas, view, person, shot)
    paint_beard(canvas, view, person, face)
    paint_nose(canvas, view, person)
    paint_mouth(canvas, view, person, shot)
    paint_eye(canvas, view, view.landmarks[36:42], person, shot, -1)
    paint_eye(canvas, view, view.landmarks[42:48], person, shot, 1)
    for brow in brows:
        paint_brow(canvas, brow, person)
    hair.paint_front(canvas)
    if person.glasses != 'none':
        paint_glasses(canvas, view, person)
    return light_up(canvas.finish(), view, person, shot)


def _parse(view, person, face, brows, hair):
    upper, inner, lower = lip_outlines(view.landmarks[48:])
    layers = [
        (face, _SKIN),
        (nose_outline(view, person.shape), _NOSE),
        (lower, _LOWER_LIP),
        (upper, _UPPER_LIP),
        (inner, _MOUTH),
        (eye_outline(view.landmarks[36:42]), _LEFT_EYE),
        (eye_outline(view.landmarks[42:48]), _RIGHT_EYE),
        (brows[0], _LEFT_BROW),
        (brows[1], _RIGHT_BROW),
    ]
    if person.hair_style == 'bald':
        return fill_classes(PICTURE, [(skull_outline(view, person), _SKIN)] + layers)
    behind = [(skull_outline(view, person), _HAIR)] + ([(hair.outer, _HAIR)] if hair.long else [])
    return fill_classes(PICTURE, behind + layers + [(hair.outline, _HAIR)])


def draw_face(seed, identity, index):
    """Draw face ``index`` of person ``identity``.

    The same three numbers (int >= 0) give the same face in every process: no global random state is read or changed.
    The person depends on ``seed`` and ``identity`` alone; pose, expression, light and background on all three.

    Returns:
        DrawnFace: 224 px, aligned to ArcFace's five-point template scaled by two.
    """
    person, shot = sample_person(seed, identity), sample_shot(seed, identity, index)
    view = View(person, shot)
    face, hair = face_outline(view, person), Hair(view, person)
    thickness = person.shape['brow_thick'] * view.unit
    brows = [brow_outline(view.landmarks[17:22], thickness), brow_outline(view.landmarks[26:21:-1], thickness)]
    image = _paint(view, person, shot, face, brows, hair)
    return DrawnFace(image, view.landmarks.astype(np.float32), _parse(view, person, face, brows, hair))

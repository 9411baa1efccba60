"""Faces drawn from numbers: picture, exact 68 landmarks, parsing map and identity, without any data or network."""

from typing import NamedTuple

import numpy as np

from rim_plugin.data.landmarks import PARSING_CLASSES
from rim_plugin.data.synthetic import outlines, paint
from rim_plugin.data.synthetic.canvas import Canvas, fill_classes, mix
from rim_plugin.data.synthetic.geometry import (
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    MOUTH,
    PICTURE,
    RIGHT_BROW,
    RIGHT_EYE,
    View,
    spline,
)
from rim_plugin.data.synthetic.hair import Hair, paint_beard
from rim_plugin.data.synthetic.light import background, light_up
from rim_plugin.data.synthetic.people import Person, Shot, sample_person, sample_shot


class DrawnFace(NamedTuple):
    """One drawn face.

    Attributes:
        image: uint8 (224, 224, 3), RGB.
        landmarks: float32 (68, 2), pixels (x, y), iBUG/300-W order; the chin may lie below the picture.
        parsing: uint8 (224, 224), Helen's classes 0 to 10 (neck, ears and clothes count as background).
    """

    image: np.ndarray
    landmarks: np.ndarray
    parsing: np.ndarray


class _Scene:
    """What picture and parsing map have in common: the view and the outlines of one face."""

    def __init__(self, person: Person, shot: Shot) -> None:
        self.person, self.shot, self.view = person, shot, View(person, shot)
        self.points = self.view.landmarks
        self.face, self.hair = outlines.face_outline(self.view, person), Hair(self.view, person)
        self.skull = outlines.skull_outline(self.view, person)
        thickness, right_brow = person.shape.brow_thick * self.view.unit, self.points[RIGHT_BROW][::-1]
        self.brows = [outlines.brow_outline(brow, thickness) for brow in (self.points[LEFT_BROW], right_brow)]
        self.bald = person.hair_style == 'bald'

    def paint(self) -> np.ndarray:
        """The picture, uint8 (224, 224, 3)."""
        view, person, shot, hair = self.view, self.person, self.shot, self.hair
        canvas = Canvas(background(PICTURE * Canvas.zoom, shot))
        hair.paint_back(canvas)
        paint.paint_body(canvas, view, person, shot)
        if not hair.long:
            paint.paint_ears(canvas, view, person)
        canvas.fill(self.skull, person.skin if self.bald else person.hair)
        canvas.fill(self.face, person.skin)
        canvas.stroke([spline(self.points[JAW], 5)], mix(person.skin, (60, 30, 24), 0.22))
        paint.paint_marks(canvas, view, person, shot)
        paint_beard(canvas, view, person, self.face)
        paint.paint_nose(canvas, view, person)
        paint.paint_mouth(canvas, view, person, shot)
        for eye, side in ((LEFT_EYE, -1), (RIGHT_EYE, 1)):
            paint.paint_eye(canvas, view, self.points[eye], person, shot, side)
        for brow in self.brows:
            paint.paint_brow(canvas, brow, person)
        hair.paint_front(canvas)
        paint.paint_glasses(canvas, view, person)
        return light_up(canvas.finish(), view, person, shot)

    def parse(self) -> np.ndarray:
        """The parsing map, uint8 (224, 224)."""
        upper, inner, lower = outlines.lip_outlines(self.points[MOUTH])
        layers = [
            (self.skull, 'skin' if self.bald else 'hair'),
            *([(self.hair.outer, 'hair')] if self.hair.long else []),
            (self.face, 'skin'),
            (outlines.nose_outline(self.view, self.person.shape), 'nose'),
            (lower, 'lower lip'),
            (upper, 'upper lip'),
            (inner, 'inner mouth'),
            (outlines.eye_outline(self.points[LEFT_EYE]), 'left eye'),
            (outlines.eye_outline(self.points[RIGHT_EYE]), 'right eye'),
            (self.brows[0], 'left brow'),
            (self.brows[1], 'right brow'),
            *([] if self.bald else [(self.hair.outline, 'hair')]),
        ]
        return fill_classes(PICTURE, [(polygon, PARSING_CLASSES.index(name)) for polygon, name in layers])


def draw_face(seed: int, identity: int, index: int) -> DrawnFace:
    """Draw face ``index`` of person ``identity``.

    The same three numbers (at least 0) give the same face in every process: no global random state is read or changed.
    The person depends on ``seed`` and ``identity`` alone; pose, expression, light and background on all three.

    Returns:
        A face of 224 px, aligned to ArcFace's five-point template scaled by two.
    """
    scene = _Scene(sample_person(seed, identity), sample_shot(seed, identity, index))
    return DrawnFace(scene.paint(), scene.points.astype(np.float32), scene.parse())

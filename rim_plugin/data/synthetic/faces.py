"""Faces drawn from numbers: picture, exact 68 landmarks, parsing map and identity, without any data or network."""

from typing import NamedTuple

import numpy as np

from rim_plugin.data.landmarks import PARSING_CLASSES
from rim_plugin.data.synthetic import geometry, paint
from rim_plugin.data.synthetic.canvas import Canvas, fill_classes, mix
from rim_plugin.data.synthetic.geometry import View, place, spline
from rim_plugin.data.synthetic.hair import Hair, hairline, paint_beard, skull_outline
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


def brow_outline(points: np.ndarray, thickness: float) -> np.ndarray:
    """(N, 2) brow around its five points, from the outer to the thicker inner end; ``thickness`` in pixels."""
    ridge = spline(points)
    profile = np.interp(np.linspace(0, 1, len(ridge)), [0, 0.3, 0.8, 1], [0.12, 0.8, 1, 0.75])
    half = np.outer(profile, (0, 0.5 * thickness))
    return np.concatenate([ridge - half, (ridge + half)[::-1]])


def nose_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) nose: its root, the wings and the base through points 31..35.

    The ridge of a turned nose stands out over its far side, so the outline runs outside the ridge's points 27..30.
    """
    half, low, wing = person.shape.nose_half, person.shape.nose_y, person.shape.nose_z - 0.62
    x, y = [0.14, 0.13, 0.18, half * 1.1, half * 1.24], [-0.04, 0.3, 0.68 * low, low - 0.36, low - 0.2]
    ridge, sides = spline(view.landmarks[geometry.RIDGE]), []
    for side in (-1, 1):
        points = view.project(place(x, y, [0.22, 0.34, 0.42, wing, wing]), side)
        beside = side * np.interp(points[:, 1], *ridge.T[::-1]) + 0.06 * view.unit
        points[:, 0] = side * np.maximum(side * points[:, 0], beside)
        sides.append(points[::side])
    return np.concatenate([spline(np.concatenate(sides)), spline(view.landmarks[geometry.NOSE_BASE][::-1])])


def face_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) the skin of the face: the jaw's points and the forehead up to the hairline."""
    jaw = spline(view.landmarks[geometry.JAW])
    forehead = spline(np.concatenate([jaw[-1:], view.project(hairline(person))[::-1], jaw[:1]]))
    return np.concatenate([jaw, forehead[1:-1]])


def lip_outlines(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper lip, inner mouth and lower lip as three (N, 2) polygons from the 20 mouth points."""
    above, below = spline(points[:7]), spline(points[[*range(6, 12), 0]])
    inner_above, inner_below = spline(points[12:17]), spline(points[[*range(16, 20), 12]])
    upper, lower = np.concatenate([above, inner_above[::-1]]), np.concatenate([below, inner_below[::-1]])
    return upper, np.concatenate([inner_above, inner_below]), lower


def outlines(view: View, person: Person) -> dict[str, np.ndarray]:
    """Polygons (N, 2) of the parts of the face by their class: both the picture and the parsing map have them."""
    points, thickness = view.landmarks, person.shape.brow_thick * view.unit
    upper, inner, lower = lip_outlines(points[geometry.MOUTH])
    return {
        'skin': face_outline(view, person),
        'nose': nose_outline(view, person),
        'lower lip': lower,
        'upper lip': upper,
        'inner mouth': inner,
        'left eye': paint.eye_outline(points[geometry.LEFT_EYE]),
        'right eye': paint.eye_outline(points[geometry.RIGHT_EYE]),
        'left brow': brow_outline(points[geometry.LEFT_BROW], thickness),
        'right brow': brow_outline(points[geometry.RIGHT_BROW][::-1], thickness),
    }


def _paint(view: View, person: Person, shot: Shot, parts: dict[str, np.ndarray], hair: Hair) -> np.ndarray:
    """The picture, uint8 (224, 224, 3)."""
    canvas, skin, lip = Canvas(background(shot)), person.skin, person.lip
    if hair.long:
        canvas.fill(hair.outer, mix(person.hair, paint.DARK, 0.5))
    paint.paint_body(canvas, view, person, shot, ears=not hair.long)
    canvas.fill(skull_outline(view, person), skin if hair.bald else person.hair)
    canvas.fill(parts['skin'], skin)
    canvas.stroke([spline(view.landmarks[geometry.JAW])], mix(skin, (60, 30, 24), 0.22))
    paint.paint_marks(canvas, view, person, shot)
    paint_beard(canvas, view, person, parts['skin'])
    paint.paint_nose(canvas, view, person)
    canvas.fill(parts['lower lip'], lip)
    canvas.fill(parts['upper lip'], mix(lip, paint.DARK, 0.22))
    paint.paint_mouth(canvas, view, parts['inner mouth'], person, shot)
    for name, eye, side in (('left', geometry.LEFT_EYE, -1), ('right', geometry.RIGHT_EYE, 1)):
        paint.paint_eye(canvas, view, view.landmarks[eye], person, shot, side)
        paint.paint_brow(canvas, parts[f'{name} brow'], person)
    if not hair.bald:
        hair.paint(canvas)
    paint.paint_glasses(canvas, view, person)
    return light_up(canvas.finish(), view, person, shot)


def draw_face(seed: int, identity: int, index: int) -> DrawnFace:
    """Draw face ``index`` of person ``identity``.

    The same three numbers (at least 0) give the same face in every process: no global random state is read or changed.
    The person depends on ``seed`` and ``identity`` alone; pose, expression, light and background on all three.

    Returns:
        A face of 224 px, aligned to ArcFace's five-point template scaled by two.
    """
    person, shot = sample_person(seed, identity), sample_shot(seed, identity, index)
    view = View(person, shot)
    hair, parts = Hair(view, person), outlines(view, person)
    layers = [('skin' if hair.bald else 'hair', skull_outline(view, person)), *parts.items()]
    if hair.long:
        layers.insert(1, ('hair', hair.outer))
    if not hair.bald:
        layers.append(('hair', hair.outline))
    parsing = fill_classes(geometry.PICTURE, [(polygon, PARSING_CLASSES.index(name)) for name, polygon in layers])
    return DrawnFace(_paint(view, person, shot, parts, hair), view.landmarks.astype(np.float32), parsing)

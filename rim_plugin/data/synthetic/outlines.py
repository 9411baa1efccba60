"""Outlines of a drawn face, in picture pixels: what is painted and what the parsing map names are the same polygons."""

import numpy as np

from rim_plugin.data.synthetic.geometry import JAW, NOSE_BASE, RIDGE, View, place, spline, symmetric
from rim_plugin.data.synthetic.people import FaceShape, HairForm, Person

SKULL = (0, -0.65, -0.9)  # its centre in model space


def eye_outline(points: np.ndarray) -> np.ndarray:
    """(N, 2) opening of an eye through its six points."""
    return np.concatenate([spline(points[:4]), spline(points[[3, 4, 5, 0]])[1:-1]])


def brow_outline(points: np.ndarray, thickness: float) -> np.ndarray:
    """(N, 2) brow around its five points, from the outer to the thicker inner end; ``thickness`` in pixels."""
    ridge = spline(points, 5)
    profile = np.interp(np.linspace(0, 1, len(ridge)), [0, 0.3, 0.8, 1], [0.12, 0.8, 1, 0.75])
    above, below = (np.outer(profile, (0, part * thickness)) for part in (0.45, 0.55))
    return np.concatenate([ridge - above, (ridge + below)[::-1]])


def lip_outlines(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper lip, inner mouth and lower lip as three (N, 2) polygons from the 20 mouth points."""
    outer_up, outer_low = spline(points[:7]), spline(points[[*range(6, 12), 0]])
    inner_up, inner_low = spline(points[12:17]), spline(points[[*range(16, 20), 12]])
    upper = np.concatenate([outer_up, inner_up[::-1]])
    lower = np.concatenate([outer_low, inner_low[::-1]])
    return upper, np.concatenate([inner_up, inner_low[1:-1]]), lower


def nose_outline(view: View, shape: FaceShape) -> np.ndarray:
    """(N, 2) nose: its root, the wings and the base through points 31..35.

    The ridge of a turned nose stands out over its far side, so the outline runs outside the ridge's points 27..30.
    """
    half, low, wing = shape.nose_half, shape.nose_y, shape.nose_z - 0.62
    bridge = shape.nose_bridge
    x = [bridge, bridge * 0.95, bridge * 1.25, half * 1.1, half * 1.24]
    points = place(x, [-0.04, 0.3, 0.68 * low, low - 0.36, low - 0.2], [0.22, 0.34, 0.42, wing, wing])
    right, left = view.project(points), view.project(points, -1)
    ridge = spline(view.landmarks[RIDGE])
    margin = 0.06 * view.unit
    right[:, 0] = np.maximum(right[:, 0], np.interp(right[:, 1], ridge[:, 1], ridge[:, 0]) + margin)
    left[:, 0] = np.minimum(left[:, 0], np.interp(left[:, 1], ridge[:, 1], ridge[:, 0]) - margin)
    sides = spline(np.concatenate([left[::-1], right]), 4)
    return np.concatenate([sides, spline(view.landmarks[NOSE_BASE][::-1], 4)])


def hairline(shape: FaceShape, form: HairForm, style: str) -> np.ndarray:
    """(9, 3) model points of the forehead's upper edge, from the left temple to the right one."""
    width, top = shape.width, shape.hairline
    temple = 0.4 if style == 'receding' else 0
    x = [0.45 * width, (0.8 - 0.1 * temple) * width, 0.93 * width, 0.98 * width]
    right = place(x, [top + 0.16 - temple, -1.75 - temple, -1.2, -0.62], [-0.2, -0.4, -0.55, -0.75])
    return symmetric(right, place(0, [top + 0.3 * form.peak * (style != 'fringe') - 0.5 * temple], -0.1))


def face_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) the skin of the face: the jaw's points and the forehead up to the hairline."""
    jaw = spline(view.landmarks[JAW], 5)
    top = view.project(hairline(person.shape, person.hair_form, person.hair_style))
    forehead = spline(np.concatenate([jaw[-1:], top[::-1], jaw[:1]]), 5)
    return np.concatenate([jaw, forehead[1:-1]])


def skull_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) the round of the skull, down to the ears where it is bald."""
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    half = person.shape.width * 1.02
    offsets = place(half * np.cos(angle), 2.55 * np.sin(angle))
    if person.hair_style == 'bald':
        offsets = np.concatenate([offsets, half * place([0.93, 0.7, -0.7, -0.93], [0.5, 0.8, 0.8, 0.5])])
    return view.billboard(SKULL, offsets)


def beard_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) outline of the part of the lower face that a beard of the person's kind covers."""
    shape, jaw = person.shape, view.landmarks[JAW]
    mouth, nose, half = shape.mouth_y, shape.nose_y, shape.mouth_half
    if person.beard == 'moustache':
        outer = place([half * 1.12, half * 1.02, 0.5], [mouth + 0.18, mouth - 0.12, nose + 0.16], [0.2, 0.25, 0.5])
        inner = place([half * 0.8, 0.3], [mouth, mouth - 0.12], [0.3, 0.5])
        knots = np.concatenate([symmetric(outer[::-1]), symmetric(inner[::-1])[::-1]])
        return spline(view.project(knots), 4, closed=True)
    if person.beard == 'goatee':
        right = place([0.3, half * 1.12, half * 1.15], [nose + 0.2, mouth - 0.12, mouth + 0.5], [0.5, 0.2, 0.15])
        top = np.concatenate([view.project(right), view.project(right, -1)[::-1]])
        return np.concatenate([spline(top, 4), jaw[6:11] + (0, 0.15 * view.unit)])
    first = 3 if person.beard == 'stubble' else 2
    low = spline(jaw[first : 17 - first], 3)
    low = low + (low - view.landmarks[33]) * 0.08  # beyond the jaw, where the face's outline cuts it
    right = place([0.3, half * 1.2, 0.72 * shape.width], [nose + 0.2, mouth - 0.3, mouth - 0.35], [0.5, 0.2, -0.3])
    top = np.concatenate([view.project(right)[::-1], view.project(right, -1)])
    return np.concatenate([low, spline(top, 4)])

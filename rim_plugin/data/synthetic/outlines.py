"""Outlines of a drawn face, in picture pixels: what is painted and what the parsing map names are the same polygons."""

import numpy as np

from rim_plugin.data.synthetic.geometry import spline


def _ring(upper, lower):
    """Closed outline from two smooth halves that share their ends."""
    return np.concatenate([spline(upper), spline(lower)[1:-1]])


def eye_outline(points):
    """(N, 2) opening of an eye through its six points."""
    return _ring(points[:4], points[[3, 4, 5, 0]])


def brow_outline(points, thickness):
    """(N, 2) brow around its five points, from the outer to the thicker inner end; ``thickness`` in pixels."""
    ridge = spline(points, 5)
    profile = np.interp(np.linspace(0, 1, len(ridge)), [0, 0.3, 0.8, 1], [0.12, 0.8, 1, 0.75])
    return np.concatenate(
        [ridge - np.outer(profile, (0, 0.45 * thickness)), (ridge + np.outer(profile, (0, 0.55 * thickness)))[::-1]]
    )


def lip_outlines(points):
    """Upper lip, inner mouth and lower lip as three (N, 2) polygons from the 20 mouth points."""
    outer_up, outer_low = spline(points[:7]), spline(np.concatenate([points[6:12], points[:1]]))
    inner_up, inner_low = spline(points[12:17]), spline(np.concatenate([points[16:20], points[12:13]]))
    upper = np.concatenate([outer_up, inner_up[::-1]])
    lower = np.concatenate([outer_low, inner_low[::-1]])
    return upper, np.concatenate([inner_up, inner_low[1:-1]]), lower


def nose_outline(view, shape):
    """(N, 2) nose: its root, the wings and the base through points 31..35.

    The ridge of a turned nose stands out over its far side, so the outline runs outside the ridge's points 27..30.
    """
    half, low, tip = shape['nose_half'], shape['nose_y'], shape['nose_z']
    bridge = shape['nose_bridge']
    side = np.array(
        [
            [bridge, -0.04, 0.22],
            [bridge * 0.95, 0.3, 0.34],
            [bridge * 1.25, 0.68 * low, 0.42],
            [half * 1.1, low - 0.36, tip - 0.62],
            [half * 1.24, low - 0.2, tip - 0.62],
        ]
    )
    right, left = view.project(side), view.project(side * (-1, 1, 1))
    ridge = spline(view.landmarks[27:31])
    margin = 0.06 * view.unit
    right[:, 0] = np.maximum(right[:, 0], np.interp(right[:, 1], ridge[:, 1], ridge[:, 0]) + margin)
    left[:, 0] = np.minimum(left[:, 0], np.interp(left[:, 1], ridge[:, 1], ridge[:, 0]) - margin)
    left = left[::-1]
    return np.concatenate([spline(np.concatenate([left, right]), 4), spline(view.landmarks[35:30:-1], 4)])


def hairline(shape, form, style):
    """(9, 3) model points of the forehead's upper edge, from the left temple to the right one."""
    width, top = shape['width'], shape['hairline']
    temple = 0.4 if style == 'receding' else 0
    half = np.array(
        [
            [0.98 * width, -0.62, -0.75],
            [0.93 * width, -1.2, -0.55],
            [(0.8 - 0.1 * temple) * width, -1.75 - temple, -0.4],
            [0.45 * width, top + 0.16 - temple, -0.2],
        ]
    )
    middle = np.array([[0, top + 0.3 * form['peak'] * (style != 'fringe') - 0.5 * temple, -0.1]])
    return np.concatenate([half * (-1, 1, 1), middle, half[::-1]])


def face_outline(view, person):
    """(N, 2) the skin of the face: the jaw's points and the forehead up to the hairline."""
    jaw = spline(view.landmarks[:17], 5)
    top = view.project(hairline(person.shape, person.hair_form, person.hair_style))
    forehead = spline(np.concatenate([jaw[-1:], top[::-1], jaw[:1]]), 5)
    return np.concatenate([jaw, forehead[1:-1]])


def skull_outline(view, person):
    """(N, 2) the round of the skull, down to the ears where it is bare."""
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    half = person.shape['width'] * 1.02
    offsets = np.column_stack([half * np.cos(angle), 2.55 * np.sin(angle)])
    if person.hair_style == 'bald':
        offsets = np.concatenate([offsets, half * np.array([[0.93, 0.5], [0.7, 0.8], [-0.7, 0.8], [-0.93, 0.5]])])
    return view.billboard((0, -0.65, -0.9), offsets)

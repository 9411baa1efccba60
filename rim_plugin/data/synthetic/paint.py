"""Paints the parts of a drawn face: skin, eyes, brows, nose, mouth, marks, glasses."""

import numpy as np

from rim_plugin.data.synthetic.canvas import mix
from rim_plugin.data.synthetic.geometry import spline
from rim_plugin.data.synthetic.outlines import eye_outline, lip_outlines

_DARK = np.array([38.0, 22.0, 20.0])


def paint_body(canvas, view, person, shot):
    """Neck and clothes; the head covers their upper end."""
    width = person.shape['width']
    neck = np.array(
        [[-0.74, 2.0, -1], [-0.72, 4.3, -1], [-0.95, 4.9, -1], [0.95, 4.9, -1], [0.72, 4.3, -1], [0.74, 2.0, -1]]
    )
    canvas.fill(view.project(neck * (width, 1, 1)), mix(person.skin, _DARK, 0.3))
    shirt = np.array(
        [
            [-3.6, 7, -1],
            [-3.2, 5.0, -1],
            [-1.9, 4.55, -1],
            [-0.78 * width, 4.1, -1],
            [0, 5.1, -0.6],
            [0.78 * width, 4.1, -1],
            [1.9, 4.55, -1],
            [3.2, 5.0, -1],
            [3.6, 7, -1],
        ]
    )
    canvas.fill(view.project(shirt), shot.cloth)


def paint_ears(canvas, view, person):
    """Both ears, behind the face."""
    angle = np.linspace(0, 2 * np.pi, 20)
    ear = np.column_stack([0.34 * np.cos(angle), 0.72 * np.sin(angle) - 0.1 * np.cos(2 * angle)])
    for side in (-1, 1):
        centre = (side * person.shape['width'] * 1.03, 0.45, -1.3)
        canvas.fill(view.billboard(centre, ear), mix(person.skin, (170, 60, 50), 0.12))
        fold = ear[3:15] * (0.55, 0.6) if side > 0 else ear[[*range(13, 20), *range(0, 5)]] * (0.55, 0.6)
        canvas.stroke([view.billboard(centre, fold * (-1, 1))], mix(person.skin, _DARK, 0.38), 2)


def _iris(window, view, centre, person):
    unit = view.unit
    radius, iris = 0.2 * unit, person.iris
    window.dot(centre, radius, mix(iris, _DARK, 0.6), 150)
    window.dot(centre, radius * 0.86, iris, 150)
    angle = np.arange(14) * (2 * np.pi / 14)
    spokes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    window.stroke(
        [centre + radius * np.outer((0.45, 0.78), spoke) for spoke in spokes], mix(iris, (255, 240, 200), 0.35), 1, 150
    )
    window.dot(centre, radius * 0.42, (10, 8, 9), 150)


def paint_eye(canvas, view, points, person, shot, side):
    """One eye: white, iris, pupil, highlight, lids and lashes. ``side``: -1 on the picture's left, 1 on its right."""
    outline, unit, skin = eye_outline(points), view.unit, person.skin
    upper, lower = spline(points[:4]), spline(points[[3, 4, 5, 0]])
    outer, inner = (0, 3) if side < 0 else (3, 0)
    centre = points[[0, 3]].mean(axis=0) + unit * (shot.gaze + (0, -0.2 * person.shape['eye_open']))
    with canvas.inside(outline) as window:
        window.fill(outline, (236, 230, 226), 160)
        window.fill(
            np.array([[-0.14, -0.12], [0.12, -0.1], [0.12, 0.12], [-0.14, 0.12]]) * unit + points[inner],
            (206, 140, 130),
            160,
        )
        _iris(window, view, centre, person)
        window.stroke([upper + (0, 0.05 * unit)], mix(skin, _DARK, 0.72), 0.1 * unit, 160)
        window.dot(
            centre + unit * 0.07 * np.array([np.sign(shot.light[0]) or 1.0, -1]), 0.034 * unit, (255, 255, 255), 40
        )
    height = person.shape['crease'] * unit * (1 - 0.4 * shot.blink)
    lid = upper - np.outer(np.sin(np.linspace(0.25, np.pi - 0.25, len(upper))), (0, height + 0.03 * unit))
    canvas.stroke([lid], mix(skin, _DARK, 0.45), 2)
    canvas.stroke([lower + (0, 0.02 * unit)], mix(skin, (120, 50, 40), 0.45), 1)
    canvas.stroke([upper], mix(skin, _DARK, 0.75 + 0.2 * person.lashes), 2 + 2 * person.lashes)
    _lashes(canvas, upper, points[outer], unit, person, side)


def _lashes(canvas, upper, corner, unit, person, side):
    roots = upper[2:-1:2]
    nearness = 1 - np.abs(roots[:, :1] - corner[0]) / (abs(upper[0, 0] - upper[-1, 0]) + 1e-6)
    reach = unit * person.lashes * (0.08 + 0.12 * nearness)
    tips = roots + reach * np.column_stack([side * (nearness[:, 0] * 1.2 - 0.3), np.full(len(roots), -1.0)])
    canvas.stroke(list(np.stack([roots, tips], axis=1)), _DARK, 1)


def paint_brow(canvas, outline, person):
    """A brow: a base tone and its hairs."""
    colour = mix(person.hair, (60, 44, 36), 0.45) if person.hair.mean() > 90 else person.hair
    canvas.fill(outline, mix(person.skin, colour, 0.62))
    count = len(outline) // 2
    top, low = outline[:count], outline[: count - 1 : -1]
    lean = np.array([np.sign(top[0, 0] - top[-1, 0]) * 0.25, 0]) * (low - top)[:, 1:].mean()
    rng = np.random.default_rng(person.stroke_seed)
    place, reach = rng.uniform(0, count - 1, 44), rng.uniform(0.35, 0.8, (44, 1))
    index = np.arange(count)
    low, top = (
        np.column_stack([np.interp(place, index, edge[:, axis]) for axis in (0, 1)]) for edge in (low[:count], top)
    )
    roots = top + (low - top) * rng.uniform(0.3, 1, (44, 1))
    hairs = np.stack([roots, roots + (top - low) * reach + 2.5 * lean * reach], axis=1)
    canvas.stroke(list(hairs), mix(colour, _DARK, 0.25), 1)


def paint_nose(canvas, view, person):
    """Nostrils, wings and the shadow under the tip; light does the bridge."""
    base, unit, skin = view.landmarks[31:36], view.unit, person.skin
    for place, wing, side in ((1, 0, -1), (3, 4, 1)):
        angle = np.linspace(0, 2 * np.pi, 14)
        hole = np.column_stack([0.17 * np.cos(angle), 0.065 * np.sin(angle) - 0.03 * np.cos(angle) * side])
        centre = 0.7 * base[place] + 0.3 * base[wing] + (0, -0.03 * unit)
        canvas.fill(centre + unit * hole * (person.shape['nose_half'] / 0.46, 1), mix(skin, _DARK, 0.68))
        half, low, tip = person.shape['nose_half'], person.shape['nose_y'], person.shape['nose_z']
        curve = np.array(
            [
                [half * 0.98, low - 0.42, tip - 0.6],
                [half * 1.2, low - 0.3, tip - 0.62],
                [half * 1.2, low - 0.12, tip - 0.6],
                [half * 0.95, low - 0.06, tip - 0.5],
            ]
        ) * (side, 1, 1)
        canvas.stroke([spline(view.project(curve), 4)], mix(skin, _DARK, 0.42), 2)
    canvas.stroke([spline(base[1:4] + (0, 0.02 * unit), 4)], mix(skin, _DARK, 0.4), 2)


def paint_mouth(canvas, view, person, shot):
    """Lips, teeth and tongue."""
    points, unit = view.landmarks[48:], view.unit
    upper, inner, lower = lip_outlines(points)
    canvas.fill(lower, person.lip)
    canvas.fill(upper, mix(person.lip, _DARK, 0.22))
    with canvas.inside(inner) as window:
        window.flood((62, 20, 22))
        if shot.gap > 0.05:
            _teeth(window, points, unit)
        if shot.gap > 0.3:
            window.dot(points[18] + (0, 0.16 * unit), 0.34 * unit, (176, 84, 84))
    seam = spline(points[12:17])
    canvas.stroke([seam], mix(person.lip, _DARK, 0.75), 2)
    canvas.stroke([seam[:3], seam[-3:]], mix(person.skin, _DARK, 0.6), 3)
    ends = (points[18] + points[[9]]) / 2 + unit * np.array([[-0.22, -0.02], [-0.08, 0.02], [0.06, 0.02], [0.2, -0.02]])
    canvas.stroke([spline(ends, 4)], mix(person.lip, (255, 236, 230), 0.2), 3)
    canvas.stroke([spline(points[[1, 2, 3, 4, 5]], 4) - (0, 0.02 * unit)], mix(person.skin, (255, 255, 255), 0.18), 1)
    creases = np.linspace(0.2, 0.8, 9)[:, None]
    roots = creases * points[7] + (1 - creases) * points[11]
    canvas.stroke(list(np.stack([roots, 0.7 * roots + 0.3 * points[18]], axis=1)), mix(person.lip, _DARK, 0.2), 1)


def _teeth(window, points, unit):
    """The upper row: it hangs from the upper lip as far as the mouth is open, with a line between teeth."""
    edge = spline(points[12:17])
    row = np.concatenate([edge - (0, 0.1 * unit), (edge + (0, 0.24 * unit))[::-1]])
    window.fill(row, (236, 230, 216), 200)
    x = points[14] + np.outer(np.array([-0.56, -0.42, -0.27, -0.13, 0, 0.13, 0.27, 0.42, 0.56]) * unit, (1, 0))
    gaps = np.stack([x - (0, 0.2 * unit), x + (0, 0.24 * unit)], axis=1)
    window.stroke(list(gaps), (176, 160, 148), 1, 200)


def paint_marks(canvas, view, person, shot):
    """Freckles, moles, laughter and age lines."""
    skin, unit = person.skin, view.unit
    for x, y in view.project(_on_face(person.freckles)):
        canvas.dot((x, y), 0.022 * unit, mix(skin, (150, 84, 48), 0.45))
    for place, radius in zip(view.project(_on_face(person.moles[:, :2])), person.moles[:, 2]):
        canvas.dot(place, radius * unit, mix(skin, (58, 30, 22), 0.8))
    fold = 0.1 + 0.25 * person.age + 0.3 * min(shot.smile, 1)
    half, mouth, tip = person.shape['nose_half'], person.shape['mouth_y'], person.shape['nose_y']
    curve = np.array(
        [[half * 1.3, tip - 0.3, 0.35], [half * 1.75, tip + 0.05, 0.3], [1.05 + 0.12 * shot.smile, mouth - 0.2, 0.1]]
    )
    for side in (-1, 1):
        canvas.stroke([spline(view.project(curve * (side, 1, 1)))], mix(skin, _DARK, 0.6 * fold), 2)
    if person.age > 0.6:
        _age_lines(canvas, view, mix(skin, _DARK, 0.5 * person.age - 0.1))


def _age_lines(canvas, view, colour):
    across = np.linspace(-1, 1, 7)
    brow = [
        view.project(np.column_stack([1.05 * across, y + 0.07 * across**2, 0 * across])) for y in (-1.62, -1.4, -1.2)
    ]
    corner = np.array(
        [
            [1.5, 0.02, -0.2],
            [1.72, -0.08, -0.3],
            [1.5, 0.1, -0.2],
            [1.76, 0.12, -0.3],
            [1.48, 0.18, -0.2],
            [1.7, 0.3, -0.3],
        ]
    )
    feet = [view.project(corner[i : i + 2] * (side, 1, 1)) for side in (-1, 1) for i in (0, 2, 4)]
    bag = np.array([[0.62, 0.34, 0.1], [1.0, 0.46, 0.1], [1.4, 0.36, -0.1]])
    bags = [spline(view.project(bag * (side, 1, 1))) for side in (-1, 1)]
    canvas.stroke([spline(line) for line in brow] + feet + bags, colour, 1)


def _on_face(places):
    """(N, 2) places on the face to model points on its rounded front."""
    return np.column_stack([places, 0.35 - 0.22 * places[:, 0] ** 2])


def paint_glasses(canvas, view, person):
    """Frames around the eyes, the bridge and a glint."""
    power = {'round': 2, 'square': 5, 'half': 3.2}[person.glasses]
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    rim = np.column_stack(
        [np.sign(cos) * np.abs(cos) ** (2 / power) * 0.74, np.sign(sin) * np.abs(sin) ** (2 / power) * 0.56]
    )
    spacing, colour = person.shape['spacing'] * 1.03, person.glasses_colour
    for side in (-1, 1):
        lens = view.project(
            np.column_stack([rim[:, 0] + side * spacing, rim[:, 1] + 0.08, 0.3 - 0.25 * np.abs(rim[:, 0])])
        )
        if person.glasses == 'half':
            canvas.stroke([lens[19:41]], colour, 4)
            canvas.stroke([lens], mix(colour, person.skin, 0.5), 1, closed=True)
        else:
            canvas.stroke([lens], colour, 4, closed=True)
        arm = view.project(
            np.array([[side * (spacing + 0.72), -0.05, 0.1], [side * person.shape['width'], -0.1, -0.6]])
        )
        glint = lens[[24, 27]] * 0.6 + lens.mean(axis=0) * 0.4
        canvas.stroke([arm], colour, 4)
        canvas.stroke([glint], mix(person.skin, (255, 255, 255), 0.75), 2)
    bridge = np.array([[-spacing + 0.73, 0.0, 0.35], [0, -0.1, 0.55], [spacing - 0.73, 0.0, 0.35]])
    canvas.stroke([spline(view.project(bridge))], colour, 4)

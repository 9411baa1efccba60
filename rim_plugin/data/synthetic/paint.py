"""Paints the parts of a drawn face: skin, eyes, brows, nose, mouth, marks, glasses."""

import numpy as np
from numpy.typing import ArrayLike

from rim_plugin.data.synthetic.canvas import Canvas, Window, mix
from rim_plugin.data.synthetic.geometry import MOUTH, NOSE_BASE, View, place, spline, symmetric
from rim_plugin.data.synthetic.outlines import eye_outline, lip_outlines
from rim_plugin.data.synthetic.people import Person, Shot

_DARK = np.array([38.0, 22.0, 20.0])
_WHITE = (255, 255, 255)
_TEETH = np.array([-0.56, -0.42, -0.27, -0.13, 0, 0.13, 0.27, 0.42, 0.56])  # where one ends and the next begins
# Eyes and teeth lie in the shade of lids and lips, the pupil's highlight has its own light.
_EYEBALL, _IRIS, _HIGHLIGHT, _TOOTH = 160, 150, 40, 200


def paint_body(canvas: Canvas, view: View, person: Person, shot: Shot) -> None:
    """Neck and clothes; the head covers their upper end."""
    width = person.shape.width
    neck = symmetric(place([0.95 * width, 0.72 * width, 0.74 * width], [4.9, 4.3, 2.0], -1)[::-1])
    canvas.fill(view.project(neck), mix(person.skin, _DARK, 0.3))
    shirt = symmetric(place([0.78 * width, 1.9, 3.2, 3.6], [4.1, 4.55, 5.0, 7], -1), np.array([[0, 5.1, -0.6]]))
    canvas.fill(view.project(shirt), shot.cloth)


def paint_ears(canvas: Canvas, view: View, person: Person) -> None:
    """Both ears, behind the face."""
    angle = np.linspace(0, 2 * np.pi, 20)
    ear = place(0.34 * np.cos(angle), 0.72 * np.sin(angle) - 0.1 * np.cos(2 * angle))
    for side, fold in ((-1, ear[[*range(13, 20), *range(0, 5)]]), (1, ear[3:15])):
        centre = (side * person.shape.width * 1.03, 0.45, -1.3)
        canvas.fill(view.billboard(centre, ear), mix(person.skin, (170, 60, 50), 0.12))
        canvas.stroke([view.billboard(centre, fold * (-0.55, 0.6))], mix(person.skin, _DARK, 0.38), 2)


def _paint_iris(window: Window, unit: float, centre: np.ndarray, colour: np.ndarray) -> None:
    radius, angle = 0.2 * unit, np.arange(14) * (2 * np.pi / 14)
    window.dot(centre, radius, mix(colour, _DARK, 0.6), _IRIS)
    window.dot(centre, radius * 0.86, colour, _IRIS)
    spokes = [centre + radius * np.outer((0.45, 0.78), spoke) for spoke in place(np.cos(angle), np.sin(angle))]
    window.stroke(spokes, mix(colour, (255, 240, 200), 0.35), 1, _IRIS)
    window.dot(centre, radius * 0.42, (10, 8, 9), _IRIS)


def paint_eye(canvas: Canvas, view: View, points: np.ndarray, person: Person, shot: Shot, side: int) -> None:
    """One eye: white, iris, pupil, highlight, lids and lashes. ``side``: -1 on the picture's left, 1 on its right."""
    outline, unit, skin = eye_outline(points), view.unit, person.skin
    upper, lower = spline(points[:4]), spline(points[[3, 4, 5, 0]])
    outer, inner = points[[0, 3][::-side]]
    centre = points[[0, 3]].mean(axis=0) + unit * (shot.gaze + (0, -0.2 * person.shape.eye_open))
    with canvas.inside(outline) as window:
        window.fill(outline, (236, 230, 226), _EYEBALL)
        tear_duct = place([-0.14, 0.12, 0.12, -0.14], [-0.12, -0.1, 0.12, 0.12])
        window.fill(tear_duct * unit + inner, (206, 140, 130), _EYEBALL)
        _paint_iris(window, unit, centre, person.iris)
        window.stroke([upper + (0, 0.05 * unit)], mix(skin, _DARK, 0.72), 0.1 * unit, _EYEBALL)
        highlight = centre + unit * 0.07 * np.array([np.sign(shot.light[0]) or 1.0, -1])
        window.dot(highlight, 0.034 * unit, _WHITE, _HIGHLIGHT)
    height = person.shape.crease * unit * (1 - 0.4 * shot.blink)
    lid = upper - np.outer(np.sin(np.linspace(0.25, np.pi - 0.25, len(upper))), (0, height + 0.03 * unit))
    canvas.stroke([lid], mix(skin, _DARK, 0.45), 2)
    canvas.stroke([lower + (0, 0.02 * unit)], mix(skin, (120, 50, 40), 0.45))
    canvas.stroke([upper], mix(skin, _DARK, 0.75 + 0.2 * person.lashes), 2 + 2 * person.lashes)
    roots = upper[2:-1:2]
    nearness = 1 - np.abs(roots[:, :1] - outer[0]) / (abs(upper[0, 0] - upper[-1, 0]) + 1e-6)  # to the outer corner
    reach = unit * person.lashes * (0.08 + 0.12 * nearness)
    tips = roots + reach * place(side * (nearness[:, 0] * 1.2 - 0.3), -1)
    canvas.stroke(list(np.stack([roots, tips], axis=1)), _DARK)


def paint_brow(canvas: Canvas, outline: np.ndarray, person: Person) -> None:
    """A brow: a base tone and its hairs."""
    colour = person.facial_hair(0.45)
    canvas.fill(outline, mix(person.skin, colour, 0.62))
    count = len(outline) // 2
    top, low = outline[:count], outline[count:][::-1]
    lean = np.array([np.sign(top[0, 0] - top[-1, 0]) * 0.25, 0]) * (low - top)[:, 1:].mean()
    rng = np.random.default_rng(person.stroke_seed)
    index, reach = rng.uniform(0, count - 1, 44), rng.uniform(0.35, 0.8, (44, 1))
    low, top = (place(*(np.interp(index, np.arange(count), axis) for axis in edge.T)) for edge in (low, top))
    roots = top + (low - top) * rng.uniform(0.3, 1, (44, 1))
    hairs = np.stack([roots, roots + (top - low) * reach + 2.5 * lean * reach], axis=1)
    canvas.stroke(list(hairs), mix(colour, _DARK, 0.25))


def paint_nose(canvas: Canvas, view: View, person: Person) -> None:
    """Nostrils, wings and the shadow under the tip; light does the bridge."""
    base, unit, skin = view.landmarks[NOSE_BASE], view.unit, person.skin
    half, low, tip = person.shape.nose_half, person.shape.nose_y, person.shape.nose_z
    angle = np.linspace(0, 2 * np.pi, 14)
    y = [low - 0.42, low - 0.3, low - 0.12, low - 0.06]
    wing = place([half * 0.98, half * 1.2, half * 1.2, half * 0.95], y, [tip - 0.6, tip - 0.62, tip - 0.6, tip - 0.5])
    for inner, outer, side in ((1, 0, -1), (3, 4, 1)):
        hole = place(0.17 * np.cos(angle), 0.065 * np.sin(angle) - 0.03 * np.cos(angle) * side)
        centre = 0.7 * base[inner] + 0.3 * base[outer] + (0, -0.03 * unit)
        canvas.fill(centre + unit * hole * (half / 0.46, 1), mix(skin, _DARK, 0.68))
        canvas.stroke([spline(view.project(wing, side), 4)], mix(skin, _DARK, 0.42), 2)
    canvas.stroke([spline(base[1:4] + (0, 0.02 * unit), 4)], mix(skin, _DARK, 0.4), 2)


def paint_mouth(canvas: Canvas, view: View, person: Person, shot: Shot) -> None:
    """Lips, teeth and tongue."""
    points, unit, lip, skin = view.landmarks[MOUTH], view.unit, person.lip, person.skin
    seam = spline(points[12:17])  # lower edge of the upper lip
    upper, inner, lower = lip_outlines(points)
    canvas.fill(lower, lip)
    canvas.fill(upper, mix(lip, _DARK, 0.22))
    with canvas.inside(inner) as window:
        window.flood((62, 20, 22))
        if shot.gap > 0.05:
            _paint_teeth(window, seam, points[14], unit)
        if shot.gap > 0.3:
            window.dot(points[18] + (0, 0.16 * unit), 0.34 * unit, (176, 84, 84))
    canvas.stroke([seam], mix(lip, _DARK, 0.75), 2)
    canvas.stroke([seam[:3], seam[-3:]], mix(skin, _DARK, 0.6), 3)
    gloss = (points[18] + points[9]) / 2 + unit * place([-0.22, -0.08, 0.06, 0.2], [-0.02, 0.02, 0.02, -0.02])
    canvas.stroke([spline(gloss, 4)], mix(lip, (255, 236, 230), 0.2), 3)
    canvas.stroke([spline(points[1:6], 4) - (0, 0.02 * unit)], mix(skin, _WHITE, 0.18))
    creases = np.linspace(0.2, 0.8, 9)[:, None]
    roots = creases * points[7] + (1 - creases) * points[11]
    canvas.stroke(list(np.stack([roots, 0.7 * roots + 0.3 * points[18]], axis=1)), mix(lip, _DARK, 0.2))


def _paint_teeth(window: Window, edge: np.ndarray, middle: np.ndarray, unit: float) -> None:
    """The upper row: it hangs from the upper lip as far as the mouth is open, with a line between teeth."""
    row = np.concatenate([edge - (0, 0.1 * unit), (edge + (0, 0.24 * unit))[::-1]])
    window.fill(row, (236, 230, 216), _TOOTH)
    x = middle + place(_TEETH * unit, 0)
    window.stroke(list(np.stack([x - (0, 0.2 * unit), x + (0, 0.24 * unit)], axis=1)), (176, 160, 148), shading=_TOOTH)


def paint_marks(canvas: Canvas, view: View, person: Person, shot: Shot) -> None:
    """Freckles, moles, laughter and age lines."""
    skin, unit, shape = person.skin, view.unit, person.shape
    for point in view.project(_on_face(person.freckles)):
        canvas.dot(point, 0.022 * unit, mix(skin, (150, 84, 48), 0.45))
    for point, radius in zip(view.project(_on_face(person.moles)), person.moles[:, 2]):
        canvas.dot(point, radius * unit, mix(skin, (58, 30, 22), 0.8))
    weight = 0.1 + 0.25 * person.age + 0.3 * min(shot.smile, 1)
    x = [shape.nose_half * 1.3, shape.nose_half * 1.75, 1.05 + 0.12 * shot.smile]
    fold = place(x, [shape.nose_y - 0.3, shape.nose_y + 0.05, shape.mouth_y - 0.2], [0.35, 0.3, 0.1])
    for side in (-1, 1):
        canvas.stroke([spline(view.project(fold, side))], mix(skin, _DARK, 0.6 * weight), 2)
    if person.age > 0.6:
        _paint_age_lines(canvas, view, mix(skin, _DARK, 0.5 * person.age - 0.1))


def _paint_age_lines(canvas: Canvas, view: View, colour: ArrayLike) -> None:
    across = np.linspace(-1, 1, 7)
    lines = [spline(view.project(place(1.05 * across, y + 0.07 * across**2, 0))) for y in (-1.62, -1.4, -1.2)]
    x, y, z = [1.5, 1.72, 1.5, 1.76, 1.48, 1.7], [0.02, -0.08, 0.1, 0.12, 0.18, 0.3], [-0.2, -0.3] * 3
    bag = place([0.62, 1.0, 1.4], [0.34, 0.46, 0.36], [0.1, 0.1, -0.1])
    for side in (-1, 1):
        lines += [*view.project(place(x, y, z), side).reshape(3, 2, 2), spline(view.project(bag, side))]
    canvas.stroke(lines, colour)


def _on_face(places: np.ndarray) -> np.ndarray:
    """(N, 2 or more) places on the face, x and y first, to model points on its rounded front."""
    return place(places[:, 0], places[:, 1], 0.35 - 0.22 * places[:, 0] ** 2)


def paint_glasses(canvas: Canvas, view: View, person: Person) -> None:
    """Frames around the eyes, the bridge and a glint; nothing for a person without glasses."""
    if person.glasses == 'none':
        return
    power = 2 / {'round': 2, 'square': 5, 'half': 3.2}[person.glasses]
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x, y = (
        np.sign(wave) * np.abs(wave) ** power * half for wave, half in ((np.cos(angle), 0.74), (np.sin(angle), 0.56))
    )
    spacing, width, colour = person.shape.spacing * 1.03, person.shape.width, person.glasses_colour
    for side in (-1, 1):
        lens = view.project(place(x + side * spacing, y + 0.08, 0.3 - 0.25 * np.abs(x)))
        if person.glasses == 'half':
            canvas.stroke([lens[19:41]], colour, 4)
            canvas.stroke([lens], mix(colour, person.skin, 0.5), closed=True)
        else:
            canvas.stroke([lens], colour, 4, closed=True)
        arm = view.project([[spacing + 0.72, -0.05, 0.1], [width, -0.1, -0.6]], side)
        canvas.stroke([arm], colour, 4)
        canvas.stroke([lens[[24, 27]] * 0.6 + lens.mean(axis=0) * 0.4], mix(person.skin, _WHITE, 0.75), 2)
    bridge = symmetric(np.array([[spacing - 0.73, 0.0, 0.35]]), np.array([[0, -0.1, 0.55]]))
    canvas.stroke([spline(view.project(bridge))], colour, 4)

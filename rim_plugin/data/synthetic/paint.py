"""Paints the details of a drawn face: eyes, brows, nose, mouth, marks, glasses; and what is behind it."""

import numpy as np

from rim_plugin.data.synthetic.canvas import Canvas, mix
from rim_plugin.data.synthetic.geometry import MOUTH, NOSE_BASE, View, place, spline, symmetric
from rim_plugin.data.synthetic.people import Person, Shot

DARK = np.array([36.0, 22.0, 20.0])
_WHITE = (255, 255, 255)
# Eyes and teeth lie in the shade of lids and lips, the pupil's highlight has its own light.
_EYEBALL, _HIGHLIGHT, _TOOTH = 155, 40, 200


def _circle(count: int, half_width: float, half_height: float) -> np.ndarray:
    """(count + 1, 2) closed ellipse around 0."""
    angle = np.linspace(0, 2 * np.pi, count + 1)
    return place(half_width * np.cos(angle), half_height * np.sin(angle))


def eye_outline(points: np.ndarray) -> np.ndarray:
    """(N, 2) opening of an eye through its six points."""
    return np.concatenate([spline(points[:4]), spline(points[[3, 4, 5, 0]])])


def paint_body(canvas: Canvas, view: View, person: Person, shot: Shot, ears: bool) -> None:
    """Neck, clothes and, unless hair hides them, ears; the head covers parts of them."""
    width = person.shape.width
    neck = symmetric(place([0.74 * width, 0.72 * width, 0.95 * width], [2.0, 4.3, 4.9], -1))
    canvas.fill(view.project(neck), mix(person.skin, DARK, 0.3))
    shirt = symmetric(place([0.78 * width, 1.9, 3.2, 3.6], [4.1, 4.55, 5.0, 7], -1), place([0], 5.1, -0.6))
    canvas.fill(view.project(shirt), shot.cloth)
    ear = _circle(20, 0.34, 0.72)
    for side in (-1, 1) if ears else ():
        centre = (side * width * 1.03, 0.4, -1.3)
        canvas.fill(view.billboard(centre, ear), mix(person.skin, (170, 60, 50), 0.12))
        canvas.stroke([view.billboard(centre, ear[3:14] * (-0.55 * side, 0.6))], mix(person.skin, DARK, 0.38), 2)


def paint_eye(canvas: Canvas, view: View, points: np.ndarray, person: Person, shot: Shot, side: int) -> None:
    """One eye: white, iris, pupil, highlight, lids and lashes. ``side``: -1 on the picture's left, 1 on its right."""
    unit, skin, iris = view.unit, person.skin, person.iris
    outline = eye_outline(points)
    upper, lower = np.split(outline, 2)
    outer, inner = points[[0, 3][::-side]]
    centre = points[[0, 3]].mean(axis=0) + unit * (shot.gaze + (0, -0.2 * person.shape.eye_open))
    with canvas.inside(outline):
        canvas.fill(outline, (236, 230, 226), _EYEBALL)
        canvas.dot(inner, 0.14 * unit, (206, 140, 130), _EYEBALL)  # tear duct
        for radius, colour in ((0.2, mix(iris, DARK, 0.6)), (0.172, iris), (0.085, (10, 8, 9))):
            canvas.dot(centre, radius * unit, colour, _EYEBALL)
        spokes = np.stack([_circle(14, part, part) for part in (0.1, 0.155)], axis=1)
        canvas.stroke(centre + unit * spokes, mix(iris, (255, 240, 200), 0.35), shading=_EYEBALL)
        canvas.stroke([upper + (0, 0.05 * unit)], mix(skin, DARK, 0.72), 0.1 * unit, _EYEBALL)
        canvas.dot(centre + 0.07 * unit * np.sign([shot.light[0], -1]), 0.034 * unit, _WHITE, _HIGHLIGHT)
    fold = np.outer(np.sin(np.linspace(0.25, np.pi - 0.25, len(upper))), (0, unit * (0.17 - 0.06 * shot.blink)))
    canvas.stroke([upper - fold], mix(skin, DARK, 0.45), 2)
    canvas.stroke([lower + (0, 0.02 * unit)], mix(skin, (120, 50, 40), 0.45))
    canvas.stroke([upper], mix(skin, DARK, 0.75 + 0.2 * person.lashes), 2 + 2 * person.lashes)
    roots = upper[2:-1:2]
    nearness = 1 - np.abs(roots[:, :1] - outer[0]) / (abs(upper[0, 0] - upper[-1, 0]) + 1e-6)  # to the outer corner
    tips = roots + unit * person.lashes * (0.08 + 0.12 * nearness) * place(side * (nearness[:, 0] * 1.2 - 0.3), -1)
    canvas.stroke(np.stack([roots, tips], axis=1), DARK)


def paint_brow(canvas: Canvas, outline: np.ndarray, person: Person) -> None:
    """A brow with its hairs; outline runs along the upper edge and back along the lower one."""
    count, rng = len(outline) // 2, np.random.default_rng(person.stroke_seed)
    start = rng.integers(0, count, 44)
    top, low = outline[start], outline[::-1][start]
    roots = top + (low - top) * rng.uniform(0.3, 1, (44, 1))
    lean = place(0.6 * np.sign(outline[0, 0] - outline[count - 1, 0]), 0) * (low - top)[:, 1:] + top - low
    hairs = np.stack([roots, roots + lean * rng.uniform(0.35, 0.8, (44, 1))], axis=1)
    colour = person.facial_hair(0.45)
    canvas.fill(outline, mix(person.skin, colour, 0.62))
    canvas.stroke(hairs, mix(colour, DARK, 0.25))


def paint_nose(canvas: Canvas, view: View, person: Person) -> None:
    """Nostrils, wings and the shadow under the tip; light does the bridge."""
    base, unit, skin = view.landmarks[NOSE_BASE], view.unit, person.skin
    half, low, tip = person.shape.nose_half, person.shape.nose_y, person.shape.nose_z
    wing = place(np.array([0.98, 1.2, 1.2, 0.95]) * half, low - np.array([0.42, 0.3, 0.12, 0.06]), tip - 0.6)
    for inner, outer, side in ((1, 0, -1), (3, 4, 1)):
        centre = 0.7 * base[inner] + 0.3 * base[outer] - (0, 0.03 * unit)
        canvas.fill(centre + unit * _circle(14, 0.37 * half, 0.07), mix(skin, DARK, 0.68))
        canvas.stroke([spline(view.project(wing, side))], mix(skin, DARK, 0.42), 2)
    canvas.stroke([spline(base[1:4] + (0, 0.02 * unit))], mix(skin, DARK, 0.4), 2)


def paint_mouth(canvas: Canvas, view: View, inner: np.ndarray, person: Person, shot: Shot) -> None:
    """What the lips leave free, ``inner`` (N, 2), with teeth and tongue; seam, gloss and creases of the lips."""
    points, unit, lip = view.landmarks[MOUTH], view.unit, person.lip
    seam = spline(points[12:17])  # lower edge of the upper lip
    with canvas.inside(inner):
        canvas.fill(inner, (62, 20, 22))
        if shot.gap > 0.05:  # the upper teeth hang from the upper lip, with a line between one and the next
            canvas.fill(np.concatenate([seam, seam[::-1] + (0, 0.24 * unit)]), (236, 230, 216), _TOOTH)
            between = points[14] + unit * place(np.linspace(-0.56, 0.56, 9)[:, None], [-0.2, 0.24])
            canvas.stroke(between, (176, 160, 148), shading=_TOOTH)
        if shot.gap > 0.3:
            canvas.dot(points[18] + (0, 0.16 * unit), 0.34 * unit, (176, 84, 84))
    canvas.stroke([seam], mix(lip, DARK, 0.75), 2)
    canvas.stroke([seam[:3], seam[-3:]], mix(person.skin, DARK, 0.6), 3)
    gloss = (points[18] + points[9]) / 2 + unit * place([-0.22, 0, 0.22], [-0.02, 0.02, -0.02])
    canvas.stroke([spline(gloss)], mix(lip, (255, 236, 230), 0.2), 3)
    roots = np.linspace(0.8 * points[11] + 0.2 * points[7], 0.2 * points[11] + 0.8 * points[7], 9)
    canvas.stroke(np.stack([roots, 0.7 * roots + 0.3 * points[18]], axis=1), mix(lip, DARK, 0.2))


def paint_marks(canvas: Canvas, view: View, person: Person, shot: Shot) -> None:
    """Freckles, moles, laughter and age lines."""
    skin, shape, (x, y, radius) = person.skin, person.shape, person.marks.T
    for centre, size in zip(view.project(place(x, y, 0.35 - 0.22 * x**2)), radius):
        canvas.dot(centre, size * view.unit, mix(skin, (110, 56, 34), 0.45 if size < 0.025 else 0.8))
    x = [shape.nose_half * 1.3, shape.nose_half * 1.75, 1.05 + 0.12 * shot.smile]
    fold = place(x, [shape.nose_y - 0.3, shape.nose_y + 0.05, shape.mouth_y - 0.2], [0.35, 0.3, 0.1])
    bag = place([0.62, 1.0, 1.4], [0.34, 0.46, 0.36], [0.1, 0.1, -0.1])
    lines = []
    for side in (-1, 1):
        weight = 0.06 + 0.15 * person.age + 0.18 * min(shot.smile, 1)
        canvas.stroke([spline(view.project(fold, side))], mix(skin, DARK, weight), 2)
        lines += [view.project([[1.5, y, -0.2], [1.74, 1.9 * y - 0.09, -0.3]], side) for y in (0.02, 0.1, 0.18)]
        lines.append(spline(view.project(bag, side)))
    if person.age > 0.6:
        across = np.linspace(-1, 1, 7)
        lines += [view.project(place(1.05 * across, y + 0.07 * across**2, 0)) for y in (-1.62, -1.4, -1.2)]
        canvas.stroke(lines, mix(skin, DARK, 0.5 * person.age - 0.1))


def paint_glasses(canvas: Canvas, view: View, person: Person) -> None:
    """Frames around the eyes, the bridge and a glint; nothing for a person without glasses."""
    if person.glasses == 'none':
        return
    x, y = _circle(40, 1, 1).T
    if person.glasses == 'square':
        x, y = (np.sign(wave) * np.abs(wave) ** 0.4 for wave in (x, y))
    spacing, width, colour = person.shape.spacing * 1.03, person.shape.width, person.glasses_colour
    for side in (-1, 1):
        lens = view.project(place(0.74 * x + side * spacing, 0.56 * y + 0.08, 0.3 - 0.18 * np.abs(x)))
        arm = view.project([[spacing + 0.72, -0.05, 0.1], [width, -0.1, -0.6]], side)
        canvas.stroke([lens, arm], colour, 4)
        canvas.stroke([lens[[24, 27]] * 0.6 + lens[:-1].mean(axis=0) * 0.4], mix(person.skin, _WHITE, 0.75), 2)
    bridge = symmetric(place([spacing - 0.73], 0, 0.35), place([0], -0.1, 0.55))
    canvas.stroke([spline(view.project(bridge))], colour, 4)

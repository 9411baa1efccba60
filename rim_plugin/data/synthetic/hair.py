"""Hair and beards of a drawn face: outlines for paint and parsing map, and the strands."""

import numpy as np

from rim_plugin.data.synthetic.canvas import Canvas, mix
from rim_plugin.data.synthetic.geometry import JAW, View, place, spline, symmetric
from rim_plugin.data.synthetic.paint import DARK
from rim_plugin.data.synthetic.people import HAIR_STYLES, Person

_SKULL = (0, -0.65, -0.9)  # its centre in model space
# First of the jaw's points under a beard; where its upper edge ends: half widths of the mouth right of the middle, and
# how far below the mouth.
_BEARDS = {'stubble': (3, 1.9, -0.35), 'full': (2, 1.9, -0.35), 'goatee': (6, 1.15, 0.5)}


def _arch(person: Person, side: float = 0.0, top: float = 0.0) -> np.ndarray:
    """(17, 2) the round of the skull from ear to ear, around its centre, with hair beside it and on its top."""
    angle = np.linspace(np.pi, 2 * np.pi, 17)
    return place((person.shape.width * 1.02 + side) * np.cos(angle), (2.55 + top) * np.sin(angle))


def skull_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) the round of the skull, down to the ears where it is bald."""
    ears = person.shape.width * place([0.95, 0.71, -0.71, -0.95], [0.5, 0.8, 0.8, 0.5])
    offsets = [_arch(person), ears] if person.hair_style == 'bald' else [_arch(person)]
    return view.billboard(_SKULL, np.concatenate(offsets))


def hairline(person: Person) -> np.ndarray:
    """(9, 3) model points of the forehead's upper edge, from the left temple to the right one."""
    x, top = person.shape.width * np.array([0.45, 0.8, 0.93, 0.98]), person.shape.hairline
    return symmetric(place(x, [top + 0.16, -1.75, -1.2, -0.62], [-0.2, -0.4, -0.55, -0.75]), place([0], top, -0.1))


class Hair:
    """The hair of a person in one view, as a band between an inner and an outer edge.

    Both edges run from the left end over the top to the right end: (N, 2) picture points with equal index across.

    Attributes:
        bald: whether there is none.
        long: whether it hangs behind the neck and over the ears.
        outer: the outer edge.
        outline: the whole band as a polygon.
    """

    def __init__(self, view: View, person: Person) -> None:
        shape, self._style, style = person.shape, person.hair_style, HAIR_STYLES[person.hair_style]
        self._person, self.bald, self.long = person, self._style == 'bald', style.long
        self._rng = np.random.default_rng(person.stroke_seed)
        end, side = min(shape.hair_end, style.end), 0.06 + shape.hair_side * style.volume
        flare, inset = (0.22, 0.93) if self.long else (-0.9, 0.99)
        arch = _arch(person, side, shape.hair_top * style.volume)
        outer = place(arch[-1, 0] + flare * side * np.linspace(0, 1, 8), np.linspace(0, end + 0.65, 9)[1:])
        self.outer = spline(view.billboard(_SKULL, symmetric(outer, arch)), 4)
        front = hairline(person)
        if self._style == 'fringe':  # the middle of the hairline hangs down over the forehead, slanting
            across = np.linspace(-1, 1, 5)
            front[2:7, 1:] = place(shape.fringe + shape.part * across - 0.1 * np.cos(across * np.pi), 0.05)
        inner = place(np.full(8, inset * shape.width), np.linspace(-0.62, end, 9)[1:], -0.75)
        # 8 + 17 + 8 knots as the outer edge has, so that equal indices lie across the band
        self._inner = spline(view.project(symmetric(inner, spline(front, 2))), 4)
        self._last = len(self._inner) - 1
        self.outline = np.concatenate([self.outer, self._inner[::-1]])

    def paint(self, canvas: Canvas) -> None:
        """The band, with strands."""
        colour, part, buzz = self._person.hair, self._person.shape.part, self._style == 'buzz'
        canvas.fill(self.outline, mix(colour, self._person.skin, 0.25) if buzz else mix(colour, DARK, 0.12))
        bright = mix(colour * 1.35, (255, 236, 205), 0.15)
        strands = list(self._across(60, 0.02, 0.1, 0))  # over the hairline, so that it is no hard edge
        if self.long:
            strands += list(self._along(100))
        else:
            strands += list(self._across(200, 0.75, 0.12, 0) if buzz else self._across(150, 0.35, 0.75, 16 * part))
        for number, (tone, weight) in enumerate([(DARK, 1.7), (bright, 2.4), (DARK, 1), (bright, 1.4)]):
            canvas.stroke(strands[number::4], mix(colour, tone, 0.24 * weight), 1 + number // 2)

    def _band(self, index: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points of the band at ``index`` along it (float) and ``depth`` from the inner (0) to the outer edge (1)."""
        index = np.clip(index, 0, self._last)
        low = np.minimum(index.astype(int), self._last - 1)
        part = (index - low)[..., None]
        inner, outer = (edge[low] * (1 - part) + edge[low + 1] * part for edge in (self._inner, self.outer))
        return inner + (outer - inner) * np.minimum(depth, 1)[..., None]

    def _across(self, count: int, depth: float, reach: float, lean: float) -> np.ndarray:
        """(count, 5, 2) strands that begin up to ``depth`` into the band and go up to ``reach`` across it, leaning."""
        rng, step = self._rng, np.linspace(0, 1, 5)
        start, begin = (
            rng.uniform(0.2 * self._last, 0.8 * self._last, (count, 1)),
            rng.uniform(-0.05, depth, (count, 1)),
        )
        index = start + rng.normal(lean, 1, (count, 1)) * step**1.5
        return self._band(index, begin + rng.uniform(0.5 * reach, reach, (count, 1)) * step)

    def _along(self, count: int) -> np.ndarray:
        """(count, 9, 2) strands that fall from the parting down the sides: along the band, waving."""
        rng, step, middle = self._rng, np.linspace(0, 1, 9), self._last * (0.5 + 0.12 * self._person.shape.part)
        begin, length, depth = rng.uniform((0, 0.3, 0.02), (0.55, 0.8, 1), (count, 3)).T[..., None]
        way = np.minimum(begin + length * step, 1)
        index = middle + np.where(rng.random((count, 1)) < 0.5, way * (self._last - middle), -way * middle)
        return self._band(index, np.maximum(depth + 0.05 * np.sin(way * 30 + depth * 2), 0))


def beard_outline(view: View, person: Person) -> np.ndarray:
    """(N, 2) outline of the part of the lower face that a beard of the person's kind covers."""
    shape, (first, wide, below) = person.shape, _BEARDS[person.beard]
    low = spline(view.landmarks[JAW][first : 17 - first])
    low = low + (low - view.landmarks[33]) * 0.08  # beyond the jaw, where the face's outline cuts it
    x = [0.3, shape.mouth_half * 1.15, shape.mouth_half * wide]
    right = place(x, [shape.nose_y + 0.2, shape.mouth_y - 0.2, shape.mouth_y + below], [0.5, 0.2, -0.2])
    return np.concatenate([low, spline(np.concatenate([view.project(right)[::-1], view.project(right, -1)]))])


def paint_beard(canvas: Canvas, view: View, person: Person, face: np.ndarray) -> None:
    """Stubble as short dark hairs on toned skin; the other beards as a mass of hairs. The mouth is painted later.

    ``face`` is the outline (N, 2) that the beard ends at.
    """
    if person.beard == 'none':
        return
    outline, skin, hair = beard_outline(view, person), person.skin, person.facial_hair(0.35)
    if person.beard == 'stubble':
        soft, length, tones = 4.5, 0.05, (mix(skin, hair, 0.24), mix(skin, hair, 0.5), mix(skin, hair, 0.4))
    else:
        soft, length = 2.5, 0.2
        tones = mix(skin, hair, 0.78), mix(hair, DARK, 0.45), mix(hair, (255, 230, 200), 0.22)
    places = np.random.default_rng(person.stroke_seed).random((260, 2))
    roots = outline.min(axis=0) + places * np.ptp(outline, axis=0)
    hairs = np.stack([roots, roots + view.unit * length * place(places[:, 0] * 1.2 - 0.6, 1)], axis=1)
    with canvas.inside(face), canvas.inside(outline, soft):
        canvas.fill(face, tones[0])
        for number, tone in enumerate(tones[1:]):
            canvas.stroke(hairs[number::2], tone)

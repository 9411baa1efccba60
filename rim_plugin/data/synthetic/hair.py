"""Hair and beards of a drawn face: outlines for paint and parsing map, and the strands."""

import numpy as np

from rim_plugin.data.synthetic.canvas import Canvas, mix
from rim_plugin.data.synthetic.geometry import View, place, spline, symmetric
from rim_plugin.data.synthetic.outlines import SKULL, beard_outline, hairline
from rim_plugin.data.synthetic.people import HAIR_STYLES, Person

_DARK = np.array([30.0, 20.0, 18.0])


class Hair:
    """The hair of a person in one view, as a band between an inner and an outer edge.

    Both edges run from the left end over the top to the right end: (N, 2) picture points with equal index across. Bald
    persons have neither.

    Attributes:
        long: whether it hangs behind the neck and over the ears.
        outer: the outer edge.
        outline: the whole band as a polygon.
    """

    def __init__(self, view: View, person: Person) -> None:
        self._person, self._form, self._unit = person, person.hair_form, view.unit
        self._style, style = person.hair_style, HAIR_STYLES[person.hair_style]
        self._rng = np.random.default_rng(person.stroke_seed)
        self.long = style.long
        if self._style != 'bald':
            end = min(self._form.length, style.end)
            self.outer = self._outer_edge(view, self._form.top * style.top, 0.06 + self._form.side * style.side, end)
            self._inner = self._inner_edge(view, end)
            self._last = len(self._inner) - 1
            self.outline = np.concatenate([self.outer, self._inner[::-1]])

    def _outer_edge(self, view: View, top: float, side: float, end: float) -> np.ndarray:
        half = self._person.shape.width * 1.02 + side
        down = np.linspace(-0.65, end, 9)[1:] + 0.65
        right = place(half + (0.22 * side if self.long else -0.9 * side) * np.linspace(0, 1, 8), down)
        angle = np.linspace(np.pi, 2 * np.pi, 17)
        arch = place(half * np.cos(angle), (2.55 + top) * np.sin(angle))
        edge = spline(view.billboard(SKULL, symmetric(right, arch)), 4)
        if self._style == 'curly':
            index = np.arange(len(edge))
            edge = edge + 0.1 * self._unit * place(np.sin(index * 0.9), np.sin(index * 1.1 + 2))
        return edge

    def _inner_edge(self, view: View, end: float) -> np.ndarray:
        form, width = self._form, self._person.shape.width
        front = hairline(self._person.shape, form, self._style)
        if self._style == 'fringe':  # the middle of the hairline hangs down over the forehead, slanting
            across = np.linspace(-1, 1, 5)
            low = -1.75 + 0.75 * form.fringe
            front[2:7, 1] = low + form.slant * 0.35 * across - 0.1 * np.cos(across * np.pi)
            front[2:7, 2] = 0.05
        elif self._style in ('swept', 'parted'):
            front[3:6, 1] += 0.22 * form.part * np.array([-1, 0, 1])
        inset = form.inset if self.long else 0.99
        down = np.linspace(-0.62, end, 9)[1:]
        hang = np.interp(down, [-0.6, 0.6, 2, 5], [0.98, inset, inset * 0.98, inset * 1.05]) * width
        # 8 + 17 + 8 knots as the outer edge has, so that equal indices lie across the band
        return spline(view.project(symmetric(place(hang, down, -0.75), spline(front, 2))), 4)

    def paint_back(self, canvas: Canvas) -> None:
        """What hangs behind the neck."""
        if self.long:
            canvas.fill(self.outer, mix(self._person.hair, _DARK, 0.5))

    def paint_front(self, canvas: Canvas) -> None:
        """The band itself, with strands."""
        if self._style == 'bald':
            return
        colour, contrast = self._person.hair, self._form.contrast
        ground = mix(colour, self._person.skin, 0.25) if self._style == 'buzz' else mix(colour, _DARK, 0.12)
        canvas.fill(self.outline, ground)
        bright = mix(colour * 1.35, (255, 236, 205), 0.15)
        strands = self._strands() + self._fine_edge()
        for number, (tone, weight) in enumerate([(_DARK, 1.7), (bright, 2.4), (_DARK, 1), (bright, 1.4)]):
            canvas.stroke(strands[number::4], mix(colour, tone, weight * contrast), 1 + number // 2)

    def _strands(self) -> list[np.ndarray]:
        if self._style == 'curly':
            return self._curls(170)
        if self._style in ('bob', 'long', 'parted'):
            return self._along(120)
        if self._style == 'fringe':
            return self._across(120, 0.3, 0.7)
        return self._across(260 if self._style == 'buzz' else 150)

    def _band(self, index: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points of the band at ``index`` along it (float) and ``depth`` from the inner (0) to the outer edge (1)."""
        index = np.clip(index, 0, self._last)
        low = np.minimum(index.astype(int), self._last - 1)
        part = (index - low)[..., None]
        inner, outer = (edge[low] * (1 - part) + edge[low + 1] * part for edge in (self._inner, self.outer))
        return inner + (outer - inner) * depth[..., None]

    def _across(self, count: int, first: float = 0.0, last: float = 1.0) -> list[np.ndarray]:
        """Strands combed from the hairline back: across the band, leaning to the parting's side."""
        rng, short = self._rng, self._style == 'buzz'
        start = rng.uniform(first * self._last, last * self._last, count)
        begin = rng.uniform(-0.03, 0.75 if short else 0.35, count)
        reach = rng.uniform(0.06, 0.12, count) if short else rng.uniform(0.35, 0.75, count)
        step = np.linspace(0, 1, 5)
        lean = rng.normal(8 * self._form.part, 1.2, count) * (0.2 if short else 1)
        index = start[:, None] + lean[:, None] * step**1.5
        return list(self._band(index, np.minimum(begin[:, None] + reach[:, None] * step, 1.01)))

    def _along(self, count: int) -> list[np.ndarray]:
        """Strands that fall from the parting down the sides: along the band, waving."""
        rng, form = self._rng, self._form
        middle = self._last * (0.5 + 0.12 * form.part)
        right = rng.random(count) < 0.5
        begin = rng.uniform(0, 0.55, count)
        length = rng.uniform(0.3, 0.8, count)
        step = np.linspace(0, 1, 13)
        way = np.minimum(begin[:, None] + length[:, None] * step, 1)
        index = middle + np.where(right[:, None], way * (self._last - middle), -way * middle)
        depth = rng.uniform(0.02, 1.0, count)[:, None] + 0.05 * rng.standard_normal(count)[:, None] * step
        depth = depth + form.wave * np.sin(way * form.waves * 6.3 + depth * 2)
        return list(self._band(index, np.clip(depth, -0.02, 1.02)))

    def _fine_edge(self, count: int = 90) -> list[np.ndarray]:
        """Short hairs over the hairline, so that it is no hard edge."""
        rng = self._rng
        start, lean = rng.uniform(0.2 * self._last, 0.8 * self._last, count), rng.normal(0, 0.7, count)
        reach = rng.uniform(0.02, 0.09, count) * (1.8 if self._style == 'fringe' else 1)
        index = start[:, None] + lean[:, None] * np.linspace(0, 1, 3)
        return list(self._band(index, np.linspace(-1, 0.5, 3) * reach[:, None]))

    def _curls(self, count: int) -> list[np.ndarray]:
        """Small open rings all over the band."""
        rng = self._rng
        index, depth = rng.uniform(0, self._last, count), rng.uniform(0.02, 0.99, count)
        turn = rng.uniform(0, 6.3, count)[:, None] + np.linspace(0, 4.2, 8)
        radius = rng.uniform(0.08, 0.2, count)[:, None, None] * self._unit
        return list(self._band(index, depth)[:, None] + radius * place(np.cos(turn), np.sin(turn)))


def paint_beard(canvas: Canvas, view: View, person: Person, face: np.ndarray) -> None:
    """Stubble as short dark hairs on toned skin; the other beards as a mass of hairs. The mouth is painted later.

    ``face`` is the outline (N, 2) that the beard ends at.
    """
    if person.beard == 'none':
        return
    outline, rng = beard_outline(view, person), np.random.default_rng(person.stroke_seed + 1)
    stubble, skin, hair = person.beard == 'stubble', person.skin, person.facial_hair(0.35)
    if stubble:
        soft, length, tones = 4.5, 0.05, (mix(skin, hair, 0.24), mix(skin, hair, 0.5), mix(skin, hair, 0.4))
    else:
        soft, length = 2.5, 0.2
        tones = mix(skin, hair, 0.78), mix(hair, _DARK, 0.45), mix(hair, (255, 230, 200), 0.22)
    count = 260 if person.beard in ('stubble', 'full') else 90
    low, high = outline.min(axis=0), outline.max(axis=0)
    places = rng.random((count, 2))
    roots = low + places * (high - low)
    fall = place((places[:, 0] - 0.5) * 1.2, 1) * view.unit * length
    hairs = list(np.stack([roots, roots + fall], axis=1))
    with canvas.inside(face) as within, within.inside(outline, soft) as window:
        window.flood(tones[0])
        for number, tone in enumerate(tones[1:]):
            window.stroke(hairs[number::2], tone)

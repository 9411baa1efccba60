"""Hair and beards of a drawn face: outlines for paint and parsing map, and the strands."""

import numpy as np

from rim_plugin.data.synthetic.canvas import mix
from rim_plugin.data.synthetic.geometry import spline
from rim_plugin.data.synthetic.outlines import hairline

_DARK = np.array([30.0, 20.0, 18.0])
_LONG = ('bob', 'long', 'parted', 'curly')
_ENDS = {
    'buzz': 0.15,
    'short': 0.35,
    'swept': 0.3,
    'receding': 0.35,
    'fringe': 1.4,
}  # where the hair ends beside the ear


class Hair:
    """The hair of a person in one view, as a band between an inner and an outer edge.

    Both edges run from the left end over the top to the right end: (N, 2) picture points with equal index across.

    Args:
        view (View), person (Person): what is drawn.
    """

    def __init__(self, view, person):
        self.person, self.style, self.unit = person, person.hair_style, view.unit
        self.long = self.style in _LONG
        self.rng = np.random.default_rng(person.stroke_seed)
        if self.style != 'bald':
            self.outer, self.inner = self._outer(view), self._inner(view)
            self.outline = np.concatenate([self.outer, self.inner[::-1]])

    def _end(self):
        form = self.person.hair_form
        return (
            {'bob': min(form['length'], 2.9), 'curly': min(form['length'], 3.6)}.get(self.style, form['length'])
            if self.long
            else _ENDS[self.style]
        )

    def _volume(self):
        form = self.person.hair_form
        factor = {
            'buzz': (0.12, 0.05),
            'receding': (0.3, 0.3),
            'curly': (1.7, 1.9),
            'short': (0.9, 0.25),
            'swept': (1.2, 0.35),
        }
        top, side = factor.get(self.style, (1.0, 1.0))
        return form['top'] * top, 0.06 + form['side'] * side

    def _outer(self, view):
        shape, (top, side), end = self.person.shape, self._volume(), self._end()
        half = shape['width'] * 1.02 + side
        down = np.linspace(-0.65, end, 9)[1:, None]
        flare = half + (0.22 * side if self.long else -0.9 * side) * np.linspace(0, 1, 8)[:, None]
        right = np.concatenate([flare, down + 0.65], axis=1)
        angle = np.linspace(np.pi, 2 * np.pi, 17)
        arch = np.column_stack([half * np.cos(angle), (2.55 + top) * np.sin(angle)])
        edge = spline(view.billboard((0, -0.65, -0.9), np.concatenate([(right * (-1, 1))[::-1], arch, right])), 4)
        if self.style == 'curly':
            place = np.arange(len(edge))
            edge = edge + 0.1 * self.unit * np.column_stack([np.sin(place * 0.9), np.sin(place * 1.1 + 2)])
        return edge

    def _inner(self, view):
        shape, form, end = self.person.shape, self.person.hair_form, self._end()
        front = hairline(shape, form, self.style)
        if self.style == 'fringe':
            front = self._fringe(front)
        elif self.style in ('swept', 'parted'):
            front[3:6, 1] += 0.22 * form['part'] * np.array([-1, 0, 1])
        inset = form['inset'] if self.long else 0.99
        down = np.linspace(-0.62, end, 9)[1:]
        hang = np.interp(down, [-0.6, 0.6, 2, 5], [0.98, inset, inset * 0.98, inset * 1.05]) * shape['width']
        right = np.column_stack([hang, down, np.full(8, -0.75)])
        # 8 + 17 + 8 knots as the outer edge has, so that equal indices lie across the band
        arch = spline(front, 2)
        knots = np.concatenate([(right * (-1, 1, 1))[::-1], arch, right])
        return spline(view.project(knots), 4)

    def _fringe(self, front):
        """A fringe: the middle of the hairline hangs down over the forehead, slanting."""
        form = self.person.hair_form
        front = front.copy()
        low = -1.75 + 0.75 * form['fringe']
        front[2:7, 1] = low + form['slant'] * 0.35 * np.linspace(-1, 1, 5) - 0.1 * np.cos(np.linspace(-1, 1, 5) * np.pi)
        front[2:7, 2] = 0.05
        return front

    def paint_back(self, canvas):
        """What hangs behind the neck."""
        if self.long:
            canvas.fill(self.outer, mix(self.person.hair, _DARK, 0.5))

    def paint_front(self, canvas):
        """The band itself, with strands."""
        if self.style == 'bald':
            return
        colour = self.person.hair
        canvas.fill(
            self.outline, mix(colour, _DARK, 0.12) if self.style != 'buzz' else mix(colour, self.person.skin, 0.25)
        )
        contrast = self.person.hair_form['contrast']
        bright = mix(colour * 1.35, (255, 236, 205), 0.15)
        tones = [
            mix(colour, _DARK, 1.7 * contrast),
            mix(colour, bright, 2.4 * contrast),
            mix(colour, _DARK, contrast),
            mix(colour, bright, 1.4 * contrast),
        ]
        strands = self._strands() + self._fine_edge()
        for number, tone in enumerate(tones):
            canvas.stroke(strands[number::4], tone, 1 + number // 2)

    def _strands(self):
        if self.style == 'curly':
            return self._curls()
        if self.style in ('buzz', 'short', 'receding', 'swept'):
            return self._across(260 if self.style == 'buzz' else 150)
        if self.style == 'fringe':
            return self._across(120, 0.3, 0.7)
        return self._along(120)

    def _band(self, index, depth):
        """Points of the band at ``index`` along it (float) and ``depth`` from the inner (0) to the outer edge (1)."""
        index = np.clip(index, 0, len(self.inner) - 1)
        low = np.minimum(index.astype(int), len(self.inner) - 2)
        part = (index - low)[..., None]
        inner = self.inner[low] * (1 - part) + self.inner[low + 1] * part
        outer = self.outer[low] * (1 - part) + self.outer[low + 1] * part
        return inner + (outer - inner) * depth[..., None]

    def _across(self, count, first=0.0, last=1.0):
        """Strands combed from the hairline back: across the band, leaning to the parting's side."""
        rng, form, short = self.rng, self.person.hair_form, self.style == 'buzz'
        size = len(self.inner) - 1
        start = rng.uniform(first * size, last * size, count)
        begin = rng.uniform(-0.03, 0.75 if short else 0.35, count)
        reach = rng.uniform(0.06, 0.12, count) if short else rng.uniform(0.35, 0.75, count)
        step = np.linspace(0, 1, 5)
        lean = rng.normal(8 * form['part'], 1.2, count) * (0.2 if short else 1)
        index = start[:, None] + lean[:, None] * step**1.5
        return list(self._band(index, np.minimum(begin[:, None] + reach[:, None] * step, 1.01)))

    def _along(self, count):
        """Strands that fall from the parting down the sides: along the band, waving."""
        rng, form = self.rng, self.person.hair_form
        size = len(self.inner) - 1
        middle = size * (0.5 + 0.12 * form['part'])
        right = rng.random(count) < 0.5
        begin = rng.uniform(0, 0.55, count)
        length = rng.uniform(0.3, 0.8, count)
        step = np.linspace(0, 1, 13)
        way = np.minimum(begin[:, None] + length[:, None] * step, 1)
        index = middle + np.where(right[:, None], way * (size - middle), -way * middle)
        depth = rng.uniform(0.02, 1.0, count)[:, None] + 0.05 * rng.standard_normal(count)[:, None] * step
        depth = depth + form['wave'] * np.sin(way * form['waves'] * 6.3 + depth * 2)
        return list(self._band(index, np.clip(depth, -0.02, 1.02)))

    def _fine_edge(self):
        """Short hairs over the hairline, so that it is no hard edge."""
        count = 90
        size = len(self.inner) - 1
        index = self.rng.uniform(0.2 * size, 0.8 * size, count)[:, None] + self.rng.normal(0, 0.7, count)[
            :, None
        ] * np.linspace(0, 1, 3)
        down = self.rng.uniform(0.02, 0.09, count)[:, None] * (1.8 if self.style == 'fringe' else 1)
        return list(self._band(index, np.linspace(-1, 0.5, 3) * down))

    def _curls(self):
        """Small open rings all over the band."""
        rng, count = self.rng, 170
        index, depth = rng.uniform(0, len(self.inner) - 1, count), rng.uniform(0.02, 0.99, count)
        turn = rng.uniform(0, 6.3, count)[:, None] + np.linspace(0, 4.2, 8)
        radius = rng.uniform(0.08, 0.2, count)[:, None, None] * self.unit
        return list(self._band(index, depth)[:, None] + radius * np.stack([np.cos(turn), np.sin(turn)], axis=2))


def beard_outline(view, person):
    """(N, 2) outline of the part of the lower face that a beard of the person's kind covers."""
    shape, jaw = person.shape, view.landmarks
    mouth, nose, half = shape['mouth_y'], shape['nose_y'], shape['mouth_half']
    if person.beard == 'moustache':
        right = np.array([[half * 1.12, mouth + 0.18, 0.2], [half * 1.02, mouth - 0.12, 0.25], [0.5, nose + 0.16, 0.5]])
        inner = np.array([[half * 0.8, mouth, 0.3], [0.3, mouth - 0.12, 0.5]])
        knots = np.concatenate([right * (-1, 1, 1), right[::-1], inner, (inner * (-1, 1, 1))[::-1]])
        return spline(view.project(knots), 4, closed=True)
    if person.beard == 'goatee':
        right = np.array([[0.3, nose + 0.2, 0.5], [half * 1.12, mouth - 0.12, 0.2], [half * 1.15, mouth + 0.5, 0.15]])
        low = jaw[6:11] + (0, 0.15 * view.unit)
        top = view.project(right), view.project(right * (-1, 1, 1))[::-1]
        return np.concatenate([spline(np.concatenate([*top]), 4), low])
    first = 3 if person.beard == 'stubble' else 2
    low = spline(jaw[first : 17 - first], 3)
    low = low + (low - view.landmarks[33]) * 0.08  # beyond the jaw, where the face's outline cuts it
    right = np.array(
        [[0.3, nose + 0.2, 0.5], [half * 1.2, mouth - 0.3, 0.2], [0.72 * shape['width'], mouth - 0.35, -0.3]]
    )
    top = np.concatenate([view.project(right)[::-1], view.project(right * (-1, 1, 1))])
    return np.concatenate([low, spline(top, 4)])


def paint_beard(canvas, view, person, face):
    """Stubble as short dark hairs on toned skin; the other beards as a mass of hairs. The mouth is painted later.

    ``face`` is the outline (N, 2) that the beard ends at.
    """
    if person.beard == 'none':
        return
    outline, rng = beard_outline(view, person), np.random.default_rng(person.stroke_seed + 1)
    stubble = person.beard == 'stubble'
    hair = mix(person.hair, (60, 44, 36), 0.35 if person.hair.mean() > 90 else 0)
    count = 260 if person.beard in ('stubble', 'full') else 90
    low, high = outline.min(axis=0), outline.max(axis=0)
    spread = rng.random((count, 2))
    roots = low + spread * (high - low)
    fall = np.column_stack([(spread[:, 0] - 0.5) * 1.2, np.ones(count)]) * view.unit * (0.05 if stubble else 0.2)
    hairs = list(np.stack([roots, roots + fall], axis=1))
    with canvas.inside(face) as skin, skin.inside(outline, 4.5 if stubble else 2.5) as window:
        window.flood(mix(person.skin, hair, 0.24 if stubble else 0.78))
        window.stroke(hairs[::2], mix(person.skin, hair, 0.5) if stubble else mix(hair, _DARK, 0.45), 1)
        window.stroke(hairs[1::2], mix(person.skin, hair, 0.4) if stubble else mix(hair, (255, 230, 200), 0.22), 1)

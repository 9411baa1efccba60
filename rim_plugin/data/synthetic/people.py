"""Who is drawn and how the photo is taken: the random parameters of a drawn face.

A :class:`Person` depends on (seed, identity) only, a :class:`Shot` on (seed, identity, index) only. Lengths are in
units of half the distance between the eyes, x to the right and y down from the point between them (see geometry.py);
colours are RGB in 0 to 255. The order of fields and of draws decides what a seed gives.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar, get_type_hints

import numpy as np
from numpy.random import Generator

from rim_plugin.data.synthetic.canvas import mix

_SKIN = np.array(
    [(252, 221, 200), (240, 198, 168), (222, 172, 136), (188, 134, 98), (140, 94, 66), (96, 63, 46)], float
)
_IRIS = np.array([(62, 38, 24), (98, 62, 34), (124, 98, 56), (98, 124, 84), (88, 128, 170), (126, 142, 152)], float)
_DARK_HAIR = {'black': (30, 25, 24), 'dark brown': (56, 38, 28), 'brown': (94, 62, 40)}
_FAIR_HAIR = {'auburn': (124, 62, 36), 'dark blond': (150, 114, 72), 'blond': (208, 172, 114), 'red': (168, 82, 42)}
_OLD_HAIR = {'grey': (148, 146, 144), 'white': (214, 211, 206)}
_FRAMES = [(26, 24, 26), (70, 46, 34), (110, 112, 118), (120, 28, 34)]

BEARDS = ('none', 'stubble', 'moustache', 'goatee', 'full')
GLASSES = ('none', 'round', 'square', 'half')


class HairStyle(NamedTuple):
    """How common a style is among women and men, how its volume scales, where it ends (y) and whether it is long."""

    women: float
    men: float
    top: float = 1.0
    side: float = 1.0
    end: float = np.inf
    long: bool = False


HAIR_STYLES = {
    'bald': HairStyle(0, 0.07),
    'buzz': HairStyle(0.01, 0.13, 0.12, 0.05, 0.15),
    'short': HairStyle(0.05, 0.27, 0.9, 0.25, 0.35),
    'swept': HairStyle(0.08, 0.2, 1.2, 0.35, 0.3),
    'fringe': HairStyle(0.16, 0.11, end=1.4),
    'bob': HairStyle(0.2, 0.02, end=2.9, long=True),
    'long': HairStyle(0.22, 0.04, long=True),
    'parted': HairStyle(0.16, 0.05, long=True),
    'curly': HairStyle(0.12, 0.05, 1.7, 1.9, 3.6, True),
    'receding': HairStyle(0, 0.06, 0.3, 0.3, 0.35),
}


class Normal(NamedTuple):
    """Normal values within two deviations of the mean, which lies ``feminine`` further for a woman."""

    mean: float
    deviation: float
    feminine: float = 0.0

    def draw(self, rng: Generator, feminine: int = 0) -> float:
        return self.mean + self.feminine * feminine + self.deviation * float(np.clip(rng.standard_normal(), -2, 2))


class Uniform(NamedTuple):
    """Values between two."""

    low: float
    high: float

    def draw(self, rng: Generator, feminine: int = 0) -> float:
        return rng.uniform(self.low, self.high)


@dataclass(frozen=True)
class FaceShape:
    """Lengths and ratios of a face at rest, with how they are distributed."""

    width: Annotated[float, Normal(2.24, 0.1, -0.06)]  # half the width at the ears
    jaw: Annotated[float, Normal(0.8, 0.05, -0.05)]  # width at the jaw's angles, in widths
    chin: Annotated[float, Normal(0.36, 0.05, -0.04)]  # width of the chin, in widths
    chin_y: Annotated[float, Normal(3.62, 0.16, -0.08)]
    spacing: Annotated[float, Normal(1.0, 0.05)]  # from the axis of the face to the middle of an eye
    eye_half: Annotated[float, Normal(0.4, 0.03, 0.02)]  # half an eye's width
    eye_open: Annotated[float, Normal(0.29, 0.035, 0.02)]  # height of an open eye
    eye_tilt: Annotated[float, Normal(0.04, 0.045)]  # how far the outer corner lies above the middle
    brow_y: Annotated[float, Normal(-0.62, 0.07, -0.05)]
    brow_arch: Annotated[float, Normal(0.8, 0.3, 0.3)]  # 0 is straight
    brow_thick: Annotated[float, Normal(0.23, 0.04, -0.07)]
    brow_half: Annotated[float, Normal(0.74, 0.05)]  # half a brow's length
    brow_tilt: Annotated[float, Normal(0, 0.06)]  # how far the outer end lies above the middle
    nose_y: Annotated[float, Normal(1.5, 0.1)]  # of the base
    nose_half: Annotated[float, Normal(0.46, 0.06)]  # half the base's width
    nose_z: Annotated[float, Normal(0.85, 0.12)]  # how far the tip stands out
    nose_bridge: Annotated[float, Normal(0.14, 0.03)]  # half the bridge's width
    mouth_y: Annotated[float, Normal(2.14, 0.08)]
    mouth_half: Annotated[float, Normal(0.84, 0.07)]  # half the mouth's width
    upper_lip: Annotated[float, Normal(0.19, 0.05, 0.02)]
    lower_lip: Annotated[float, Normal(0.27, 0.06, 0.03)]
    hairline: Annotated[float, Normal(-2.35, 0.15)]  # y of the middle of the hairline
    crease: Annotated[float, Normal(0.14, 0.05)]  # from the upper lid to its fold


@dataclass(frozen=True)
class HairForm:
    """How one head of hair differs from others of its style, with how that is distributed."""

    top: Annotated[float, Uniform(0.12, 0.42)]  # volume above the skull
    side: Annotated[float, Uniform(0.02, 0.3)]  # volume beside it
    length: Annotated[float, Uniform(2.2, 4.6)]  # y of the ends of long hair
    inset: Annotated[float, Uniform(0.84, 1.02)]  # how far long hair leaves the cheeks free, in widths of the face
    part: Annotated[float, Uniform(-0.35, 0.35)]  # side of the parting
    fringe: Annotated[float, Uniform(0.35, 1.0)]  # how far a fringe hangs down
    slant: Annotated[float, Uniform(-0.5, 0.5)]  # of the fringe
    wave: Annotated[float, Uniform(0.01, 0.1)]  # height of the waves, in widths of the band of hair
    waves: Annotated[float, Uniform(2, 9)]  # their number along a strand
    peak: Annotated[float, Uniform(-0.12, 0.2)]  # how far the middle of the hairline hangs down: a widow's peak
    contrast: Annotated[float, Uniform(0.14, 0.34)]  # of the strands


@dataclass(frozen=True)
class Person:
    """What stays the same over all faces of an identity."""

    shape: FaceShape
    asymmetry: np.ndarray  # (68, 2) offsets that make the two halves differ
    skin: np.ndarray  # (3,), as all colours
    hair: np.ndarray
    iris: np.ndarray
    lip: np.ndarray
    hair_style: str  # of HAIR_STYLES
    hair_form: HairForm
    beard: str  # of BEARDS
    glasses: str  # of GLASSES
    glasses_colour: np.ndarray
    lashes: float  # 0.4 to 1
    age: float  # 0 (young) to 1 (old)
    moles: np.ndarray  # (M, 3): x, y on the face, radius; M is 0 to 3
    freckles: np.ndarray  # (F, 2): x, y on the face; F is 0 or 40 to 89
    stroke_seed: int  # the hair strands of a person are the same in every photo

    def facial_hair(self, weight: float) -> np.ndarray:
        """Colour of brows or beard, which fair hair has by ``weight`` (0 to 1) darker than on the head."""
        return mix(self.hair, (60, 44, 36), weight if self.hair.mean() > 90 else 0)


@dataclass(frozen=True)
class Shot:
    """What changes from face to face of one identity."""

    yaw: float  # -0.48 to 0.48 radians, positive turns the nose to the right of the picture
    pitch: float  # -0.24 to 0.24 radians, positive looks down
    roll: float  # -0.04 to 0.04 radians, what alignment leaves over, as zoom and shift
    zoom: float  # 0.97 to 1.03
    shift: np.ndarray  # (2,), -2.4 to 2.4 pixels
    smile: float  # 0 to 1.1
    gap: float  # 0.025 to 0.75, how far the mouth is open
    blink: float  # 0 (open) to 1 (closed)
    brow_raise: float  # -0.1 to 0.1
    frown: float  # 0 to 0.08
    gaze: np.ndarray  # (2,), -0.09 to 0.09, offset of the irises
    light: np.ndarray  # (3,) unit vector towards the light
    ambient: float  # 0.4 to 0.8, how much of the light comes from everywhere
    exposure: float  # 0.82 to 1.12
    warmth: float  # -0.12 (blue) to 0.12 (yellow)
    cloth: np.ndarray  # (3,)
    background_seed: int


_Drawn = TypeVar('_Drawn', FaceShape, HairForm)
_DISTRIBUTIONS: dict[type, dict[str, Normal | Uniform]] = {
    kind: {name: hint.__metadata__[0] for name, hint in get_type_hints(kind, include_extras=True).items()}
    for kind in (FaceShape, HairForm)
}


def _draw(kind: type[_Drawn], rng: Generator, feminine: int) -> _Drawn:
    return kind(**{name: values.draw(rng, feminine) for name, values in _DISTRIBUTIONS[kind].items()})


def _blend(anchors: np.ndarray, position: float) -> np.ndarray:
    """The colour at ``position`` (0 to 1) along a row of anchor colours."""
    place = position * (len(anchors) - 1)
    low = min(int(place), len(anchors) - 2)
    return anchors[low] + (anchors[low + 1] - anchors[low]) * (place - low)


def _sample_hair(rng: Generator, feminine: int, age: float, tone: float) -> tuple[str, HairForm, np.ndarray]:
    """Style, form and colour of the hair."""
    odds = [style.women if feminine else style.men for style in HAIR_STYLES.values()]
    style = str(rng.choice(tuple(HAIR_STYLES), p=odds))
    colours = _DARK_HAIR if tone > 0.55 or rng.random() < 0.5 else _FAIR_HAIR
    if rng.random() <= (age - 0.55) * 1.6:
        colours = _OLD_HAIR
    colour = np.array(colours[rng.choice(tuple(colours))]) * rng.uniform(0.85, 1.15)
    return style, _draw(HairForm, rng, feminine), np.clip(colour, 12, 235)


def _sample_marks(rng: Generator, tone: float) -> tuple[np.ndarray, np.ndarray]:
    """Moles and freckles, as places on the face."""
    moles = np.column_stack([rng.uniform(-1.6, 1.6, 3), rng.uniform(0.35, 2.9, 3), rng.uniform(0.025, 0.06, 3)])
    freckled = tone < 0.3 and rng.random() < 0.25
    count = int(rng.integers(40, 90)) if freckled else 0
    freckles = np.column_stack([rng.normal(0, 0.75, count), rng.normal(0.85, 0.28, count)])
    return moles[: rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])], freckles


def sample_person(seed: int, identity: int) -> Person:
    """The person with number ``identity`` (at least 0) in the world of ``seed`` (at least 0)."""
    rng = np.random.default_rng((seed, identity, 0))
    feminine, age, tone = int(rng.random() < 0.5), rng.random() ** 1.4, rng.random() ** 1.3
    style, form, hair = _sample_hair(rng, feminine, age, tone)
    skin = np.clip(_blend(_SKIN, tone) + rng.normal(0, 5, 3), 30, 255)
    moles, freckles = _sample_marks(rng, tone)
    pale_eyes = 0.2 + 0.8 * rng.random() if tone < 0.45 else 0.3 * rng.random()
    paint = np.array((188, 60, 74)) if feminine and rng.random() < 0.35 else np.array((186, 100, 96))
    return Person(
        shape=_draw(FaceShape, rng, feminine),
        asymmetry=rng.normal(0, 0.014, (68, 2)),
        skin=skin,
        hair=hair,
        iris=np.clip(_blend(_IRIS, pale_eyes) * rng.uniform(0.85, 1.15), 0, 255),
        lip=skin * 0.45 + paint * 0.55 * (0.45 + 0.55 * skin.mean() / 200),
        hair_style=style,
        hair_form=form,
        beard='none' if feminine else str(rng.choice(BEARDS, p=[0.46, 0.18, 0.1, 0.1, 0.16])),
        glasses=str(rng.choice(GLASSES, p=[0.8, 0.07, 0.08, 0.05])),
        glasses_colour=rng.choice(_FRAMES).astype(float),
        lashes=0.4 + 0.6 * feminine * rng.uniform(0.6, 1),
        age=age,
        moles=moles,
        freckles=freckles,
        stroke_seed=int(rng.integers(2**31)),
    )


def sample_shot(seed: int, identity: int, index: int) -> Shot:
    """The photo with number ``index`` (at least 0) of a person: pose, expression, light, background."""
    rng = np.random.default_rng((seed, identity, index + 1))
    smile = max(0.0, Normal(0.3, 0.4).draw(rng))
    mouth = rng.choice(3, p=[0.5, 0.3, 0.2])  # closed, open as the smile asks, wide open
    gap = (0.025, 0.04 + 0.3 * min(smile, 0.9), rng.uniform(0.2, 0.75))[mouth]
    azimuth, height = Normal(0, 0.6).draw(rng), rng.uniform(-0.1, 0.9)
    light = np.array([np.sin(azimuth), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    return Shot(
        yaw=Normal(0, 0.24).draw(rng),
        pitch=Normal(0, 0.12).draw(rng),
        roll=Normal(0, 0.02).draw(rng),
        zoom=Normal(1, 0.015).draw(rng),
        shift=np.clip(rng.normal(0, 1.2, 2), -2.4, 2.4),
        smile=smile,
        gap=gap,
        blink=rng.uniform(0.6, 1) if rng.random() < 0.06 else rng.uniform(0, 0.14),
        brow_raise=Normal(0, 0.05).draw(rng),
        frown=max(0.0, Normal(-0.02, 0.05).draw(rng)),
        gaze=np.clip(rng.normal(0, 0.05, 2), -0.09, 0.09),
        light=light / np.linalg.norm(light),
        ambient=rng.uniform(0.4, 0.8),
        exposure=rng.uniform(0.82, 1.12),
        warmth=Normal(0, 0.06).draw(rng),
        cloth=rng.uniform(20, 230, 3),
        background_seed=int(rng.integers(2**31)),
    )

"""Who is drawn and how the photo is taken: the random parameters of a drawn face.

A :class:`Person` depends on (seed, identity) only, a :class:`Shot` on (seed, identity, index) only. Lengths are in
units of half the distance between the eyes, x to the right and y down from the point between them (see geometry.py);
colours are RGB in 0 to 255. The order of fields and of draws decides what a seed gives.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, NamedTuple, get_type_hints

import numpy as np
from numpy.random import Generator

from rim_plugin.data.synthetic.canvas import mix

_SKIN = np.array([(252, 221, 200), (240, 198, 168), (222, 172, 136), (188, 134, 98), (140, 94, 66), (96, 63, 46)])
_IRIS = np.array([(62, 38, 24), (98, 62, 34), (124, 98, 56), (98, 124, 84), (88, 128, 170), (126, 142, 152)])
_DARK_HAIR = [(30, 25, 24), (56, 38, 28), (94, 62, 40)]
_FAIR_HAIR = [(124, 62, 36), (150, 114, 72), (208, 172, 114), (168, 82, 42)]
_OLD_HAIR = [(148, 146, 144), (214, 211, 206)]
_FRAMES = np.array([(26, 24, 26), (70, 46, 34), (110, 112, 118), (120, 28, 34)])

BEARDS = ('none', 'stubble', 'goatee', 'full')
GLASSES = ('none', 'round', 'square')


class HairStyle(NamedTuple):
    """How common a style is among women and men, how its volume scales, where it ends (y), whether it is long."""

    women: float
    men: float
    volume: float = 1.0
    end: float = np.inf
    long: bool = False


HAIR_STYLES = {
    'bald': HairStyle(0, 0.1),
    'buzz': HairStyle(0.01, 0.15, 0.1, 0.15),
    'short': HairStyle(0.13, 0.5, 0.9, 0.35),
    'fringe': HairStyle(0.16, 0.11, 1, 1.4),
    'bob': HairStyle(0.28, 0.04, 1, 2.9, True),
    'long': HairStyle(0.42, 0.1, long=True),
}


class Normal(NamedTuple):
    """Normal values within two deviations of the mean, for women ``feminine`` further, and not below ``low``."""

    mean: float
    deviation: float
    feminine: float = 0.0
    low: float = -np.inf


@dataclass(frozen=True)
class FaceShape:
    """Lengths and ratios of a face at rest and of its hair, with how they are distributed."""

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
    mouth_y: Annotated[float, Normal(2.14, 0.08)]
    mouth_half: Annotated[float, Normal(0.84, 0.07)]  # half the mouth's width
    upper_lip: Annotated[float, Normal(0.19, 0.05, 0.02)]
    lower_lip: Annotated[float, Normal(0.27, 0.06, 0.03)]
    hairline: Annotated[float, Normal(-2.35, 0.15)]  # y of the middle of the hairline
    hair_top: Annotated[float, Normal(0.27, 0.08)]  # volume above the skull
    hair_side: Annotated[float, Normal(0.16, 0.07)]  # volume beside it
    hair_end: Annotated[float, Normal(3.4, 0.6)]  # y of the ends of long hair
    part: Annotated[float, Normal(0, 0.17)]  # side of the parting; slant of a fringe
    fringe: Annotated[float, Normal(-1.25, 0.13)]  # y of its ends


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
    beard: str  # of BEARDS
    glasses: str  # of GLASSES
    glasses_colour: np.ndarray
    lashes: float  # 0.4 to 1
    age: float  # 0 (young) to 1 (old)
    marks: np.ndarray  # (M, 3), moles and freckles: x, y on the face, radius
    stroke_seed: int  # the hair strands of a person are the same in every photo

    def facial_hair(self, weight: float) -> np.ndarray:
        """Colour of brows or beard, which fair hair has by ``weight`` (0 to 1) darker than on the head."""
        return mix(self.hair, (60, 44, 36), weight if self.hair.mean() > 90 else 0)


@dataclass(frozen=True)
class Shot:
    """What changes from face to face of one identity, with how it is distributed."""

    yaw: Annotated[float, Normal(0, 0.24)]  # radians, positive turns the nose to the right of the picture
    pitch: Annotated[float, Normal(0, 0.12)]  # radians, positive looks down
    roll: Annotated[float, Normal(0, 0.02)]  # radians, what alignment leaves over, as zoom and shift
    zoom: Annotated[float, Normal(1, 0.015)]
    smile: Annotated[float, Normal(0.3, 0.4, low=0)]
    gap: Annotated[float, Normal(0.05, 0.3, low=0.025)]  # how far the mouth is open
    brow_raise: Annotated[float, Normal(0, 0.05)]
    frown: Annotated[float, Normal(-0.02, 0.05, low=0)]
    ambient: Annotated[float, Normal(0.6, 0.1)]  # how much of the light comes from everywhere
    exposure: Annotated[float, Normal(0.97, 0.075)]
    warmth: Annotated[float, Normal(0, 0.06)]  # from blue to yellow
    blink: float  # 0 (open) to 1 (closed)
    shift: np.ndarray  # (2,), -2.4 to 2.4 pixels
    gaze: np.ndarray  # (2,), -0.09 to 0.09, offset of the irises
    light: np.ndarray  # (3,) unit vector towards the light
    cloth: np.ndarray  # (3,)
    background_seed: int


@cache
def distributions(kind: type) -> dict[str, Normal]:
    """The distributed fields of a dataclass."""
    hints = get_type_hints(kind, include_extras=True).items()
    return {name: hint.__metadata__[0] for name, hint in hints if hasattr(hint, '__metadata__')}


def _draw(kind: type, rng: Generator, feminine: int = 0) -> dict[str, float]:
    """Values of the distributed fields of a dataclass."""
    mean, deviation, further, low = np.array(list(distributions(kind).values())).T
    deviates = np.clip(rng.standard_normal(len(mean)), -2, 2)
    return dict(zip(distributions(kind), np.maximum(mean + further * feminine + deviation * deviates, low).tolist()))


def _blend(anchors: np.ndarray, position: float) -> np.ndarray:
    """The colour at ``position`` (0 to 1) along a row of anchor colours."""
    return np.array([np.interp(position, np.linspace(0, 1, len(anchors)), channel) for channel in anchors.T])


def sample_person(seed: int, identity: int) -> Person:
    """The person with number ``identity`` (at least 0) in the world of ``seed`` (at least 0)."""
    rng = np.random.default_rng((seed, identity, 0))
    feminine, age, tone = int(rng.random() < 0.5), rng.random() ** 1.4, rng.random() ** 1.3
    colours = _DARK_HAIR if tone > 0.55 or rng.random() < 0.5 else _FAIR_HAIR
    if rng.random() <= (age - 0.55) * 1.6:
        colours = _OLD_HAIR
    skin = np.clip(_blend(_SKIN, tone) + rng.normal(0, 5, 3), 30, 255)
    pale_eyes = 0.2 + 0.8 * rng.random() if tone < 0.45 else 0.3 * rng.random()
    paint = np.array((188, 60, 74) if feminine and rng.random() < 0.35 else (186, 100, 96))
    count = 60 if tone < 0.3 and rng.random() < 0.25 else 0
    freckles = np.column_stack([rng.normal(0, 0.75, count), rng.normal(0.85, 0.28, count), np.full(count, 0.02)])
    moles = rng.uniform((-1.6, 0.35, 0.025), (1.6, 2.9, 0.06), (rng.choice(4, p=[0.5, 0.25, 0.15, 0.1]), 3))
    return Person(
        shape=FaceShape(**_draw(FaceShape, rng, feminine)),
        asymmetry=rng.normal(0, 0.014, (68, 2)),
        skin=skin,
        hair=np.clip(rng.choice(colours) * rng.uniform(0.85, 1.15), 12, 235),
        iris=np.clip(_blend(_IRIS, pale_eyes) * rng.uniform(0.85, 1.15), 0, 255),
        lip=mix(skin, paint * (0.45 + 0.55 * skin.mean() / 200), 0.55),
        hair_style=str(rng.choice(list(HAIR_STYLES), p=[style[1 - feminine] for style in HAIR_STYLES.values()])),
        beard='none' if feminine else str(rng.choice(BEARDS, p=[0.5, 0.2, 0.12, 0.18])),
        glasses=str(rng.choice(GLASSES, p=[0.8, 0.1, 0.1])),
        glasses_colour=rng.choice(_FRAMES),
        lashes=0.4 + 0.6 * feminine * rng.uniform(0.6, 1),
        age=age,
        marks=np.concatenate([moles, freckles]),
        stroke_seed=int(rng.integers(2**31)),
    )


def sample_shot(seed: int, identity: int, index: int) -> Shot:
    """The photo with number ``index`` (at least 0) of a person: pose, expression, light, background."""
    rng = np.random.default_rng((seed, identity, index + 1))
    azimuth, height = rng.normal(0, 0.5), rng.uniform(-0.1, 0.9)
    light = np.array([np.sin(azimuth), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    return Shot(
        **_draw(Shot, rng),
        blink=rng.uniform(0.6, 1) if rng.random() < 0.06 else rng.uniform(0, 0.14),
        shift=np.clip(rng.normal(0, 1.2, 2), -2.4, 2.4),
        gaze=np.clip(rng.normal(0, 0.05, 2), -0.09, 0.09),
        light=light / np.linalg.norm(light),
        cloth=rng.uniform(20, 230, 3),
        background_seed=int(rng.integers(2**31)),
    )

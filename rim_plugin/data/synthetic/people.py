"""Who is drawn and how the photo is taken: the random parameters of a drawn face.

Lengths are in units of half the distance between the eyes; colours are RGB in 0..255.
A :class:`Person` depends on (seed, identity) only, a :class:`Shot` on (seed, identity, index) only.
"""

from dataclasses import dataclass

import numpy as np

_SKIN = np.array(
    [(252, 221, 200), (240, 198, 168), (222, 172, 136), (188, 134, 98), (140, 94, 66), (96, 63, 46)], float
)
_HAIR = {
    'black': (30, 25, 24),
    'dark brown': (56, 38, 28),
    'brown': (94, 62, 40),
    'auburn': (124, 62, 36),
    'dark blond': (150, 114, 72),
    'blond': (208, 172, 114),
    'red': (168, 82, 42),
    'grey': (148, 146, 144),
    'white': (214, 211, 206),
}
_IRIS = np.array([(62, 38, 24), (98, 62, 34), (124, 98, 56), (98, 124, 84), (88, 128, 170), (126, 142, 152)], float)
_LIGHT_HAIR = ('auburn', 'dark blond', 'blond', 'red')

HAIR_STYLES = ('bald', 'buzz', 'short', 'swept', 'fringe', 'bob', 'long', 'parted', 'curly', 'receding')
BEARDS = ('none', 'stubble', 'moustache', 'goatee', 'full')
GLASSES = ('none', 'round', 'square', 'half')


@dataclass(frozen=True)
class Person:
    """What stays the same over all faces of an identity."""

    shape: dict  # lengths and ratios that drawn_geometry reads
    asymmetry: np.ndarray  # (68, 2) offsets that make the two halves differ
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lip: np.ndarray
    hair_style: str
    hair_form: dict  # volume, length, wave, ... that drawn_hair reads
    beard: str
    glasses: str
    glasses_colour: np.ndarray
    lashes: float
    age: float
    moles: np.ndarray  # (M, 3): x, y on the face, radius
    freckles: np.ndarray  # (F, 2): x, y on the face
    stroke_seed: int  # the hair strands of a person are the same in every photo


@dataclass(frozen=True)
class Shot:
    """What changes from face to face of one identity."""

    yaw: float  # radians, positive turns the nose to the right of the picture
    pitch: float  # radians, positive looks down
    roll: float  # what alignment leaves over, as zoom and shift
    zoom: float
    shift: np.ndarray  # (2,) pixels
    smile: float
    gap: float  # how far the mouth is open
    blink: float
    brow_raise: float
    frown: float
    gaze: np.ndarray
    light: np.ndarray  # (3,) unit vector towards the light
    ambient: float
    exposure: float
    warmth: float
    cloth: np.ndarray
    background_seed: int


def _clipped(rng, mean, deviation):
    """A normal value that stays within two deviations."""
    return mean + deviation * float(np.clip(rng.standard_normal(), -2, 2))


def _blend(anchors, position):
    """The colour at ``position`` (0..1) along a row of anchor colours."""
    place = position * (len(anchors) - 1)
    low = min(int(place), len(anchors) - 2)
    return anchors[low] + (anchors[low + 1] - anchors[low]) * (place - low)


def _sample_shape(rng, feminine):

    def draw(mean, deviation):
        return _clipped(rng, mean, deviation)

    return dict(
        width=draw(2.24 - 0.06 * feminine, 0.1),
        jaw=draw(0.8 - 0.05 * feminine, 0.05),
        chin=draw(0.36 - 0.04 * feminine, 0.05),
        chin_y=draw(3.62 - 0.08 * feminine, 0.16),
        spacing=draw(1.0, 0.05),
        eye_half=draw(0.4 + 0.02 * feminine, 0.03),
        eye_open=draw(0.29 + 0.02 * feminine, 0.035),
        eye_tilt=draw(0.04, 0.045),
        brow_y=draw(-0.62 - 0.05 * feminine, 0.07),
        brow_arch=draw(0.8 + 0.3 * feminine, 0.3),
        brow_thick=draw(0.23 - 0.07 * feminine, 0.04),
        brow_half=draw(0.74, 0.05),
        brow_tilt=draw(0, 0.06),
        nose_y=draw(1.5, 0.1),
        nose_half=draw(0.46, 0.06),
        nose_z=draw(0.85, 0.12),
        nose_bridge=draw(0.14, 0.03),
        mouth_y=draw(2.14, 0.08),
        mouth_half=draw(0.84, 0.07),
        upper_lip=draw(0.19 + 0.02 * feminine, 0.05),
        lower_lip=draw(0.27 + 0.03 * feminine, 0.06),
        hairline=draw(-2.35, 0.15),
        crease=draw(0.14, 0.05),
    )


def _sample_hair(rng, feminine, age, tone):
    """Style, form and colour of the hair."""
    if feminine:
        style = rng.choice(HAIR_STYLES, p=[0, 0.01, 0.05, 0.08, 0.16, 0.2, 0.22, 0.16, 0.12, 0])
    else:
        style = rng.choice(HAIR_STYLES, p=[0.07, 0.13, 0.27, 0.2, 0.11, 0.02, 0.04, 0.05, 0.05, 0.06])
    names = tuple(_HAIR)[:3] if tone > 0.55 or rng.random() < 0.5 else _LIGHT_HAIR
    name = rng.choice(names) if rng.random() > (age - 0.55) * 1.6 else rng.choice(('grey', 'white'))
    colour = np.array(_HAIR[name]) * rng.uniform(0.85, 1.15)
    form = dict(
        top=rng.uniform(0.12, 0.42),
        side=rng.uniform(0.02, 0.3),
        length=rng.uniform(2.2, 4.6),
        inset=rng.uniform(0.84, 1.02),
        part=rng.uniform(-0.35, 0.35),
        fringe=rng.uniform(0.35, 1.0),
        slant=rng.uniform(-0.5, 0.5),
        wave=rng.uniform(0.01, 0.1),
        waves=rng.uniform(2, 9),
        peak=rng.uniform(-0.12, 0.2),
        contrast=rng.uniform(0.14, 0.34),
    )
    return str(style), form, np.clip(colour, 12, 235)


def _sample_marks(rng, tone):
    """Moles and freckles, as places on the face."""
    moles = np.column_stack([rng.uniform(-1.6, 1.6, 3), rng.uniform(0.35, 2.9, 3), rng.uniform(0.025, 0.06, 3)])
    freckled = tone < 0.3 and rng.random() < 0.25
    count = int(rng.integers(40, 90)) if freckled else 0
    freckles = np.column_stack([rng.normal(0, 0.75, count), rng.normal(0.85, 0.28, count)])
    return moles[: rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])], freckles


def sample_person(seed, identity):
    """The person with number ``identity`` (int >= 0) in the world of ``seed`` (int >= 0)."""
    rng = np.random.default_rng((seed, identity, 0))
    feminine, age, tone = int(rng.random() < 0.5), rng.random() ** 1.4, rng.random() ** 1.3
    style, form, hair = _sample_hair(rng, feminine, age, tone)
    skin = np.clip(_blend(_SKIN, tone) + rng.normal(0, 5, 3), 30, 255)
    moles, freckles = _sample_marks(rng, tone)
    pale_eyes = 0.2 + 0.8 * rng.random() if tone < 0.45 else 0.3 * rng.random()
    paint = np.array((188, 60, 74)) if feminine and rng.random() < 0.35 else np.array((186, 100, 96))
    return Person(
        shape=_sample_shape(rng, feminine),
        asymmetry=rng.normal(0, 0.014, (68, 2)),
        skin=skin,
        hair=hair,
        iris=np.clip(_blend(_IRIS, pale_eyes) * rng.uniform(0.85, 1.15), 0, 255),
        lip=skin * 0.45 + paint * 0.55 * (0.45 + 0.55 * skin.mean() / 200),
        hair_style=style,
        hair_form=form,
        beard='none' if feminine else str(rng.choice(BEARDS, p=[0.46, 0.18, 0.1, 0.1, 0.16])),
        glasses=str(rng.choice(GLASSES, p=[0.8, 0.07, 0.08, 0.05])),
        glasses_colour=rng.choice([(26, 24, 26), (70, 46, 34), (110, 112, 118), (120, 28, 34)]).astype(float),
        lashes=0.4 + 0.6 * feminine * rng.uniform(0.6, 1),
        age=age,
        moles=moles,
        freckles=freckles,
        stroke_seed=int(rng.integers(2**31)),
    )


def sample_shot(seed, identity, index):
    """The photo with number ``index`` (int >= 0) of a person: pose, expression, light, background."""
    rng = np.random.default_rng((seed, identity, index + 1))
    smile = max(0.0, _clipped(rng, 0.3, 0.4))
    mouth = rng.choice(3, p=[0.5, 0.3, 0.2])  # closed, open as the smile asks, wide open
    gap = (0.025, 0.04 + 0.3 * min(smile, 0.9), rng.uniform(0.2, 0.75))[mouth]
    azimuth, height = _clipped(rng, 0, 0.6), rng.uniform(-0.1, 0.9)
    light = np.array([np.sin(azimuth), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    return Shot(
        yaw=_clipped(rng, 0, 0.24),
        pitch=_clipped(rng, 0, 0.12),
        roll=_clipped(rng, 0, 0.02),
        zoom=_clipped(rng, 1, 0.015),
        shift=np.clip(rng.normal(0, 1.2, 2), -2.4, 2.4),
        smile=smile,
        gap=gap,
        blink=rng.uniform(0.6, 1) if rng.random() < 0.06 else rng.uniform(0, 0.14),
        brow_raise=_clipped(rng, 0, 0.05),
        frown=max(0.0, _clipped(rng, -0.02, 0.05)),
        gaze=np.clip(rng.normal(0, 0.05, 2), -0.09, 0.09),
        light=light / np.linalg.norm(light),
        ambient=rng.uniform(0.4, 0.8),
        exposure=rng.uniform(0.82, 1.12),
        warmth=_clipped(rng, 0, 0.06),
        cloth=rng.uniform(20, 230, 3),
        background_seed=int(rng.integers(2**31)),
    )

"""Drawn faces as pictures to try things on: faces of any size, and a photo of several people who do not exist."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from rim_plugin.data.synthetic.faces import draw_face

SEED, PEOPLE = 7, ((42, 49, 56), (61, 44, 63))
BORDER, PAPER = 3, 235  # pixels around a face, and their grey


def portrait(identity: int, side: int, index: int = 0) -> np.ndarray:
    """An aligned face, uint8 (side, side, 3), RGB: picture ``index`` of a person."""
    face = Image.fromarray(draw_face(SEED, identity, index).image)
    return np.asarray(face.resize((side, side), Image.Resampling.BICUBIC))


def draw_photo(side: int, people: Sequence[Sequence[int]] = PEOPLE) -> np.ndarray:
    """Rows of framed portraits, uint8 (H, W, 3), RGB; ``side`` of each face's picture in pixels."""
    return np.vstack([np.hstack([_framed(portrait(identity, side)) for identity in row]) for row in people])


def _framed(face: np.ndarray) -> np.ndarray:
    return np.pad(face, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), constant_values=PAPER)

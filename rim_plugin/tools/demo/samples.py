"""Pictures to try the page on, drawn by the program: a photo, faces of several sizes, pairs, and people with names."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rim_plugin.data.synthetic.portraits import PEOPLE, draw_photo, portrait

NAMES = ('Otto', 'Ada', 'Ben', 'Cleo', 'Dora', 'Emil')
IDENTITIES = [identity for row in PEOPLE for identity in row]
_SIDE = 112  # pixels of the faces of people to enrol
# identity and picture of it, side
_ALONE = ((42, 0, 28), (63, 0, 16), (49, 0, 10))
_PAIRS = {
    'Try it: one drawn person twice': ((42, 0, 112), (42, 1, 24)),
    'Try it: two drawn people': ((42, 0, 112), (49, 1, 24)),
}
_PROBES = ((56, 1, 24), (44, 1, 16), (68, 0, 24))


def people() -> dict[str, np.ndarray]:
    """Names and faces, uint8 (112, 112, 3)."""
    return {name: portrait(identity, _SIDE) for name, identity in zip(NAMES, IDENTITIES)}


class Samples(NamedTuple):
    """Paths of pictures: rows of one to enlarge, pairs to compare by what they show, rows of one to look for."""

    alone: list[list[str]]
    pairs: dict[str, list[str]]
    probes: list[list[str]]


def write_samples(folder: Path) -> Samples:
    """Write the pictures as PNG files into a folder, which is made."""
    photo = folder / 'six_people.png'
    folder.mkdir(parents=True)
    Image.fromarray(draw_photo(40)).save(photo)
    return Samples(
        [[str(photo)], *([_write(folder, *each)] for each in _ALONE)],
        {label: [_write(folder, *each) for each in pair] for label, pair in _PAIRS.items()},
        [[_write(folder, *each)] for each in _PROBES],
    )


def _write(folder: Path, identity: int, index: int, side: int) -> str:
    path = folder / f'face_{identity}_{index}_{side}px.png'
    Image.fromarray(portrait(identity, side, index)).save(path)
    return str(path)

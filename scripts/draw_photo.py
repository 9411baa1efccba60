"""Draw a small photo of six people who do not exist, to try the commands on; README's picture begins so:

scripts/run.sh python scripts/draw_photo.py photo.png
scripts/run.sh python scripts/hallucinate.py photo.png -o out --compare
"""

import argparse
from collections.abc import Sequence

import numpy as np
from PIL import Image

import rim_plugin  # noqa: F401  patches torchvision for BasicSR
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.files import atomic_file

SEED, PEOPLE = 7, ((42, 49, 56), (61, 44, 63))
BORDER, PAPER = 3, 235  # pixels around a face, and their grey


def portrait(identity: int, side: int) -> np.ndarray:
    """A face, uint8 (side, side, 3), RGB, in its frame."""
    face = Image.fromarray(draw_face(SEED, identity, 0).image).resize((side, side), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(face), ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), constant_values=PAPER)


def draw_photo(side: int) -> np.ndarray:
    """Two rows of three portraits, uint8 (H, W, 3), RGB; ``side`` of each face's picture in pixels."""
    return np.vstack([np.hstack([portrait(identity, side) for identity in row]) for row in PEOPLE])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output', help='NAME.png')
    parser.add_argument('--side', type=int, default=40, help="of each face's picture in pixels (%(default)s)")
    args = parser.parse_args(argv)
    with atomic_file(args.output) as file:
        Image.fromarray(draw_photo(args.side)).save(file, format='PNG')


if __name__ == '__main__':
    main()

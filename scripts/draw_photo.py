"""Draw a small photo of six people who do not exist, to try the commands on; README's picture begins so:

scripts/run.sh python scripts/draw_photo.py photo.png
scripts/run.sh python scripts/hallucinate.py photo.png -o out --compare
"""

import argparse
from collections.abc import Sequence

from PIL import Image

import rim_plugin  # noqa: F401  patches torchvision for BasicSR
from rim_plugin.data.synthetic.portraits import draw_photo
from rim_plugin.files import atomic_file


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output', help='NAME.png')
    parser.add_argument('--side', type=int, default=40, help="of each face's picture in pixels (%(default)s)")
    args = parser.parse_args(argv)
    with atomic_file(args.output) as file:
        Image.fromarray(draw_photo(args.side)).save(file, format='PNG')


if __name__ == '__main__':
    main()

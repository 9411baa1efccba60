"""scripts/prepare_faces.py: photos to a store of aligned faces."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial

from rim_plugin.cli.common import command


@command
def prepare(argv: Sequence[str]) -> None:
    """scripts/prepare_faces.py."""
    parser = ArgumentParser(
        description='Prepare aligned faces, with landmarks and parsing maps, from a folder of photos.',
        epilog='Stopped, it goes on where it was when run again. Run for several folders of photos with the same '
        'output, it joins them.',
    )
    parser.add_argument('photos', help='folder of photos, with sub-folders')
    parser.add_argument('output', help='folder to make; name it as dataroot_gt in an options file')
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        '--landmarks',
        help='folder of .pts (68 points, 1-based), folder of Helen-194 .txt, or a text '
        'file of five points (lines: photo, then x y of left eye, right eye, nose, mouth corners)',
    )
    how.add_argument(
        '--detector',
        help="faces without annotation: 'cascade' (upright, frontal faces; fetches nothing), "
        "'insightface' (fetches its model), an SCRFD or YuNet .onnx file, or 'module:function' from an RGB "
        'image to (k, 5, 2) points',
    )
    parser.add_argument('--parsing', help='folder of parsing maps: palette or grey PNG, classes 0 to 10')
    parser.add_argument('--size', type=int, default=224, help='side of the faces in pixels (%(default)s)')
    parser.add_argument('--quality', type=int, default=95, help='JPEG quality (%(default)s)')
    parser.add_argument('--backend', choices=('lmdb', 'disk'), default='lmdb', help='LMDB or a folder (%(default)s)')
    parser.add_argument('--subset', help='text file naming the wanted photos, one a line')
    parser.add_argument('--workers', type=int, help='threads (as many as processors)')
    args = parser.parse_args(argv)

    from rim_plugin.data.prepare import PrepareOptions, prepare_faces
    from rim_plugin.tools.cascade import load_detector

    try:
        print(prepare_faces(PrepareOptions(**vars(args)), {'cascade': partial(load_detector, 'cascade')}))
    except KeyboardInterrupt:
        print('Stopped. The same command goes on from here.', file=sys.stderr)
        raise

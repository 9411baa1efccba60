"""rim-verify: are two faces one person's?"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence

from rim_plugin.cli.common import add_networks, command, load_detector, load_rim


@command
def verify(argv: Sequence[str]) -> None:
    """rim-verify."""
    parser = add_networks(ArgumentParser(description='Compare two faces, each of any size.'))
    parser.add_argument('a', metavar='A', help='picture of an aligned face')
    parser.add_argument('b', metavar='B', help='another')
    parser.add_argument('--json', action='store_true', help='print JSON')
    args = parser.parse_args(argv)

    from rim_plugin.tools.photos import read_face

    rim = load_rim(args)
    detector = load_detector(args, rim)
    result = rim.verify(read_face(args.a, detector), read_face(args.b, detector))
    if args.json:
        print(json.dumps(result._asdict()))
        return
    verdict = 'same person' if result.same else 'different persons'
    confidence = 'above 99%' if result.confidence > 0.99 else f'{result.confidence:.0%}'  # the curve's end is a guess
    print(
        f'{verdict}, confidence {confidence}: similarity {result.similarity:.3f}, threshold '
        f'{result.threshold:.3f} for faces of {result.sizes[0]} and {result.sizes[1]} pixels'
    )

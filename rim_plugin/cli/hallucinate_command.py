"""rim-hallucinate: small faces to large ones, alone or within photos."""

from argparse import ArgumentParser
from collections.abc import Sequence

from rim_plugin.cli.common import add_networks, command, load_detector, load_rim, print_skipped, whole_number


@command
def hallucinate(argv: Sequence[str]) -> None:
    """rim-hallucinate."""
    parser = add_networks(
        ArgumentParser(description='Enlarge small faces to 224 pixels, or photos with faces in them.')
    )
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures or folders of aligned faces')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder for NAME.png')
    parser.add_argument(
        '--scale',
        type=whole_number(1, 8),
        default=4,
        metavar='N',
        help='with --detect: times that photos become larger, 1 to 8 (%(default)s)',
    )
    parser.add_argument('--compare', action='store_true', help='also NAME_compare.png: bicubic interpolation, result')
    parser.add_argument('--priors', action='store_true', help='also NAME_priors.png: landmarks and parsing maps')
    parser.add_argument('--force', action='store_true', help='replace files that are there')
    args = parser.parse_args(argv)

    from rim_plugin.tools.hallucinate_files import hallucinate_files

    rim = load_rim(args)
    detector = load_detector(args, rim)
    report = hallucinate_files(
        rim, args.inputs, args.output, detector, args.scale, args.compare, args.priors, args.force
    )
    print_skipped(report.skipped)
    if not report.written:
        raise ValueError('nothing was written: none of the pictures can be used')
    print(f'{len(report.written)} pictures written to {args.output}')

"""scripts/pack_weights.py: a training to a weights file."""

from argparse import ArgumentParser
from collections.abc import Sequence

from rim_plugin.cli.common import command


@command
def pack(argv: Sequence[str]) -> None:
    """scripts/pack_weights.py."""
    parser = ArgumentParser(description='Pack the averaged weights of a training, with thresholds and card.')
    parser.add_argument('-opt', required=True, help='options file of the training')
    parser.add_argument('-o', '--output', required=True, help='NAME.safetensors; NAME.json and NAME.md come with it')
    parser.add_argument('--fhn', help='net_fhn_*.pth')
    parser.add_argument('--hrn', nargs='+', default=(), help='net_r_*.pth, trained with head: own; the mean of several')
    parser.add_argument(
        '--verify',
        metavar='OPTIONS',
        help='options file with pairs of faces, which are measured and teach the thresholds, as options/test/lfw.yml',
    )
    parser.add_argument('--commit', help="of the training (today's)")
    parser.add_argument('--notes', help='text file for the card: data and their terms, other results')
    args = parser.parse_args(argv)

    from rim_plugin.tools import packing

    command_line = ['scripts/run.sh', 'python', 'scripts/pack_weights.py', *argv]
    weights = packing.pack(
        args.opt, args.output, args.fhn, args.hrn, args.verify, args.commit, args.notes, command_line
    )
    print(f'{args.output}: SHA-256 {weights.sha256}')

"""rim-export: ONNX files."""

from argparse import ArgumentParser
from collections.abc import Sequence

from rim_plugin.cli.common import add_weights, command, load_rim, whole_number


@command
def export(argv: Sequence[str]) -> None:
    """rim-export."""
    parser = ArgumentParser(description='Export the networks, checked against PyTorch through onnxruntime.')
    parser.add_argument('--onnx', required=True, metavar='FOLDER', help='folder for fhn_SIZE.onnx and embed_SIZE.onnx')
    parser.add_argument(
        '--size',
        type=whole_number(4, 224),
        default=28,
        metavar='SIZE',
        help='side of the probes in pixels, 4 to 224 (%(default)s)',
    )
    args = add_weights(parser).parse_args(argv)

    from rim_plugin.tools.export import export_onnx

    for path, difference in export_onnx(load_rim(args), args.onnx, args.size).items():
        print(f'{path}: differs from PyTorch by at most {difference:.1e}')

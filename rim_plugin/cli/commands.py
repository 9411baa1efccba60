"""The commands but rim-gallery: small faces to large ones, two faces compared, export, packing, preparing."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from typing import Literal

from rim_plugin.cli import common
from rim_plugin.errors import one_line


@common.command
def hallucinate(argv: Sequence[str]) -> None:
    """rim-hallucinate."""
    parser = ArgumentParser(description='Enlarge small faces to 224 pixels, or photos with faces in them.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures or folders of aligned faces')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder for NAME.png')
    scale = common.whole_number(1, 8)
    parser.add_argument('--scale', type=scale, default=4, help='of photos, with --detect, 1 to 8 (%(default)s)')
    parser.add_argument('--compare', action='store_true', help='also NAME_compare.png: bicubic interpolation, result')
    parser.add_argument('--priors', action='store_true', help='also NAME_priors.png: landmarks and parsing maps')
    there = parser.add_mutually_exclusive_group()
    there.add_argument('--force', action='store_true', help='replace files that are there')
    there.add_argument('--skip-existing', action='store_true', help='go on with pictures whose files are not there')
    args = common.add_networks(parser).parse_args(argv)

    if len(args.inputs) == 1 and os.path.isfile(args.inputs[0]):
        common.check_pictures(args.inputs)
    from rim_plugin.tools.hallucinate_files import hallucinate_files

    rim = common.load_rim(args)
    existing: Literal['refuse', 'replace', 'skip'] = (
        'replace' if args.force else 'skip' if args.skip_existing else 'refuse'
    )
    detector, wanted = common.load_detector(args, rim), (args.compare, args.priors)
    report = hallucinate_files(rim, args.inputs, args.output, detector, args.scale, *wanted, existing)
    common.print_skipped(report.skipped)
    if not report.written and not report.present:
        raise ValueError('nothing was written: none of the pictures can be used')
    before = f', {report.present} were there already' if report.present else ''
    print(f'{report.written} pictures written to {args.output}{before}')


@common.command
def verify(argv: Sequence[str]) -> None:
    """rim-verify."""
    parser = common.add_networks(ArgumentParser(description='Compare two faces, each of any size.'))
    parser.add_argument('a', metavar='A', help='picture of an aligned face')
    parser.add_argument('b', metavar='B', help='another')
    parser.add_argument('--json', action='store_true', help='print JSON')
    args = parser.parse_args(argv)

    common.check_pictures([args.a, args.b])
    from rim_plugin.tools.photos import read_face

    rim = common.load_rim(args)
    detector = common.load_detector(args, rim)
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


@common.command
def export(argv: Sequence[str]) -> None:
    """rim-export."""
    parser = ArgumentParser(description='Export the networks, checked against PyTorch through onnxruntime.')
    parser.add_argument('--onnx', required=True, metavar='FOLDER', help='folder for fhn_SIZE.onnx and embed_SIZE.onnx')
    size = common.whole_number(4, 224)
    parser.add_argument('--size', type=size, default=28, help='side of the probes in pixels, 4 to 224 (%(default)s)')
    args = common.add_weights(parser).parse_args(argv)

    from rim_plugin.tools.export import export_onnx

    for path, difference in export_onnx(common.load_rim(args), args.onnx, args.size).items():
        print(f'{path}: differs from PyTorch by at most {difference:.1e}')


@common.command
def pack(argv: Sequence[str]) -> None:
    """scripts/pack_weights.py."""
    parser = ArgumentParser(description='Pack the averaged weights of a training, with thresholds and card.')
    parser.add_argument('-opt', required=True, help='options file of the training')
    parser.add_argument('-o', '--output', required=True, help='NAME.safetensors; NAME.json and NAME.md come with it')
    parser.add_argument('--fhn', help='net_fhn_*.pth')
    parser.add_argument('--hrn', nargs='+', default=(), help='net_r_*.pth, trained with head: own; the mean of several')
    parser.add_argument('--teacher', action='store_true', help='the teacher, too, whose licence has to allow it')
    parser.add_argument('--verify', help='options file with pairs of faces, which teach the thresholds')
    parser.add_argument('--commit', help="of the training (today's)")
    parser.add_argument('--notes', help='text file for the card: data and their terms, other results')
    args = parser.parse_args(argv)

    from rim_plugin.tools import packing

    inputs = args.fhn, args.hrn, args.teacher, args.verify, args.commit, args.notes
    command = ['scripts/run.sh', 'python', 'scripts/pack_weights.py', *argv]
    weights = packing.pack(args.opt, args.output, *inputs, command)
    print(f'{args.output}: SHA-256 {weights.sha256}')


@common.command
def prepare(argv: Sequence[str]) -> None:
    """scripts/prepare_faces.py."""
    parser = ArgumentParser(
        description='Prepare aligned faces, with landmarks and parsing maps, from a folder of photos.',
        epilog='Stopped, it goes on where it was when run again. Run for several folders of photos with the same '
        'output, it joins them. --check FOLDER alone reads every face of a prepared folder and tells what is damaged.',
    )
    if argv and argv[0] == '--check':
        _check_store(argv[1:])
        return
    parser.add_argument('photos', help='folder of photos, with sub-folders')
    parser.add_argument('output', help='folder to make; name it as dataroot_gt in an options file')
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        '--landmarks',
        help='folder of .pts (68 points, 1-based), folder of Helen-194 .txt, or a text '
        'file of five points (lines: photo, then x y of left eye, right eye, nose, mouth corners)',
    )
    detectors = f'faces without annotation: {common.DETECTORS} from an RGB image to (k, 5, 2) points'
    how.add_argument('--detector', help=detectors)
    how.add_argument(
        '--aligned',
        type=int,
        metavar='MARGIN',
        help="photos are aligned faces of --size pixels: ArcFace's window with so many pixels beyond it on every side",
    )
    parser.add_argument(
        '--parsing',
        help="folder of parsing maps: NAME.png of classes 0 to 10, or Helen's own NAME/NAME_lbl00.png to _lbl10.png",
    )
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


def _check_store(argv: Sequence[str]) -> None:
    """``--check FOLDER``."""
    parser = ArgumentParser(prog=f'{sys.argv[0]} --check', description='Read every face of a prepared folder.')
    parser.add_argument('folder', metavar='FOLDER', help='as it was made')
    folder = parser.parse_args(argv).folder

    from rim_plugin.data.store_check import check_store

    report = check_store(folder)
    for line in report.faults:
        print(one_line(line))
    if report.faults:
        raise ValueError(f'{folder}: {len(report.faults)} faults, {report.faces} faces')
    print(f'{folder}: {report.faces} faces, all of them whole')


@common.command
def benchmark_speed(argv: Sequence[str]) -> None:
    """scripts/benchmark_speed.py."""
    parser = ArgumentParser(
        description='Measure start-up, inference, engines and training on this machine, as ratios within one run.'
    )
    sections = ('start-up', 'inference', 'engines', 'training', 'processes')
    parser.add_argument('--sections', nargs='+', choices=sections, default=sections, help='what to measure (all)')
    rounds = common.whole_number(1, 1000)
    parser.add_argument('--rounds', type=rounds, default=5, help='turns of every case, of which the least counts (5)')
    parser.add_argument('-o', '--output', metavar='FILE', help='also write the tables there, Markdown')
    parser.add_argument(
        '--history', metavar='FILE', help='compare with its entries; fails where something is far slower than usual'
    )
    parser.add_argument('--add', action='store_true', help='add an entry to the history')
    args = parser.parse_args(argv)
    if args.add and not args.history:
        parser.error('--add: name the file by --history')

    from pathlib import Path

    from rim_plugin.benchmark import speed_report as report
    from rim_plugin.files import write_atomically

    entries = report.read_history(Path(args.history)) if args.history else []
    rows = report.measure(args.sections, args.rounds)
    print(report.table(rows), end='')
    if args.output:
        write_atomically(args.output, report.table(rows))
    now = report.ratios(rows)
    if args.add:
        report.add_to_history(Path(args.history), now)
    if lines := report.slower(now, entries):
        raise ValueError(f'far slower than usual: {"; ".join(lines)}')


@common.command
def benchmark_gpu(argv: Sequence[str]) -> None:
    """scripts/benchmark_gpu.py."""
    parser = ArgumentParser(
        description='Measure training steps on a GPU: as they are and recorded as CUDA graphs, in fp32 and bf16.'
    )
    parser.add_argument('--minutes', type=float, default=3.5, help='after which no further case begins (3.5)')
    parser.add_argument('--seconds', type=float, default=1.0, help='for which each case is timed (1)')
    parser.add_argument('-o', '--output', metavar='FILE', help='also write the tables there, Markdown')
    args = parser.parse_args(argv)

    import torch

    from rim_plugin.files import write_atomically

    if not torch.cuda.is_available():
        raise ValueError('benchmark_gpu needs a GPU, and there is none here')
    from rim_plugin.benchmark.gpu_report import measure

    tables = measure(torch.device('cuda'), args.seconds, args.minutes, partial(print, flush=True))
    print(tables, end='')
    if args.output:
        write_atomically(args.output, tables)

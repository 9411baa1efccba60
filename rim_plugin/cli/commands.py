"""The commands of a function or two: small faces to large ones, two faces compared, export, packing, preparing."""

import json
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Literal

from rim_plugin.cli import common
from rim_plugin.cli.common import Command
from rim_plugin.cli.options_argument import add_options, options_file
from rim_plugin.errors import one_line


def _hallucinate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures or folders of aligned faces')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder for NAME.png')
    scale = common.whole_number(1, 8)
    parser.add_argument('--scale', type=scale, default=4, help='of photos, with --detect, 1 to 8 (%(default)s)')
    parser.add_argument('--compare', action='store_true', help='also NAME_compare.png: bicubic interpolation, result')
    parser.add_argument('--priors', action='store_true', help='also NAME_priors.png: landmarks and parsing maps')
    there = parser.add_mutually_exclusive_group()
    there.add_argument('--force', action='store_true', help='replace files that are there')
    there.add_argument('--skip-existing', action='store_true', help='go on with pictures whose files are not there')
    common.add_networks(parser)
    common.add_ray(parser)


def _hallucinate(args: Namespace) -> None:
    if len(args.inputs) == 1 and os.path.isfile(args.inputs[0]):
        common.check_pictures(args.inputs)
    from rim_plugin.tools import bulk
    from rim_plugin.tools.hallucinate_files import hallucinate_files

    rim = common.load_rim(args)
    existing: Literal['refuse', 'replace', 'skip'] = (
        'replace' if args.force else 'skip' if args.skip_existing else 'refuse'
    )
    detector, wanted = common.load_detector(args, rim), (args.compare, args.priors)
    with common.open_cluster(args) as cluster:
        elsewhere = bulk.hallucinating(cluster, bulk.Networks.of(args), args.scale, *wanted) if cluster else None
        report = hallucinate_files(
            rim, args.inputs, args.output, detector, args.scale, *wanted, existing, elsewhere=elsewhere
        )
    common.print_skipped(report.skipped)
    if not report.written and not report.present:
        raise ValueError('nothing was written: none of the pictures can be used')
    before = f', {report.present} were there already' if report.present else ''
    print(f'{report.written} pictures written to {args.output}{before}')


hallucinate = Command(
    'hallucinate',
    'Enlarge small faces to 224 pixels, or photos with faces in them.',
    _hallucinate_arguments,
    _hallucinate,
)


def _verify_arguments(parser: ArgumentParser) -> None:
    common.add_networks(parser)
    parser.add_argument('a', metavar='A', help='picture of an aligned face')
    parser.add_argument('b', metavar='B', help='another')
    parser.add_argument('--json', action='store_true', help='print JSON')


def _verify(args: Namespace) -> None:
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


verify = Command('verify', 'Compare two faces, each of any size.', _verify_arguments, _verify)


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('--onnx', required=True, metavar='FOLDER', help='folder for fhn_SIZE.onnx and embed_SIZE.onnx')
    size = common.whole_number(4, 224)
    parser.add_argument('--size', type=size, default=28, help='side of the probes in pixels, 4 to 224 (%(default)s)')
    common.add_weights(parser)


def _export(args: Namespace) -> None:
    from rim_plugin.tools.export import export_onnx

    for path, difference in export_onnx(common.load_rim(args), args.onnx, args.size).items():
        print(f'{path}: differs from PyTorch by at most {difference:.1e}')


export = Command(
    'export', 'Export the networks to ONNX, checked against PyTorch through onnxruntime.', _export_arguments, _export
)


def _pack_arguments(parser: ArgumentParser) -> None:
    add_options(parser, 'train')
    parser.add_argument('-o', '--output', required=True, help='NAME.safetensors; NAME.json and NAME.md come with it')
    parser.add_argument('--fhn', help='net_fhn_*.pth')
    parser.add_argument('--hrn', nargs='+', default=(), help='net_r_*.pth, trained with head: own; the mean of several')
    parser.add_argument('--teacher', action='store_true', help='the teacher, too, whose licence has to allow it')
    parser.add_argument('--verify', help='options file with pairs of faces, which teach the thresholds')
    parser.add_argument('--commit', help="of the training (today's)")
    parser.add_argument('--notes', help='text file for the card: data and their terms, other results')


def _pack(args: Namespace) -> None:
    file = options_file(args, 'train')

    from rim_plugin.tools import packing

    inputs = args.fhn, args.hrn, args.teacher, args.verify, args.commit, args.notes
    weights = packing.pack(file, args.output, *inputs, ['rim', 'pack', *args.argv])
    print(f'{args.output}: SHA-256 {weights.sha256}')


pack = Command('pack', 'Pack the averaged weights of a training, with thresholds and card.', _pack_arguments, _pack)


def _prepare_arguments(parser: ArgumentParser) -> None:
    parser.epilog = (
        'Stopped, it goes on where it was when run again. Run for several folders of photos with the same OUTPUT, it '
        'joins them. --check FOLDER alone reads every face of a prepared folder and tells what is damaged.'
    )
    parser.add_argument('photos', nargs='?', metavar='PHOTOS', help='folder of photos, with sub-folders')
    parser.add_argument('output', nargs='?', metavar='OUTPUT', help="folder to make (datasets/ and the photos' folder)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--landmarks',
        help='folder of .pts (68 points, 1-based), folder of Helen-194 .txt, or a text '
        'file of five points (lines: photo, then x y of left eye, right eye, nose, mouth corners)',
    )
    detectors = f'faces without annotation: {common.DETECTORS} from an RGB image to (k, 5, 2) points; cascade'
    how.add_argument('--detector', '--detect', help=f'{detectors} without --landmarks')
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
    common.add_ray(parser)
    parser.add_argument('--check', metavar='FOLDER', help='instead: read every face of a prepared folder')


def _prepare(args: Namespace) -> None:
    if args.check is not None:
        _check_store(args.check)
        return
    if args.photos is None:
        raise ValueError('name the folder of photos: rim prepare PHOTOS')
    if args.landmarks is None and args.detector is None and args.aligned is None:
        args.detector = 'cascade'
    args.output = args.output or _output_of(args.photos)

    from rim_plugin.data.prepare import PrepareOptions, prepare_faces
    from rim_plugin.tools import bulk
    from rim_plugin.tools.cascade import load_detector

    options = PrepareOptions(**{field.name: getattr(args, field.name) for field in fields(PrepareOptions)})
    detectors = {'cascade': partial(load_detector, 'cascade')}
    try:
        with common.open_cluster(args) as cluster:
            elsewhere = bulk.preparing(cluster, options) if cluster else None
            print(prepare_faces(options, detectors, elsewhere))
    except KeyboardInterrupt:
        print('Stopped. The same command goes on from here.', file=sys.stderr)
        raise
    if args.aligned is None and args.size == 224:
        print(f'Next: rim train own --faces {shlex.quote(args.output)}')


def _output_of(photos: str) -> str:
    """Where the faces of a folder of photos go by default."""
    output = Path('datasets', Path(photos).resolve().name)
    if output.resolve() == Path(photos).resolve():
        raise ValueError(f'{photos}: the photos are where the faces would go; name another folder, OUTPUT')
    return str(output)


def _check_store(folder: str) -> None:
    from rim_plugin.data.store_check import check_store

    report = check_store(folder)
    for line in report.faults:
        print(one_line(line))
    if report.faults:
        raise ValueError(f'{folder}: {len(report.faults)} faults, {report.faces} faces')
    print(f'{folder}: {report.faces} faces, all of them whole')


prepare = Command(
    'prepare',
    'Prepare aligned faces, with landmarks and parsing maps, from a folder of photos.',
    _prepare_arguments,
    _prepare,
)


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

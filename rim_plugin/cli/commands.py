"""The commands of a function or two: small faces to large ones, two faces compared, export, packing, preparing."""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rim_plugin.cli import common
from rim_plugin.cli.common import Command
from rim_plugin.cli.film_arguments import add_film_arguments, hallucinate_film, is_film
from rim_plugin.cli.options_argument import add_options, options_file
from rim_plugin.errors import one_line
from rim_plugin.files import require_folder, require_writable

if TYPE_CHECKING:
    from rim_plugin.tools.api import Verification
    from rim_plugin.tools.notes import Note


def _hallucinate_arguments(parser: ArgumentParser) -> None:
    parser.epilog = common.partial_told('pictures, or frames,')
    kinds = 'pictures or folders of photos or aligned faces; or a film'
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help=kinds)
    places = 'folder for NAME.png; of a film OUT.mp4, or a folder for its frames'
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help=places)
    scale = common.whole_number(1, 8)
    parser.add_argument(
        '--scale',
        type=scale,
        help='how many times as large pictures become, 1 to 8 (photos as their faces do, at most 4, 100 megapixels; '
        'aligned faces to 224 pixels, if they have fewer)',
    )
    parser.add_argument(
        '--background',
        metavar='OPTIONS',
        help='options file whose network_g, any registered SR network, with path: pretrain_network_g enlarges the rest '
        'of whole photos (bicubic interpolation)',
    )
    parser.add_argument(
        '--on-no-face',
        choices=('copy', 'skip', 'fail'),
        default='copy',
        help='what becomes of a picture in which no face is restored: written as it is, enlarged (%(default)s), left '
        'out, or the run ends',
    )
    parser.add_argument('--compare', action='store_true', help='also NAME_compare: bicubic interpolation, result')
    parser.add_argument('--priors', action='store_true', help='also NAME_priors: landmarks and parsing maps')
    parser.add_argument('--crops', action='store_true', help='also NAME_faces/: each restored face before and after')
    parser.add_argument(
        '--ext', choices=('png', 'jpg', 'webp', 'tif'), default='png', help='kind of the files (%(default)s)'
    )
    parser.add_argument('--suffix', default='', help="of the files' names, after the picture's own")
    parser.add_argument('--json', action='store_true', help='print a line of JSON a picture in place of text')
    there = parser.add_mutually_exclusive_group()
    there.add_argument('--force', action='store_true', help='replace files that are there')
    there.add_argument('--skip-existing', action='store_true', help='go on with pictures whose files are not there')
    add_film_arguments(parser)
    common.add_networks(parser)
    common.add_ray(parser)


def _hallucinate(args: Namespace) -> Callable[[], object] | None:
    if is_film(args):
        return common.ending(hallucinate_film(args) > 0)
    if args.fps:
        raise ValueError('--fps: is of films: name a video to write, or say --frames')
    from rim_plugin.tools.output_files import check_places

    check_places(args.inputs, Path(args.output))
    if len(args.inputs) == 1 and os.path.isfile(args.inputs[0]):
        common.check_pictures(args.inputs)
    from rim_plugin.tools import bulk
    from rim_plugin.tools.hallucinate_files import HallucinateOptions, hallucinate_files

    rim = common.load_rim(args)
    existing: Literal['refuse', 'replace', 'skip'] = (
        'replace' if args.force else 'skip' if args.skip_existing else 'refuse'
    )
    options = HallucinateOptions(
        common.load_detector(args),
        args.scale,
        args.on_no_face,
        args.compare,
        args.priors,
        args.crops,
        args.ext,
        common.name_part(args.suffix),
        existing,
        common.load_background(args, rim.device),
    )
    tell = _tell_json if args.json else _tell
    with common.open_cluster(args) as cluster:
        elsewhere = bulk.hallucinating(cluster, bulk.Networks.of(args), options) if cluster else None
        report = hallucinate_files(rim, args.inputs, args.output, options, tell, elsewhere)
    common.print_skipped(report.skipped)
    if not report.written and not report.present:
        raise ValueError('nothing was written: none of the pictures can be used')
    print(one_line(report.summary(args.output)), file=sys.stderr if args.json else sys.stdout)
    return common.ending(bool(report.skipped))


def _tell(note: Note) -> None:
    """A line about a photo; none about an aligned face that was hallucinated."""
    if not (note.aligned and note.restored):
        print(one_line(note))


def _tell_json(note: Note) -> None:
    faces = [face._asdict() for face in note.faces]
    print(json.dumps({**note._asdict(), 'faces': faces}, ensure_ascii=False))


hallucinate = Command(
    'hallucinate',
    'Enlarge photos with small faces in them, or aligned faces to 224 pixels.',
    _hallucinate_arguments,
    _hallucinate,
)


def _verify_arguments(parser: ArgumentParser) -> None:
    common.add_networks(parser)
    parser.add_argument('a', metavar='A', help='picture of an aligned face')
    parser.add_argument('b', metavar='B', help='another')
    parser.add_argument('--all-faces', action='store_true', help='of photos, with --detect, compare every face')
    common.add_min_quality(parser)
    parser.add_argument('--json', action='store_true', help='print JSON')


def _verify(args: Namespace) -> None:
    common.check_pictures([args.a, args.b])
    from rim_plugin.tools.photo_faces import compare_photos
    from rim_plugin.tools.photos import read_faces

    rim = common.load_rim(args)
    detector = common.load_detector(args)
    photos = [read_faces(path, detector) for path in (args.a, args.b)]
    results = compare_photos(rim, photos[0], photos[1], args.all_faces, args.min_quality)
    if args.json:
        found = {'faces_found': [len(faces) for faces in photos]}
        rows = [{**result._asdict(), **found, 'faces': faces} for faces, result in results]
        print(json.dumps(rows if args.all_faces else rows[0]))
        return
    for path, several in zip((args.a, args.b), photos):
        if len(several) > 1 and not args.all_faces:
            print(
                one_line(f'{path}: {len(several)} faces found, the largest is compared (--all-faces)'), file=sys.stderr
            )
    for faces, result in results:
        print(one_line(f'faces {faces[0]} and {faces[1]}: ' * args.all_faces + _told(result)))


def _told(result: Verification) -> str:
    """A verdict in words."""
    sizes = f'faces of {result.sizes[0]} and {result.sizes[1]} pixels'
    if result.same is None or result.confidence is None:
        return f'no verdict: {result.reason} ({sizes}, similarity {result.similarity:.3f})'
    verdict = 'same person' if result.same else 'different persons'
    confidence = 'above 99%' if result.confidence > 0.99 else f'{result.confidence:.0%}'  # the curve's end is a guess
    return (
        f'{verdict}, confidence {confidence}: similarity {result.similarity:.3f}, threshold {result.threshold:.3f} '
        f'for {sizes}'
    )


verify = Command('verify', 'Compare two faces, each of any size.', _verify_arguments, _verify)


def _export_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--onnx', metavar='FOLDER', help='folder for fhn_SIZE.onnx and embed_SIZE.onnx')
    what.add_argument('--check', metavar='FILE', help='instead: compare an exported file with PyTorch again')
    size = common.whole_number(4, 512)
    parser.add_argument('--size', type=size, default=28, help='side of the probes in pixels, 4 to 512 (%(default)s)')
    common.add_weights(parser)


def _export(args: Namespace) -> None:
    if args.onnx:
        require_folder(Path(args.onnx))
        require_writable(Path(args.onnx))
    from rim_plugin.tools.export import check_onnx, export_onnx

    rim = common.load_rim(args)
    differences = {args.check: check_onnx(rim, args.check)} if args.check else export_onnx(rim, args.onnx, args.size)
    for path, difference in differences.items():
        print(one_line(f'{path}: differs from PyTorch by at most {difference:.1e}'))


export = Command(
    'export', 'Export the networks to ONNX, checked against PyTorch through onnxruntime.', _export_arguments, _export
)


def _pack_arguments(parser: ArgumentParser) -> None:
    add_options(parser, 'train')
    parser.add_argument('-o', '--output', required=True, help='NAME.safetensors; NAME.json and NAME.md come with it')
    parser.add_argument('--fhn', help='net_fhn_*.pth')
    parser.add_argument('--hrn', nargs='+', default=(), help='net_r_*.pth, trained with head: own; the mean of several')
    parser.add_argument('--teacher', action='store_true', help='the teacher, too, whose licence has to allow it')
    parser.add_argument('--verify', help='options file with pairs of faces that are measured')
    parser.add_argument(
        '--calibrate',
        metavar='FOLDER',
        help='prepared faces, LMDB, that teach thresholds and quality (pairs of --verify)',
    )
    parser.add_argument('--identities', help='of --calibrate: text file of lines NAME PERSON')
    parser.add_argument('--exclude', help='of --calibrate: text file of faces that are left out, those of the training')
    persons = common.whole_number(20, 100_000)
    told = 'of --calibrate: how many, at most; time rises with it (%(default)s)'
    parser.add_argument('--persons', type=persons, default=250, metavar='N', help=told)
    parser.add_argument('--commit', help="of the training (today's)")
    parser.add_argument('--notes', help='text file for the card: data and their terms, other results')


def _pack(args: Namespace) -> None:
    file = options_file(args, 'train')
    require_writable(Path(args.output))

    from rim_plugin.tools import packing

    if args.calibrate and not args.identities:
        raise ValueError('--calibrate: who is on the faces? Name a list by --identities')
    places = args.calibrate, args.identities, args.exclude
    known = packing.KnownPersons(*places, args.persons) if args.calibrate else None
    inputs = args.fhn, args.hrn, args.teacher, args.verify, args.commit, args.notes
    weights = packing.pack(file, args.output, *inputs, ['rim', 'pack', *args.argv], known)
    print(one_line(f'{args.output}: SHA-256 {weights.sha256}'))


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
    detectors = f'faces without annotation: {common.DETECTORS} from an RGB image to (k, 5, 2) points; auto'
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
        args.detector = 'auto'
    args.output = args.output or _output_of(args.photos)

    from rim_plugin.data.prepare import PrepareOptions, prepare_faces
    from rim_plugin.tools import bulk
    from rim_plugin.tools.detection import load_detector

    options = PrepareOptions(**{field.name: getattr(args, field.name) for field in fields(PrepareOptions)})
    try:
        with common.open_cluster(args) as cluster:
            elsewhere = bulk.preparing(cluster, options) if cluster else None
            print(prepare_faces(options, partial(load_detector, tiles=False), elsewhere))
    except KeyboardInterrupt:
        print('Stopped. The same command goes on from here.', file=sys.stderr)
        raise
    if args.aligned is None and args.size == 224:
        print(one_line(f'Next: rim train own --faces {shlex.quote(args.output)}'))


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
    print(one_line(f'{folder}: {report.faces} faces, all of them whole'))


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

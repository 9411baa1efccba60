"""The commands: what they are asked, and what they print. The work is done by the other modules."""

import argparse
import functools
import json
import sys
from pathlib import Path

import cv2
import torch

from rim_plugin.data.detect import load_detector
from rim_plugin.tools.api import RIM
from rim_plugin.tools.cascade import CascadeDetector
from rim_plugin.tools.export import export_onnx
from rim_plugin.tools.gallery import Gallery, locked
from rim_plugin.tools.gallery import enrol as enrol_people
from rim_plugin.tools.hallucinate_files import hallucinate_files
from rim_plugin.tools.packing import pack as pack_weights
from rim_plugin.tools.photos import read_face


def command(main):
    """A command whose mistakes of the user end in one line and exit code 1; ``argv``: without the program's name."""

    @functools.wraps(main)
    def run(argv=None):
        for stream in (sys.stdout, sys.stderr):  # names that it cannot show are written as \\u....
            stream.reconfigure(errors='backslashreplace')
        try:
            main(sys.argv[1:] if argv is None else argv)
        except (OSError, RuntimeError, ValueError, cv2.error) as error:
            sys.exit(f'Error: {" ".join(str(error).split())}')
        except KeyboardInterrupt:
            sys.exit(130)

    return run


@command
def hallucinate(argv):
    """rim-hallucinate: small faces to large ones, alone or within photos."""
    parser = _add_networks(
        argparse.ArgumentParser(description='Enlarge small faces to 224 pixels, or photos with the faces in them.')
    )
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures or folders of aligned faces')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='folder for NAME.png')
    parser.add_argument(
        '--scale',
        type=_whole(1, 8),
        default=4,
        metavar='N',
        help='with --detect: times that photos become larger, 1 to 8 (%(default)s)',
    )
    parser.add_argument('--compare', action='store_true', help='also NAME_compare.png: bicubic interpolation, result')
    parser.add_argument('--priors', action='store_true', help='also NAME_priors.png: landmarks and parsing maps')
    parser.add_argument('--force', action='store_true', help='replace files that are there')
    args = parser.parse_args(argv)
    rim = _rim(args)
    report = hallucinate_files(
        rim, args.inputs, args.output, _detector(args, rim), args.scale, args.compare, args.priors, args.force
    )
    _print_skipped(report.skipped)
    if not report.written:
        raise ValueError('nothing was written: none of the pictures can be used')
    print(f'{len(report.written)} pictures written to {args.output}')


@command
def verify(argv):
    """rim-verify: are two faces one person's?"""
    parser = _add_networks(argparse.ArgumentParser(description='Compare two faces, each of any size.'))
    parser.add_argument('a', metavar='A', help='picture of an aligned face')
    parser.add_argument('b', metavar='B', help='another')
    parser.add_argument('--json', action='store_true', help='print JSON')
    args = parser.parse_args(argv)
    rim = _rim(args)
    detector = _detector(args, rim)
    found = rim.verify(read_face(args.a, detector), read_face(args.b, detector))
    if args.json:
        print(json.dumps(found._asdict()))
        return
    verdict = 'same person' if found.same else 'different persons'
    confidence = 'above 99%' if found.confidence > 0.99 else f'{found.confidence:.0%}'  # the curve's end is a guess
    print(
        f'{verdict}, confidence {confidence}: similarity {found.similarity:.3f}, threshold '
        f'{found.threshold:.3f} for faces of {found.sizes[0]} and {found.sizes[1]} pixels'
    )


@command
def gallery(argv):
    """rim-gallery: enrol people, search for a face."""
    parser = argparse.ArgumentParser(description='Enrol people in an index file and search it for faces.')
    actions = parser.add_subparsers(dest='action', required=True)
    enrol = _add_networks(actions.add_parser('enrol', help='add people to an index, which is made if need be'))
    search = _add_networks(actions.add_parser('search', help='who is that?'))
    listing = actions.add_parser('list', help='who is enrolled')
    remove = actions.add_parser('remove', help='take a person out')
    for action in (enrol, search, listing, remove):
        action.add_argument('index', metavar='INDEX', help='the index file')
    enrol.add_argument(
        'people',
        metavar='PEOPLE',
        help='folder with a sub-folder of photos for each person, or a text file of lines NAME<tab>PHOTO',
    )
    search.add_argument('photo', metavar='PHOTO', help='picture of an aligned face')
    search.add_argument(
        '-k', '--ranks', type=_whole(1, 1000), default=5, metavar='K', help='how many persons to show (%(default)s)'
    )
    search.add_argument('--json', action='store_true', help='print JSON')
    remove.add_argument('name', metavar='NAME')
    args = parser.parse_args(argv)
    {'enrol': _enrol, 'search': _search, 'list': _list, 'remove': _remove}[args.action](args)


def _enrol(args):
    rim = _rim(args)
    sha256 = rim.weights.sha256
    _loaded(args.index, sha256)  # a wrong one is told before the work
    found = Gallery(sha256)
    count, skipped = enrol_people(found, rim, args.people, _detector(args, rim))
    with locked(args.index):
        index = _loaded(args.index, sha256)
        index.add(found.photos, found.embeddings)
        index.save(args.index)
    _print_skipped(skipped)
    print(f'{count} photos enrolled; {args.index}: {_size(index)}')


def _loaded(path, sha256):
    return Gallery.load(path, sha256) if Path(path).exists() else Gallery(sha256)


def _search(args):
    rim = _rim(args)
    index = Gallery.load(args.index, rim.weights.sha256)
    face = read_face(args.photo, _detector(args, rim))
    hits = index.search(rim.embed(face), args.ranks)
    verdicts = [rim.judge(hit.similarity, (len(face), hit.side)) for hit in hits]
    if args.json:
        print(
            json.dumps(
                [
                    {**hit._asdict(), 'threshold': verdict.threshold, 'same': verdict.same}
                    for hit, verdict in zip(hits, verdicts)
                ]
            )
        )
        return
    for hit, verdict in zip(hits, verdicts):
        relation = 'reaches' if verdict.same else 'below'
        print(
            f'{hit.rank}. {hit.name}: {hit.similarity:.3f}, {relation} the threshold of a pair, '
            f'{verdict.threshold:.3f} ({hit.file})'
        )


def _list(args):
    index = Gallery.load(args.index)
    for name, count in index.people().items():
        print(f'{name}\t{count}')
    print(_size(index), file=sys.stderr)


def _remove(args):
    with locked(args.index):
        index = Gallery.load(args.index)
        count = index.remove(args.name)
        index.save(args.index)
    print(f'{args.name}: {count} photos removed; {args.index}: {_size(index)}')


def _size(index):
    return f'{len(index.people())} persons, {len(index.photos)} photos'


@command
def export(argv):
    """rim-export: ONNX files."""
    parser = argparse.ArgumentParser(description='Export the networks, checked against PyTorch through onnxruntime.')
    parser.add_argument('--onnx', required=True, metavar='FOLDER', help='folder for fhn_SIZE.onnx and embed_SIZE.onnx')
    parser.add_argument(
        '--size',
        type=_whole(4, 224),
        default=28,
        metavar='SIZE',
        help='side of the probes in pixels, 4 to 224 (%(default)s)',
    )
    args = _add_weights(parser).parse_args(argv)
    for path, difference in export_onnx(_rim(args), args.onnx, args.size).items():
        print(f'{path}: differs from PyTorch by at most {difference:.1e}')


@command
def pack(argv):
    """scripts/pack_weights.py: a training to a weights file."""
    parser = argparse.ArgumentParser(description='Pack the averaged weights of a training, with thresholds and card.')
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
    weights = pack_weights(
        args.opt,
        args.output,
        args.fhn,
        args.hrn,
        args.verify,
        args.commit,
        args.notes,
        ['scripts/run.sh', 'python', 'scripts/pack_weights.py', *argv],
    )
    print(f'{args.output}: SHA-256 {weights.sha256}')


def _whole(least, most):
    def number(text):
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f'{text} is no whole number from {least} to {most}')
        return int(text)

    return number


def _add_weights(parser):
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('--device', help='cuda or cpu (a GPU where there is one)')
    return parser


def _add_networks(parser):
    parser.add_argument(
        '--detect',
        metavar='DETECTOR',
        help='the pictures are whole photos, whose faces are found by '
        "'cascade' (upright, frontal faces; fetches nothing), 'insightface' (fetches its model), an "
        "SCRFD or YuNet .onnx file, or 'module:function'",
    )
    return _add_weights(parser)


def _rim(args):
    try:
        torch.empty(0, device=args.device).cpu()
    except (AssertionError, RuntimeError) as error:  # as a torch without that backend has it
        raise ValueError(f'--device {args.device}: {error}; --device cpu is always there') from None
    return RIM.from_pretrained(args.weights, args.device)


def _detector(args, rim):
    if args.detect is None:
        return None
    return load_detector(args.detect, {'cascade': lambda: CascadeDetector(rim)})


def _print_skipped(lines):
    if lines:
        print('\n'.join([f'Left out, {len(lines)}:', *lines]), file=sys.stderr)

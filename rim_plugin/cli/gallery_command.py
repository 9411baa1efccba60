"""rim-gallery: enrol people, search for a face."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rim_plugin.cli.common import add_networks, command, load_detector, load_rim, print_skipped, whole_number

if TYPE_CHECKING:
    from rim_plugin.tools.gallery import Gallery


@command
def gallery(argv: Sequence[str]) -> None:
    """rim-gallery."""
    parser = ArgumentParser(description='Enrol people in an index file and search it for faces.')
    actions = parser.add_subparsers(dest='action', required=True)
    enrol = add_networks(actions.add_parser('enrol', help='add people to an index, which is made if need be'))
    search = add_networks(actions.add_parser('search', help='who is that?'))
    listing = actions.add_parser('list', help='who is enrolled')
    remove = actions.add_parser('remove', help='take a person out')
    for action in (enrol, search, listing, remove):
        action.add_argument('index', metavar='INDEX', help='the index file')
    enrol.add_argument(
        'people', metavar='PEOPLE', help='folder with a folder a person, or file of lines NAME<tab>PHOTO'
    )
    search.add_argument('photo', metavar='PHOTO', help='picture of an aligned face')
    ranks = whole_number(1, 1000)
    search.add_argument('-k', '--ranks', type=ranks, default=5, help='how many persons to show (%(default)s)')
    search.add_argument('--json', action='store_true', help='print JSON')
    remove.add_argument('name', metavar='NAME')
    args = parser.parse_args(argv)
    {'enrol': _enrol, 'search': _search, 'list': _list, 'remove': _remove}[args.action](args)


def _enrol(args: Namespace) -> None:
    from rim_plugin.files import locked
    from rim_plugin.tools.gallery import Gallery, enrol

    rim = load_rim(args)
    sha256 = rim.weights.sha256
    _load_or_new(args.index, sha256)  # a wrong one is named before the work
    enrolled = Gallery(sha256)
    count, skipped = enrol(enrolled, rim, args.people, load_detector(args, rim))
    with locked(args.index):
        index = _load_or_new(args.index, sha256)
        index.add(enrolled.photos, enrolled.embeddings)
        index.save(args.index)
    print_skipped(skipped)
    print(f'{count} photos enrolled; {args.index}: {_size(index)}')


def _load_or_new(path: str, sha256: str) -> Gallery:
    from rim_plugin.tools.gallery import Gallery

    return Gallery.load(path, sha256) if Path(path).exists() else Gallery(sha256)


def _search(args: Namespace) -> None:
    from rim_plugin.tools.gallery import Gallery
    from rim_plugin.tools.photos import read_face

    rim = load_rim(args)
    index = Gallery.load(args.index, rim.weights.sha256)
    face = read_face(args.photo, load_detector(args, rim))
    rows = []
    for hit in index.search(rim.embed(face), args.ranks):
        verdict = rim.judge(hit.similarity, (len(face), hit.side))
        rows.append({**hit._asdict(), 'threshold': verdict.threshold, 'same': verdict.same})
        if not args.json:
            relation = f'{"reaches" if verdict.same else "below"} the threshold of a pair, {verdict.threshold:.3f}'
            print(f'{hit.rank}. {hit.name}: {hit.similarity:.3f}, {relation} ({hit.file})')
    if args.json:
        print(json.dumps(rows))


def _list(args: Namespace) -> None:
    from rim_plugin.tools.gallery import Gallery

    index = Gallery.load(args.index)
    for name, count in index.people().items():
        print(f'{name}\t{count}')
    print(_size(index), file=sys.stderr)


def _remove(args: Namespace) -> None:
    from rim_plugin.files import locked
    from rim_plugin.tools.gallery import Gallery

    with locked(args.index):
        index = Gallery.load(args.index)
        count = index.remove(args.name)
        index.save(args.index)
    print(f'{args.name}: {count} photos removed; {args.index}: {_size(index)}')


def _size(index: Gallery) -> str:
    return f'{len(index.people())} persons, {len(index.photos)} photos'

"""``rim gallery``: enrol people, search for a face."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from rim_plugin.cli.common import (
    Command,
    add_networks,
    add_ray,
    check_pictures,
    load_detector,
    load_rim,
    open_cluster,
    print_skipped,
    whole_number,
)

if TYPE_CHECKING:
    from rim_plugin.tools.gallery.store import Store


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--store', metavar='postgresql://...', help='a database with pgvector that holds galleries (a file is one)'
    )
    actions = parser.add_subparsers(dest='action', required=True)
    enrol = add_networks(actions.add_parser('enrol', help='add people to a gallery, which is made if need be'))
    search = add_networks(actions.add_parser('search', help='who is that?'))
    listing = actions.add_parser('list', help='who is enrolled')
    remove = actions.add_parser('remove', help='take a person out')
    taking = actions.add_parser('import', help='take over an index file of an earlier version')
    for action in (enrol, search, listing, remove, taking):
        action.add_argument('index', metavar='INDEX', help="the gallery's file; with --store, its name there")
    enrol.add_argument(
        'people', metavar='PEOPLE', help='folder with a folder a person, or file of lines NAME<tab>PHOTO'
    )
    add_ray(enrol)
    search.add_argument('photo', metavar='PHOTO', help='picture of an aligned face')
    ranks = whole_number(1, 1000)
    search.add_argument('-k', '--ranks', type=ranks, default=5, help='how many persons to show (%(default)s)')
    search.add_argument('--json', action='store_true', help='print JSON')
    remove.add_argument('name', metavar='NAME')
    taking.add_argument('file', metavar='FILE', help='the index file')


def _run(args: Namespace) -> None:
    run = {'enrol': _enrol, 'search': _search, 'list': _list, 'remove': _remove, 'import': _import}
    run[args.action](args)


gallery = Command('gallery', 'Enrol people in a gallery and search it for faces.', _arguments, _run)


def _open(args: Namespace, sha256: str | None = None, make: bool = False) -> Store:
    from rim_plugin.tools.gallery.opening import open_store

    return open_store(args.index, args.store, sha256, make)


def _enrol(args: Namespace) -> None:
    from rim_plugin.tools import bulk
    from rim_plugin.tools.gallery.enrolment import enrol
    from rim_plugin.tools.gallery.opening import check_store

    rim = load_rim(args)
    sha256 = rim.weights.sha256
    check_store(args.index, args.store, sha256)  # a wrong one is named before the work
    detector = load_detector(args, rim)
    with open_cluster(args) as cluster:
        elsewhere = bulk.enrolling(cluster, bulk.Networks.of(args)) if cluster else None
        count, skipped = enrol(lambda: _open(args, sha256, make=True), rim, args.people, detector, elsewhere)
    print_skipped(skipped)
    with _open(args) as index:
        print(f'{count} photos enrolled; {args.index}: {_size(index)}')


def _search(args: Namespace) -> None:
    check_pictures([args.photo])
    from rim_plugin.tools.photos import read_face

    rim = load_rim(args)
    with _open(args, rim.weights.sha256) as index:
        face = read_face(args.photo, load_detector(args, rim))
        hits = index.search(rim.embed(face), args.ranks)
    rows = []
    for hit in hits:
        verdict = rim.judge(hit.similarity, (len(face), hit.side))
        rows.append({**hit._asdict(), 'threshold': verdict.threshold, 'same': verdict.same})
        if not args.json:
            relation = f'{"reaches" if verdict.same else "below"} the threshold of a pair, {verdict.threshold:.3f}'
            print(f'{hit.rank}. {hit.name}: {hit.similarity:.3f}, {relation} ({hit.file})')
    if args.json:
        print(json.dumps(rows))


def _list(args: Namespace) -> None:
    with _open(args) as index:
        people = index.people()
    for name, count in people.items():
        print(f'{name}\t{count}')
    print(_told(people), file=sys.stderr)


def _remove(args: Namespace) -> None:
    with _open(args) as index:
        count = index.remove(args.name)
        print(f'{args.name}: {count} photos removed; {args.index}: {_size(index)}')


def _import(args: Namespace) -> None:
    from rim_plugin.tools.gallery.index_file import read_index

    sha256, photos, embeddings = read_index(args.file)
    with _open(args, sha256, make=True) as index:
        if photos:
            index.add(photos, embeddings)
        print(f'{len(photos)} photos taken over; {args.index}: {_size(index)}')


def _size(index: Store) -> str:
    return _told(index.people())


def _told(people: dict[str, int]) -> str:
    return f'{len(people)} persons, {sum(people.values())} photos'

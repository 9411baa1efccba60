"""``rim gallery``: enrol people, search for a face."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rim_plugin.cli.common import (
    Command,
    add_min_quality,
    add_networks,
    add_ray,
    check_pictures,
    ending,
    fraction,
    load_detector,
    load_rim,
    open_cluster,
    partial_told,
    print_skipped,
    whole_number,
)
from rim_plugin.errors import one_line

if TYPE_CHECKING:
    from rim_plugin.tools.gallery.store import Store


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--store', metavar='postgresql://...', help='a database with pgvector that holds galleries (a file is one)'
    )
    actions = parser.add_subparsers(dest='action', required=True)
    enrol = add_networks(actions.add_parser('enrol', help='add people to a gallery, which is made if need be'))
    search = add_networks(actions.add_parser('search', help='who is that?'))
    evaluate = add_networks(
        actions.add_parser('evaluate', help='how often searches are right, by photos of known people')
    )
    listing = actions.add_parser('list', help='who is enrolled')
    remove = actions.add_parser('remove', help='take a person out')
    taking = actions.add_parser('import', help='take over an index file of an earlier version')
    for action in (enrol, search, evaluate, listing, remove, taking):
        action.add_argument('index', metavar='INDEX', help="the gallery's file; with --store, its name there")
    enrol.add_argument(
        'people', metavar='PEOPLE', help='folder with a folder a person, or file of lines NAME<tab>PHOTO'
    )
    add_ray(enrol)
    enrol.epilog = partial_told('photos')
    search.add_argument('photo', metavar='PHOTO', help='picture of an aligned face')
    ranks = whole_number(1, 1000)
    search.add_argument('-k', '--ranks', type=ranks, default=5, help='how many persons to show (%(default)s)')
    for action in (search, evaluate):
        told = 'share of searches of people who are not enrolled that may name somebody, between 0 and 1 (%(default)s)'
        action.add_argument('--fpir', type=fraction, default=0.01, metavar='RATE', help=told)
        action.add_argument('--json', action='store_true', help='print JSON')
    for action in (enrol, search):
        add_min_quality(action)
    evaluate.add_argument(
        'people', metavar='PEOPLE', help='as for enrol; some are enrolled by these names, some are not'
    )
    evaluate.add_argument(
        '-o', '--output', metavar='FOLDER', help='write evaluation.json, det.png and rejection.png there'
    )
    remove.add_argument('name', metavar='NAME')
    taking.add_argument('file', metavar='FILE', help='the index file')


def _run(args: Namespace) -> Callable[[], object] | None:
    run: dict[str, Callable[[Namespace], Callable[[], object] | None]] = {
        'enrol': _enrol,
        'search': _search,
        'evaluate': _evaluate,
        'list': _list,
        'remove': _remove,
        'import': _import,
    }
    return run[args.action](args)


gallery = Command('gallery', 'Enrol people in a gallery and search it for faces.', _arguments, _run)


def _open(args: Namespace, sha256: str | None = None, make: bool = False) -> Store:
    from rim_plugin.tools.gallery.opening import open_store

    return open_store(args.index, args.store, sha256, make)


def _enrol(args: Namespace) -> Callable[[], object] | None:
    from rim_plugin.tools import bulk
    from rim_plugin.tools.gallery.enrolment import enrol
    from rim_plugin.tools.gallery.opening import check_store
    from rim_plugin.tools.gallery.store import cut_of

    rim = load_rim(args)
    sha256, cut = rim.weights.sha256, cut_of(args.detect)
    check_store(args.index, args.store, sha256, cut)  # a wrong one is named before the work
    detector = load_detector(args)
    with open_cluster(args) as cluster:
        elsewhere = bulk.enrolling(cluster, bulk.Networks.of(args), args.min_quality) if cluster else None
        make = partial(_open, args, sha256, make=True)
        count, skipped = enrol(make, rim, args.people, detector, args.min_quality, elsewhere, cut)
    print_skipped(skipped)
    with _open(args) as index:
        print(one_line(f'{count} photos enrolled; {args.index}: {_size(index)}'))
    return ending(bool(skipped))


def _search(args: Namespace) -> None:
    check_pictures([args.photo])
    from rim_plugin.tools.gallery.identification import identify
    from rim_plugin.tools.photos import read_faces

    rim = load_rim(args)
    with _open(args, rim.weights.sha256) as index:
        _compare_cuts(args, index)
        faces = read_faces(args.photo, load_detector(args))
        answer = identify(rim, index, faces[0], args.fpir, args.ranks, args.min_quality)
    if args.json:
        print(json.dumps({**answer.values(), 'faces_found': len(faces)}))
        return
    if len(faces) > 1:
        print(one_line(f'{args.photo}: {len(faces)} faces found, the largest is searched for'), file=sys.stderr)
    answered = answer.name or ('nobody enrolled' if answer.nobody else f'no answer: {answer.reason}')
    print(one_line(f'{answered} (FPIR {answer.fpir:g}, {answer.photos} photos)'))
    for hit in answer.hits:
        relation = 'no threshold' if hit.threshold is None else f'{_relation(hit.same)} {hit.threshold:.3f}'
        print(one_line(f'{hit.rank}. {hit.name}: {hit.similarity:.3f}, {relation} ({hit.file})'))


def _compare_cuts(args: Namespace, index: Store) -> None:
    """Say so where faces to search for are cut otherwise than the gallery's."""
    from rim_plugin.tools.gallery.store import by_option, cut_of

    kept, cut = index.cut(), cut_of(args.detect)
    if kept not in (None, cut):
        told = f'its faces were cut by {by_option(kept)}, what is searched for by {by_option(cut)}'
        print(one_line(f'{args.index}: {told}: similarities may be lower'), file=sys.stderr)


def _relation(same: bool) -> str:
    return 'reaches' if same else 'is not named below'


def _evaluate(args: Namespace) -> None:
    from rim_plugin.tools.gallery.search_errors import evaluate_gallery, save_evaluation

    rim = load_rim(args)
    with _open(args, rim.weights.sha256) as index:
        _compare_cuts(args, index)
        figures, skipped = evaluate_gallery(rim, index, args.people, load_detector(args), args.fpir)
    print_skipped(skipped)
    if args.output:
        save_evaluation(figures, Path(args.output))
    if args.json:
        print(json.dumps(figures))
        return
    print(
        one_line(
            f'{figures["photos"]} photos enrolled; searches: {figures["mated"]} mated, {figures["non_mated"]} others'
        )
    )
    at = figures['at_threshold']
    print(one_line(f'at the thresholds for FPIR {at["fpir_asked"]:g}: FPIR {at["fpir"]:.4f}, FNIR {at["fnir"]:.4f}'))
    for point in figures['at']:
        print(one_line(f'FNIR at FPIR {point["fpir"]:g}: {point["fnir"]:.4f}'))


def _list(args: Namespace) -> None:
    with _open(args) as index:
        people, cut = index.people(), index.cut()
    for name, count in people.items():
        print(one_line(name), count, sep='\t')
    print(one_line(f'{_told(people)}, cut: {cut or "not known"}'), file=sys.stderr)


def _remove(args: Namespace) -> None:
    with _open(args) as index:
        count = index.remove(args.name)
        print(one_line(f'{args.name}: {count} photos removed; {args.index}: {_size(index)}'))


def _import(args: Namespace) -> None:
    from rim_plugin.tools.gallery.index_file import read_index

    sha256, photos, embeddings = read_index(args.file)
    with _open(args, sha256, make=True) as index:
        if photos:
            index.add(photos, embeddings)
        print(one_line(f'{len(photos)} photos taken over; {args.index}: {_size(index)}'))


def _size(index: Store) -> str:
    return _told(index.people())


def _told(people: dict[str, int]) -> str:
    return f'{len(people)} persons, {sum(people.values())} photos'
